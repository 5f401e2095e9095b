"""Finds the terms that are paid for and teach nothing: a weight above 0, a gradient of exactly 0.

Decision: one pull in an epoch proves a term alive, so a healthy run measures once an epoch, at its first block;
only while a term has not pulled yet is every block measured.
"""

from collections.abc import Mapping

from atft.losses.terms import find_term


class DeadTerms:
    """Remember, over an epoch, which terms have pulled at the network's output.

    Measure with :func:`~atft.losses.objective.gradient_shares` and hand the result to :meth:`see` for as long
    as anything is :attr:`pending`; after the epoch's last block :meth:`close_epoch` names the dead.

    Args:
        terms: present weight of each term; looked at whenever asked, so a phase that changes the mapping counts
            from then on. Terms of weight 0 and hinges, which rest while all is well, are never dead.
    """

    def __init__(self, terms: Mapping[str, float]) -> None:
        self._terms = terms
        self._pulled: set[str] = set()
        self._measured = False

    @property
    def watched(self) -> tuple[str, ...]:
        """Terms that have to pull, in the order of the options."""
        return tuple(n for n, weight in self._terms.items() if weight and not find_term(n).hinge)

    @property
    def pending(self) -> tuple[str, ...]:
        """Those of them that have not pulled yet in this epoch."""
        return tuple(n for n in self.watched if n not in self._pulled)

    def see(self, shares: Mapping[str, float]) -> None:
        """Take one measurement in.

        Args:
            shares: each term's share of the gradient's norm, 0 for a term that pulls at nothing.
        """
        self._measured = True
        self._pulled |= {n for n, share in shares.items() if share != 0}

    def close_epoch(self) -> tuple[str, ...]:
        """Name the terms that never pulled, none in an epoch without a measurement, and start afresh."""
        dead = self.pending if self._measured else ()
        self._pulled, self._measured = set(), False
        return dead
