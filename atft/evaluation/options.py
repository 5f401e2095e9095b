"""What of a file is measured, and how: what a reader must know to read the figures."""

from dataclasses import dataclass
from os import PathLike

from atft.day_series import MAX_HORIZON
from atft.errors import InputError
from atft.option_types import check_least, check_option_types

MAX_DRAWS = 100_000
"""Of the bootstrap: all are in memory, a number a day each."""


def check_horizon(horizon: int | None) -> None:
    """Raise InputError where an option ``horizon`` is no number of trading days; None is one that is not given."""
    if horizon is not None and not 1 <= horizon <= MAX_HORIZON:
        raise InputError(
            f"horizon must be at least 1 and at most {MAX_HORIZON:,} trading days, got {horizon}"
        )


@dataclass(frozen=True)
class MeasureOptions:
    """How scores are measured.

    Args:
        k: number of highest scores that precision@k and NDCG@k count.
        cost_bps: cost of each trade in basis points of its value, one way.
        participation: share of a stock's traded value that the portfolio may trade a day; it sets the capacity.
        min_stocks: a day with fewer known targets does not count.
        draws: number of bootstrap samples.
        seed: seed of the bootstrap and of the random controls.
    """

    k: int = 10
    cost_bps: float = 10.0
    participation: float = 0.01
    min_stocks: int = 20
    draws: int = 1000
    seed: int = 0

    @property
    def bootstrap(self) -> dict[str, int]:
        """Arguments of `atft.evaluation.intervals.intervals`."""
        return {"draws": self.draws, "seed": self.seed}

    def __post_init__(self) -> None:
        check_option_types("evaluate", self, (PathLike,))
        check_least("", self, k=1, cost_bps=0, min_stocks=2, seed=0)
        check_least("", self, MAX_DRAWS, draws=2)
        if not 0 < self.participation <= 1:
            raise InputError(f"participation must be in (0, 1], got {self.participation:g}")


@dataclass(frozen=True)
class EvaluateOptions(MeasureOptions):
    """What of a file is measured, and how.

    Args:
        split: measure rows of this split; default: those of ``test`` if the file has it, else all rows.
        horizon: measure rows of this horizon, in trading days; in a file without that column, the horizon of its
            rows. Default: all horizons; 1 without the column.
        context: further columns by date and code, of a file, or of the folder or glob of a panel: sector,
            return_1d, exposure_*, traded_value, regime_*.
    """

    split: str | None = None
    horizon: int | None = None
    context: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_horizon(self.horizon)
