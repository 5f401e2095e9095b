"""Detect loss terms with a positive weight whose gradient is exactly zero for a whole epoch.

One non-zero gradient in an epoch proves a term alive, so a healthy run measures once an epoch, at its first block;
every block is measured only while a term has had no gradient yet.
"""

from collections.abc import Mapping

from atft.losses.terms import find_term


class DeadTerms:
    """Remember, over an epoch, which terms had a gradient at the network's output.

    Args:
        terms: present weight of each term, read at every call, so that a curriculum may change the mapping. Terms
            of weight 0 and hinges are never dead.
    """

    def __init__(self, terms: Mapping[str, float]) -> None:
        self._terms = terms
        self._hinges = {name for name in terms if find_term(name).hinge}
        self._alive: set[str] = set()
        self._measured = False

    @property
    def watched(self) -> tuple[str, ...]:
        """Terms that must have a gradient, in the order of the options."""
        return tuple(n for n, weight in self._terms.items() if weight and n not in self._hinges)

    @property
    def pending(self) -> tuple[str, ...]:
        """Those of them that had no gradient yet in this epoch."""
        return tuple(n for n in self.watched if n not in self._alive)

    def record(self, shares: Mapping[str, float]) -> None:
        """Record one measurement: what `atft.losses.objective.measure_shares` has of each term."""
        self._measured = True
        self._alive |= {n for n, share in shares.items() if share != 0}

    def close_epoch(self) -> tuple[str, ...]:
        """Return the dead terms, none in an epoch without a measurement, and start the next epoch."""
        dead = self.pending if self._measured else ()
        self._alive, self._measured = set(), False
        return dead
