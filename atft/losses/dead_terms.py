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
        terms: weight of each term, as in the options. Terms of weight 0 and hinges, which rest while all is
            well, are never dead.
    """

    def __init__(self, terms: Mapping[str, float]) -> None:
        self.watched = tuple(n for n, weight in terms.items() if weight and not find_term(n).hinge)
        self.pending = self.watched
        """Terms that have not pulled yet in this epoch, in the order of the options."""
        self._measured = False

    def see(self, shares: Mapping[str, float]) -> None:
        """Take one measurement in.

        Args:
            shares: each term's share of the gradient's norm, 0 for a term that pulls at nothing.
        """
        self._measured = True
        self.pending = tuple(n for n in self.pending if shares[n] == 0)

    def close_epoch(self) -> tuple[str, ...]:
        """Name the terms that never pulled, none in an epoch without a measurement, and start afresh."""
        dead = self.pending if self._measured else ()
        self.pending, self._measured = self.watched, False
        return dead
