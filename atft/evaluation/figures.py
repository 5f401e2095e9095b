"""Headline figures of an evaluation: what each is called, its unit, and how days become one number.

All tables, files and pages read `FIGURES`: a figure is a row here and a line in `headline_figures`.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from atft.day_series import TRADING_DAYS_PER_YEAR, Series, annual_factor
from atft.evaluation.books import SPREAD_OVER, Books, max_drawdown
from atft.evaluation.intervals import Interval, intervals, ratio_intervals

BPS = 1e4
"""Basis points in a return of 1."""
UNIT_FACTORS = {"": 1.0, "%": 100.0, "bps": BPS}
SCORED = ("rank_ic", "ic", "spread", "sharpe_annual")
"""Figures that controls have too, and whose band of random scores is known."""
PER_TRADE, PER_YEAR = "of the long side, over h days", "of the long side, a year"


class FigureKind(NamedTuple):
    """How a figure is shown."""

    heading: str
    unit: str
    """Empty for a plain number; ``%`` and ``bps`` are shown as such, values are fractions."""
    digits: int
    """Decimals, in that unit."""
    meaning: str
    zero_is_chance: bool = True
    """Random scores reach 0: the figure is shown with a sign, and has a t."""

    @property
    def title(self) -> str:
        """The heading with the unit."""
        return f"{self.heading}, {self.unit}" if self.unit else self.heading

    def in_unit(self, value: float) -> float:
        """A value as it is shown."""
        return value * UNIT_FACTORS[self.unit]


FIGURES = {
    "rank_ic": FigureKind("RankIC", "", 4, "mean over days of the Spearman correlation of score and target"),
    "rank_ic_lag1": FigureKind("RankIC lag 1", "", 4, "the same for a trade one close later"),
    "ic": FigureKind("IC", "", 4, "mean over days of the Pearson correlation of score and target"),
    "rank_icir": FigureKind("RankICIR", "", 3, "RankIC over its standard deviation over days"),
    "icir": FigureKind("ICIR", "", 3, "IC over its standard deviation over days"),
    "neutral_rank_ic": FigureKind(
        "RankIC neutral", "", 4, "RankIC of what the exposures do not explain of the score's ranks"
    ),
    "hit_rate": FigureKind(
        "hit rate", "%", 2, "share of stocks on the same side of both medians; 50 % is chance", False
    ),
    "precision": FigureKind("precision@k", "%", 2, "share of the k highest scores that rise", False),
    "precision_chance": FigureKind("chance of it", "%", 2, "share of all stocks that rise", False),
    "ndcg": FigureKind(
        "NDCG@k", "", 4, "discounted gain of the k highest scores; about 0.5 is chance", False
    ),
    "spread": FigureKind("spread", "bps", 1, f"top minus bottom tenth, {PER_TRADE}"),
    "sharpe_annual": FigureKind("annualised Sharpe", "", 2, "spread over its standard deviation, a year"),
    "gross_annual": FigureKind("gross a year", "%", 2, f"h staggered books before costs, {PER_YEAR}"),
    "net_annual": FigureKind("net a year", "%", 2, f"h staggered books after costs, {PER_YEAR}"),
    "book_sharpe": FigureKind("Sharpe gross", "", 2, "of the staggered books, annualised"),
    "book_sharpe_net": FigureKind("Sharpe net", "", 2, "of the staggered books after costs, annualised"),
    "drawdown": FigureKind("drawdown", "%", 2, "largest fall of the summed net returns from a peak", False),
    "turnover": FigureKind("turnover", "%", 2, "share of the book that is replaced each day", False),
    "rank_autocorrelation": FigureKind(
        "rank autocorr.", "", 3, "correlation of the scores' ranks with those of the day before", False
    ),
    "capacity": FigureKind(
        "capacity",
        "",
        0,
        "median long side that trades within the participation, in the unit of traded_value",
        False,
    ),
    "competition_sharpe": FigureKind(
        "JPX Sharpe", "", 3, "Tokyo competition: weighted top minus bottom 200, mean over standard deviation"
    ),
}
"""By name, in the order of the table."""
MEANS = (
    *("rank_ic", "rank_ic_lag1", "ic", "neutral_rank_ic", "hit_rate"),
    *("precision", "precision_chance", "ndcg", "spread"),
)
RATIOS = {"rank_icir": "rank_ic", "icir": "ic", "competition_sharpe": "competition_spread"}
TRADING = ("turnover", "rank_autocorrelation")
"""They change slowly: their own blocks of days are longer than those of returns."""


def headline_figures(
    series: Mapping[str, Series], books: Books, horizon: int, draws: int, seed: int
) -> dict[str, Interval]:
    """Make the headline figures of the days' measures; those whose series is absent are absent.

    Fractions stay fractions, and a year has 252 trading days. Newey-West lags are ``horizon - 1``. ``drawdown`` and
    ``capacity`` have a value only; a figure that random scores do not bring to 0, such as the hit rate, has no t.

    Args:
        series: by the names of `atft.evaluation.day_measures.measure_table`, and rank_ic_lag1, neutral_rank_ic,
            turnover and rank_autocorrelation.
    """
    lags, span = horizon - 1, {"draws": draws, "seed": seed}
    overlapping = books.returns_from == SPREAD_OVER and horizon > 1
    figures = intervals({name: series[name] for name in MEANS if name in series}, lags, **span)
    figures |= intervals({name: series[name] for name in TRADING if name in series}, lags, **span)
    ratios = {name: series[of] for name, of in RATIOS.items() if of in series}
    figures |= ratio_intervals(ratios | {"sharpe_annual": series["spread"]}, lags, **span)
    figures["sharpe_annual"] = figures["sharpe_annual"].scaled(annual_factor(horizon))
    # Returns of the books themselves do not overlap: their Sharpe is that of days, unless each is a trade's.
    book, book_lags = {"gross": books.gross, "net": books.net}, lags if overlapping else 0
    means, sharpes = (f(book, book_lags, **span) for f in (intervals, ratio_intervals))
    for side, suffix in (("gross", ""), ("net", "_net")):
        figures[f"{side}_annual"] = means[side].scaled(TRADING_DAYS_PER_YEAR)
        figures[f"book_sharpe{suffix}"] = sharpes[side].scaled(annual_factor(horizon if overlapping else 1))
    figures["drawdown"] = Interval(max_drawdown(books.net))
    capacity = books.capacity[np.isfinite(books.capacity)]
    if len(capacity):
        figures["capacity"] = Interval(float(np.median(capacity)))
    known = {name: kind for name, kind in FIGURES.items() if name in figures}
    # A t is against 0: of a figure whose chance is another value it would say nothing.
    return {n: figures[n] if kind.zero_is_chance else figures[n].without_t() for n, kind in known.items()}
