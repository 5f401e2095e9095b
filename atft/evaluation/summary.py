"""From scores and targets to the numbers of a report, each with its standard error.

A scorer is anything that gives ``[days, stocks]`` scores: the network, a baseline, the ceiling of a simulated
market. All are measured on the same rows by the same functions, at lag 0 and, where the file knows the
delayed target, at lag 1.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from atft.cross_section import decile_spread, is_constant, pearson, spearman
from atft.evaluation.newey_west import mean_error, ratio, ratio_error
from atft.evaluation.predictions import prediction_horizons, read_horizon

TRADING_DAYS_A_YEAR = 252
LOST_DAYS_ALLOWED = 0.05
DAYS_AT_ONCE = 64


@dataclass(frozen=True)
class DayScores:
    """One scorer's statistics of each day at one horizon; NaN where a day cannot be ranked."""

    horizon: int
    rank_ic: NDArray[np.float64]
    """``[days]``; Spearman across the day's valid stocks."""
    ic: NDArray[np.float64]
    """``[days]``; Pearson."""
    spread: NDArray[np.float64]
    """``[days]``; mean target of the top decile minus the bottom decile, a fraction."""
    rankable: NDArray[np.bool_]
    """``[days]``; at least two valid stocks with unequal targets."""
    lost: NDArray[np.bool_]
    """``[days]``; rankable, but the scores are all equal or not finite."""
    thin: NDArray[np.bool_]
    """``[days]``; left out, since too few stocks have a known target."""


@dataclass(frozen=True)
class SummaryRow:
    """One scorer at one horizon and lag; errors are Newey-West standard errors with ``horizon - 1`` lags."""

    scorer: str
    horizon: int
    lag: int
    days: int
    """Days that were ranked."""
    thin_days: int
    """Days left out, since too few stocks had a known target."""
    rank_ic: float
    rank_ic_error: float
    ic: float
    ic_error: float
    rank_icir: float
    rank_icir_error: float
    icir: float
    icir_error: float
    sharpe: float
    """Mean over standard deviation of the daily decile spread."""
    sharpe_error: float
    sharpe_annual: float
    """Times the square root of (252 / horizon), and so is its error."""
    sharpe_annual_error: float


def score_days(
    score: NDArray[np.floating],
    target: NDArray[np.floating],
    valid: NDArray[np.bool_],
    horizon: int,
    min_stocks: int = 2,
) -> DayScores:
    """Measure each day's cross-section.

    Args:
        score: ``[days, stocks]``; any unit, higher is better.
        target: ``[days, stocks]``; raw forward returns, fractions.
        valid: ``[days, stocks]``; rows to count. Unknown targets are left out whatever it says.
        horizon: trading days ahead.
        min_stocks: days with fewer known targets are left out.
    """
    parts: list[NDArray[np.float64]] = []
    for first in range(0, len(score), DAYS_AT_ONCE):
        days = slice(first, first + DAYS_AT_ONCE)
        known = torch.from_numpy(valid[days] & np.isfinite(target[days]))
        count = known.sum(-1)
        thin = (count > 0) & (count < min_stocks)
        known &= ~thin[:, None]
        scores = torch.from_numpy(np.array(score[days], dtype=np.float32))
        targets = torch.from_numpy(np.array(target[days], dtype=np.float32))
        rankable = ~is_constant(torch.where(known, targets, 0), known)
        rank_ic = spearman(scores, targets, known)
        columns = (
            rank_ic,
            pearson(scores, targets, known),
            torch.where(rankable, decile_spread(scores, targets, known), torch.nan),
            rankable,
            rankable & rank_ic.isnan(),
            thin,
        )
        parts.append(torch.stack([c.double() for c in columns]).numpy())
    table = np.concatenate(parts, axis=1) if parts else np.zeros((6, 0))
    return DayScores(horizon, *table[:3], *(table[3:] > 0))


def summarise(days: DayScores, scorer: str, lag: int = 0) -> SummaryRow:
    """Reduce days to means and ratios, each with its standard error.

    All are NaN without a rankable day, or where the scores of more than 5 % of the rankable days are
    constant.
    """
    lags, year = days.horizon - 1, float(np.sqrt(TRADING_DAYS_A_YEAR / days.horizon))
    spoilt = days.lost.sum() > LOST_DAYS_ALLOWED * days.rankable.sum()
    nothing = np.full(0, np.nan)
    rank_ic, ic, spread = (nothing if spoilt else x for x in (days.rank_ic, days.ic, days.spread))
    sharpe, sharpe_error = ratio(spread), ratio_error(spread, lags)
    return SummaryRow(
        scorer=scorer,
        horizon=days.horizon,
        lag=lag,
        days=int((days.rankable & ~days.lost).sum()),
        thin_days=int(days.thin.sum()),
        rank_ic=_mean(rank_ic),
        rank_ic_error=mean_error(rank_ic, lags),
        ic=_mean(ic),
        ic_error=mean_error(ic, lags),
        rank_icir=ratio(rank_ic),
        rank_icir_error=ratio_error(rank_ic, lags),
        icir=ratio(ic),
        icir_error=ratio_error(ic, lags),
        sharpe=sharpe,
        sharpe_error=sharpe_error,
        sharpe_annual=sharpe * year,
        sharpe_annual_error=sharpe_error * year,
    )


def summarise_scorers(
    scorers: Mapping[str, NDArray[np.floating]],
    target: NDArray[np.floating],
    valid: NDArray[np.bool_],
    horizon: int,
    delayed_target: NDArray[np.floating] | None = None,
    min_stocks: int = 2,
) -> list[SummaryRow]:
    """Measure several scorers on the same rows of one horizon.

    Args:
        scorers: name -> ``[days, stocks]`` scores.
        target: ``[days, stocks]``; forward returns of a trade at the day's close.
        valid: ``[days, stocks]``; rows to count.
        horizon: trading days ahead.
        delayed_target: the same for a trade that waits one more close; adds rows of lag 1.
        min_stocks: days with fewer known targets are left out.

    Returns:
        Rows in the order of the scorers, lag 0 before lag 1.
    """
    targets = {0: target} if delayed_target is None else {0: target, 1: delayed_target}
    return [
        summarise(score_days(score, known, valid, horizon, min_stocks), name, lag)
        for name, score in scorers.items()
        for lag, known in targets.items()
    ]


def summarise_predictions(
    path: str | Path, split: str | None = None, min_stocks: int = 2
) -> list[SummaryRow]:
    """Measure a predictions file: the network, and the ceiling where the market is simulated.

    Args:
        path: a predictions file.
        split: only rows of this split; null takes all.
        min_stocks: days with fewer known targets are left out.

    Raises:
        InputError: the file cannot be used; see `atft.evaluation.predictions`.
    """
    rows: list[SummaryRow] = []
    for horizon in prediction_horizons(path):
        table = read_horizon(path, horizon, split)
        scorers = {"network": table.columns["score"]}
        if "oracle" in table.columns:
            scorers["ceiling"] = table.columns["oracle"]
        delayed = table.columns.get("target_lag1")
        target = table.columns["target"]
        rows += summarise_scorers(scorers, target, table.present, horizon, delayed, min_stocks)
    return rows


def _mean(series: NDArray[np.float64]) -> float:
    known = series[np.isfinite(series)]
    return float(known.mean()) if len(known) else float("nan")
