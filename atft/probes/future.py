"""Does a column know what comes after its day?

An honest column may predict returns, but only so well. So each column's daily rank correlation with what follows
(the targets, and the returns of the next 1, 5, 20 and 60 days) is compared with a bound that no honest column is
known to pass, and a column is accused where the mean over days exceeds the bound for certain. That finds tomorrow's
values, centred windows, labels mixed into features and lagged labels that are lagged too little. It does not find
a leak that predicts no better than an honest column could: those leave other traces, see the other files here.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from atft.evaluation.plausible_ic import MAX_IC, plausible_ic
from atft.probes.finding import FALSE_ALARM, Suspect
from atft.probes.panel_grid import Cells, Daily, Marks, PanelGrid
from atft.probes.rank_correlations import (
    MIN_DAYS,
    daily_correlation,
    forward_sums,
    least_mean,
    scaled_ranks,
    shift_days,
)

SPANS = (1, 5, 20, 60)
"""Days of the returns that are compared, besides the targets."""
PROFILE_DAYS = 10
"""Days before and after that tell a centred window from a shifted column."""
MAX_PAIRED_STOCKS = 300
MIN_LEADING_SHARE = 0.05
"""Share of the stocks that must know another stock's next return, lest a freak pair accuse a column."""


@dataclass(frozen=True)
class Label:
    """Something that happens after day t."""

    text: str
    ranks: Cells
    days: int
    """Last day that it depends on, counted from t."""
    span: int
    """Days that it is the return of."""


@dataclass(frozen=True)
class Futures:
    """What follows each day, as ranks among the day's universe."""

    universe: Marks
    targets: tuple[Label, ...]
    """Labels that are columns of the panel."""
    spans: tuple[Label, ...]
    """Returns of the next `SPANS` days."""
    next_return: Cells
    """Ranks of the return of day t + 1 at t."""
    returns: Cells
    """Ranks of the return of day t at t."""
    sizes: Cells
    """Ranks of the size of that return."""
    sector_next: Cells
    """Ranks of the next day's mean return of the stock's sector without the stock; 0 where it has no sector."""

    @property
    def labels(self) -> tuple[Label, ...]:
        """All that a column is compared with."""
        return (*self.targets, *self.spans)


def trailing_return(grid: PanelGrid) -> Cells:
    """Log return of each day, from ``return_1d``, else from the target of one day; NaN throughout without both."""
    columns = grid.columns
    if columns.return_1d is not None:
        simple = grid.number(columns.return_1d)
    elif 1 in columns.horizons:
        simple = shift_days(grid.number(columns.targets[columns.horizons.index(1)]), -1 - columns.lag, np.nan)
    else:
        simple = np.full(grid.shape, np.nan, dtype=np.float32)
    with np.errstate(invalid="ignore", divide="ignore"):
        log_return = np.log1p(simple.astype(np.float64))
    return np.where(np.isfinite(log_return), log_return, np.nan)


def futures_of(grid: PanelGrid, log_return: Cells) -> Futures:
    """Rank what follows each day: targets, delayed targets, and the returns of `SPANS` days."""
    columns, universe = grid.columns, grid.universe
    targets, spans = [], []
    for names, lag in ((columns.targets, columns.lag), (columns.delayed_targets, 1)):
        for (name, values), horizon in zip(grid.numbers(names), columns.horizons[: len(names)], strict=True):
            targets.append(Label(name, scaled_ranks(values, universe), horizon + lag, horizon))
    for span in SPANS:
        text = "the return of the next day" if span == 1 else f"the return of the next {span} days"
        total = forward_sums(log_return, grid.present, span)
        if np.isfinite(log_return).any() and span < len(grid.dates):
            spans.append(Label(text, scaled_ranks(total, universe), span, span))
    following = shift_days(log_return, 1, np.nan)
    return Futures(
        universe=universe,
        targets=tuple(targets),
        spans=tuple(spans),
        next_return=scaled_ranks(following, universe),
        returns=scaled_ranks(log_return, universe),
        sizes=scaled_ranks(np.abs(log_return), universe),
        sector_next=scaled_ranks(_sector_means(following, grid.sector, universe), universe),
    )


def _sector_means(values: Cells, sector: np.ndarray, within: Marks) -> Cells:
    """Mean of the other stocks of a stock's sector on the day; NaN where there is none."""
    known = within & np.isfinite(values) & (sector >= 0)
    days = len(values)
    many = int(sector.max(initial=-1)) + 2
    # One group for each day and sector.
    group = np.arange(days)[:, None] * many + np.where(sector >= 0, sector, many - 1)
    filled = np.where(known, values, 0.0)
    total = np.bincount(group.ravel(), weights=filled.ravel(), minlength=days * many)
    count = np.bincount(group.ravel(), weights=known.ravel(), minlength=days * many)
    others = count[group] - known
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = (total[group] - filled) / others
    return np.where(within & (sector >= 0) & (others > 0), mean, np.nan)


def future_suspect(name: str, ranks: Cells, futures: Futures, columns: int) -> Suspect | None:
    """Accuse a column whose rank correlation with what follows is beyond what an honest one can have.

    ``ranks`` are its `scaled_ranks`; the level is divided by ``columns``, all that are probed, times the labels.
    """
    worst, text = 0.0, ""
    for label in futures.labels:
        daily = daily_correlation(ranks, label.ranks)
        bound = least_mean(daily, label.days, columns * len(futures.labels))
        excess = bound.least / plausible_ic(label.span)
        if excess > max(worst, 1.0):
            worst = excess
            text = (
                f"RankIC {bound.mean:+.3f} with {label.text} ({bound.share:.0%} of {bound.days} days), at least "
                f"{bound.least:.3f}; an honest column has less than {plausible_ic(label.span):.2f}"
            )
    return Suspect(name, text + _shape(ranks, futures)) if text else None


def unknown_suspect(name: str, known: Marks, futures: Futures, columns: int) -> Suspect | None:
    """Accuse a column of which the gaps know what follows: models read a null too.

    ``known`` are the cells with a value. Gaps of an honest column (young stocks, halts, no coverage) rank with
    returns to come no better than an honest column does. The level is divided by ``columns``, all that are probed.
    """
    if not (futures.universe & ~known).any():
        return None
    has_value = scaled_ranks(known.astype(np.float64), futures.universe)
    suspect = future_suspect(name, has_value, futures, columns)
    return suspect and Suspect(name, f"whether its value is known has {suspect.evidence}")


def lag_profile(ranks: Cells, futures: Futures) -> Mapping[int, float]:
    """Mean rank correlation of a column at t with the stock's return of day t + j, for j from -10 to 10."""
    profile = {}
    for j in range(-PROFILE_DAYS, PROFILE_DAYS + 1):
        daily = daily_correlation(ranks, shift_days(futures.returns, j))
        known = daily[np.isfinite(daily)]
        profile[j] = float(known.mean()) if len(known) else 0.0
    return profile


def _shape(ranks: Cells, futures: Futures) -> str:
    """In words, how a column that knows the future may have come about."""
    profile = lag_profile(ranks, futures)
    after = np.array([profile[j] for j in range(1, PROFILE_DAYS + 1)])
    before = np.array([profile[-j] for j in range(1, PROFILE_DAYS + 1)])
    size = np.abs(after).max()
    if size < 0.05:
        return ""
    reach = int(np.flatnonzero(np.abs(after) > size / 2).max()) + 1
    # A centred window sees as far back as ahead.
    alike = float(after @ before) / max(float(after @ after), float(before @ before), 1e-12)
    if alike > 0.5:
        return f"; a centred window of about {2 * reach + 1} days?"
    if reach == 1:
        return "; tomorrow's value?"
    return f"; it reads the returns of {reach} days ahead" if reach < PROFILE_DAYS else ""


def neighbour_suspect(name: str, ranks: Cells, futures: Futures, columns: int) -> Suspect | None:
    """Accuse a column that knows the next return of other stocks: of the sector, or of certain stocks."""
    text = _sector_text(ranks, futures, columns) or _pairs_text(ranks, futures, columns)
    return Suspect(name, text) if text else None


def _sector_text(ranks: Cells, futures: Futures, columns: int) -> str:
    """What a column knows of the next return of the stock's sector; empty where it is no more than honest."""
    daily = daily_correlation(ranks, futures.sector_next)
    bound, limit = least_mean(daily, 1, columns), plausible_ic(1)
    if bound.least <= limit:
        return ""
    return (
        f"rank correlation {bound.mean:+.3f} with the next day's mean return of the stock's sector but the stock "
        f"({bound.share:.0%} of {bound.days} days), at least {bound.least:.3f}; an honest one has less than "
        f"{limit:.2f}"
    )


def _pairs_text(ranks: Cells, futures: Futures, columns: int) -> str:
    """How many stocks know the next return of a certain other stock; empty where they are few.

    Of each two stocks the correlation over days of one's value with the other's next return is compared with the
    bound of the honest plus what chance gives the largest of all pairs.
    """
    from scipy.special import ndtri

    some = np.unique(np.linspace(0, ranks.shape[1] - 1, min(ranks.shape[1], MAX_PAIRED_STOCKS)).astype(int))
    # All pairs at once: one product of matrices, each pair over the days that both know.
    x, y = ranks[:, some].astype(np.float32), futures.next_return[:, some].astype(np.float32)
    x_known, y_known = (x != 0).astype(np.float32), (y != 0).astype(np.float32)
    days = x_known.T @ y_known
    power = (x**2).T @ y_known * (x_known.T @ (y**2))
    with np.errstate(invalid="ignore", divide="ignore"):
        pairs = np.abs((x.T @ y) / np.sqrt(power))
        chance = ndtri(1 - FALSE_ALARM / (2 * columns * max(1, days.size))) / np.sqrt(days)
    np.fill_diagonal(pairs, 0)
    beyond = np.where((days >= MIN_DAYS) & np.isfinite(pairs), pairs - chance - plausible_ic(1), -1.0) > 0
    leading = beyond.any(axis=1)
    if leading.sum() < max(3, MIN_LEADING_SHARE * len(some)):
        return ""
    return (
        f"{leading.sum()} of {len(some)} stocks know the next return of another stock (correlation over days up to "
        f"{pairs[beyond].max():.2f})"
    )


def value_of_days(values: Cells) -> Daily:
    """The one value that a market-wide column has on each day; NaN where it is unknown."""
    return np.array([row[np.isfinite(row)][0] if np.isfinite(row).any() else np.nan for row in values])


def market_return(log_return: Cells, universe: Marks) -> Daily:
    """Mean return of each day's universe; 0 where none is known."""
    known = universe & np.isfinite(log_return)
    mean: Daily = np.where(known, log_return, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    return mean


def market_suspect(
    name: str, values: Cells, log_return: Cells, universe: Marks, columns: int
) -> Suspect | None:
    """Accuse a market-wide column, one value a day, that knows the market's next return.

    Its correlation over days with the next day's mean return must exceed `MAX_IC` for certain (Fisher's z).
    """
    from scipy.special import ndtri

    day_value = value_of_days(values)
    following = shift_days(market_return(log_return, universe), 1, np.nan)
    both = np.isfinite(day_value) & np.isfinite(following)
    if both.sum() < 2 * MIN_DAYS or np.ptp(day_value[both]) == 0 or np.ptp(following[both]) == 0:
        return None
    a, b = (np.argsort(np.argsort(v[both])).astype(np.float64) for v in (day_value, following))
    correlation = float(np.corrcoef(a, b)[0, 1])
    error = float(ndtri(1 - FALSE_ALARM / (2 * columns))) / (both.sum() - 3) ** 0.5
    least = np.tanh(max(0.0, np.arctanh(min(abs(correlation), 1 - 1e-9)) - error))
    if least <= MAX_IC:
        return None
    return Suspect(
        name,
        f"correlation {correlation:+.2f} on {both.sum()} days with the market's next return, {least:.2f} at least",
    )
