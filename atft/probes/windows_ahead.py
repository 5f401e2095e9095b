"""Does a column move with the returns of later days, whatever it says of their direction?

A window that is centred, that runs backwards or that was shifted moves from one day to the next by the return that
comes in at its far end, days later. So does one of volatility, which predicts no return and no `future_suspect`
sees. A column's change is compared with the return, and the size of the return, of each later day: an honest
column's goes with no single one of them. That returns are large where they were large before holds for neighbouring
days alike, so a day must stand out from those.
"""

import numpy as np

from atft.evaluation.plausible_ic import MAX_IC
from atft.probes.finding import FALSE_ALARM, Suspect
from atft.probes.future import Futures, future_suspect, market_return, value_of_days
from atft.probes.panel_grid import Cells, Daily, Marks
from atft.probes.rank_correlations import MIN_DAYS, daily_correlation, least_mean, scaled_ranks, shift_days

MAX_AHEAD = 64
"""Days ahead that are looked at: a window of 60 or 63 days that begins today, one of 120 around it."""
KINDS = ("return", "size of the return")
MARKET_KINDS = ("market's return", "size of the market's return")


def window_suspect(name: str, values: Cells, futures: Futures, columns: int) -> Suspect | None:
    """Accuse a column whose change ranks with what follows, as no honest column does, or with one later day.

    That is with the return of the day, or its size, beyond those of the days beside it.

    The level is divided by ``columns``, all that are probed.
    """
    change = np.diff(values, axis=0, prepend=np.nan)
    moved = scaled_ranks(change, futures.universe)
    # A change is an honest column too; a level of long memory hides what its change knows.
    if suspect := future_suspect(name, moved, futures, columns):
        return Suspect(name, f"its change from one day to the next has {suspect.evidence}")
    for kind, ranks in zip(KINDS, (futures.returns, futures.sizes), strict=True):
        rough = _rough_correlations(moved, ranks)
        ahead, beside = _most_apart(rough)
        if abs(rough[ahead]) - beside <= MAX_IC:
            continue
        daily = daily_correlation(moved, shift_days(ranks, ahead))
        bound = least_mean(daily, 1, len(KINDS) * MAX_AHEAD * columns)
        if bound.least - beside > MAX_IC:
            return Suspect(name, f"{_text(bound.mean, kind, ahead)} ({bound.share:.0%} of {bound.days} days)")
    return None


def market_window_suspect(
    name: str, values: Cells, log_return: Cells, universe: Marks, columns: int
) -> Suspect | None:
    """Accuse a market-wide column, one value a day, whose change goes with the market's return of one later day.

    Or with the size of that return. The correlation over days must exceed `MAX_IC` for certain (Fisher's z).
    """
    from scipy.special import ndtri

    market = market_return(log_return, universe)
    change = np.diff(value_of_days(values), prepend=np.nan)
    quantile = float(ndtri(1 - FALSE_ALARM / (2 * len(KINDS) * MAX_AHEAD * columns)))
    for kind, returns in zip(MARKET_KINDS, (market, np.abs(market)), strict=True):
        later = [shift_days(returns, j, np.nan) for j in range(MAX_AHEAD + 2)]
        series = np.array([_rank_correlation(change, of_day) for of_day in later])
        ahead, beside = _most_apart(series)
        days = int((np.isfinite(change) & np.isfinite(later[ahead])).sum())
        if days < 2 * MIN_DAYS:
            continue
        least = np.tanh(np.arctanh(min(abs(series[ahead]), 1 - 1e-9)) - quantile / (days - 3) ** 0.5)
        if least > MAX_IC and abs(series[ahead]) - beside > MAX_IC:
            return Suspect(name, f"{_text(series[ahead], kind, ahead)} ({days} days)")
    return None


def _text(correlation: float, kind: str, ahead: int) -> str:
    later = "the next day" if ahead == 1 else f"{ahead} days later"
    return (
        f"its change from one day to the next has rank correlation {correlation:+.2f} with the {kind} of {later}, "
        f"more than with that of the days beside it: a window that reaches ahead?"
    )


def _rough_correlations(moved: Cells, ranks: Cells) -> Daily:
    """Correlation over all cells of ranks at t with those of day t + j, for j from 0 to one beyond `MAX_AHEAD`."""
    out = np.zeros(MAX_AHEAD + 2)
    for j in range(min(len(out), len(moved))):
        a, b = moved[: len(moved) - j], ranks[j:]
        out[j] = np.einsum("ds,ds->", a, b) / max(np.count_nonzero((a != 0) & (b != 0)), 1)
    return out


def _most_apart(correlations: Daily) -> tuple[int, float]:
    """The day ahead, from 1, that stands out the most, and the size of the larger correlation beside it."""
    size = np.abs(correlations)
    beside = np.maximum(size[:-2], size[2:])
    ahead = int((size[1:-1] - beside).argmax())
    return ahead + 1, float(beside[ahead])


def _rank_correlation(a: Daily, b: Daily) -> float:
    """Spearman's correlation over the days that both know, 0 where they are few or do not vary."""
    both = np.isfinite(a) & np.isfinite(b)
    if both.sum() < 2 * MIN_DAYS or not (np.ptp(a[both]) and np.ptp(b[both])):
        return 0.0
    x, y = (np.argsort(np.argsort(v[both])).astype(np.float64) for v in (a, b))
    return float(np.corrcoef(x, y)[0, 1])
