"""The runs of a cross-validation and their order: one for each fold and seed."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol, Self


class PlannedRun(Protocol):
    """One training run of a pool."""

    @property
    def name(self) -> str:
        """Folder of the run."""
        ...

    @property
    def before(self) -> Self | None:
        """The run whose weights it starts from with a warm start; None for random weights."""
        ...


class FoldRun(NamedTuple):
    """One training run: a fold of the folds that ``data.split.folds`` describes, with one seed."""

    fold: int | None
    """Counted from 0; None for the plain split, which has no folds."""
    seed: int

    @property
    def name(self) -> str:
        """Folder of the run: ``fold_3_seed_1``, or ``seed_1``."""
        return f"seed_{self.seed}" if self.fold is None else f"fold_{self.fold}_seed_{self.seed}"

    @property
    def before(self) -> "FoldRun | None":
        """The same seed's fold before this one; None for the first one."""
        return FoldRun(self.fold - 1, self.seed) if self.fold else None


def planned_runs(folds: int | None, seeds: Sequence[int]) -> list[FoldRun]:
    """List all runs in the order in which they start: seed by seed, so that one seed's folds are whole early.

    Args:
        folds: how many there are; None for the plain split.
        seeds: the value of ``seed_everything`` of each run of a fold.
    """
    return [FoldRun(fold, seed) for seed in seeds for fold in ([None] if folds is None else range(folds))]
