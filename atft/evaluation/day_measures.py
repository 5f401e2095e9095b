r"""Measures of each day's ranking, NumPy alone, vectorised over days and stocks.

The definitions are those of `atft.cross_section`, which training uses; a test compares them. A day that cannot be
ranked is NaN, never 0. Stocks that tie share the positions that their group takes: row order decides nothing.
"""

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray

from atft.day_series import Series
from atft.evaluation.day_ranks import Columns, RankedDays, in_blocks, rank_days
from atft.evaluation.predictions import Mask, Scores

DECILES = 10
SPREAD_SHARE = 0.1
"""Share of the stocks on each side of the spread."""
COMPETITION_STOCKS = 200
"""Stocks on each side of the Tokyo competition's spread."""

Values = NDArray[np.float64]


class DayMeasures(NamedTuple):
    """What is known of each day's ranking."""

    series: dict[str, Series]
    """By name, see `measure_table`; NaN where the day is not rankable, or the measure is not defined."""
    deciles: Float[np.ndarray, "days deciles"]
    """Mean target of each tenth of the scores minus the day's mean, lowest scores first."""
    stocks: Int[np.ndarray, " days"]
    """Stocks that counted."""
    rankable: Bool[np.ndarray, " days"]
    """At least two stocks with unequal targets."""
    lost: Bool[np.ndarray, " days"]
    """Rankable, but the scores are constant or one is NaN."""


ALL = (
    *("rank_ic", "ic", "spread", "hit_rate", "precision", "precision_chance", "ndcg"),
    *("competition_spread", "deciles"),
)


def without_thin_days(known: Mask, min_stocks: int) -> Mask:
    """Leave out the days that have fewer than ``min_stocks`` rows: two stocks have a correlation of 1 or -1."""
    enough: Mask = known & (known.sum(axis=1) >= min_stocks)[:, None]
    return enough


def measure_table(
    score: Scores, target: Scores, valid: Mask, k: int = 10, names: Collection[str] = ALL
) -> DayMeasures:
    r"""Measure each day's ranking over the stocks that are ``valid`` and whose target is known.

    - ``rank_ic``, ``ic``: Spearman and Pearson correlation of score and target; 1 perfect, 0 none, -1 reversed.
    - ``spread``: mean target of the top tenth of the scores minus that of the bottom tenth,
      ``max(1, floor(0.1 n))`` stocks each; in the unit of the target.
    - ``hit_rate``: share of the stocks whose score and target are on the same side of the day's medians; 0.5 is
      chance.
    - ``precision``: share of the ``k`` highest scores whose target is above 0, and ``precision_chance``, the same
      share of all stocks: what random scores reach. Feng et al. (2019) and their successors print the first.
    - ``ndcg``: discounted cumulative gain of the ``k`` highest scores over the best possible one. The gain is the
      target's rank as a share, 0 for the day's lowest and 1 for its highest, so random scores reach about 0.5;
      position p counts :math:`1 / \log_2(p + 1)` (Järvelin and Kekäläinen 2002).
    - ``competition_spread``: weighted mean target of the 200 highest scores, with weights that fall linearly from
      2 to 1, minus that of the 200 lowest; half of the stocks where a day has fewer than 400. Its mean over its
      standard deviation is the score of the JPX Tokyo Stock Exchange Prediction competition (2022).

    Args:
        score: any unit, higher is better.
        target: realised forward return, a fraction.
        valid: the stocks of each day's universe.
        k: highest scores that precision and NDCG look at; both are NaN on a day with fewer stocks.
        names: measures to take, by the names above, and ``deciles``; the others are left out.
    """

    def measured(scores: Scores, targets: Scores, use: Mask) -> Columns:
        return _measure_block(scores, targets, use, names, k)

    return _day_measures(in_blocks(measured, score, target, valid))


def measure_scores(
    scores: Mapping[str, Scores], target: Scores, valid: Mask, names: Collection[str], min_stocks: int
) -> dict[str, DayMeasures]:
    """Measure several scores as `measure_table` does, each on the stocks whose score is known too.

    A day on which those are fewer than ``min_stocks`` does not count. The target is ranked once for all scores that
    know the same stocks of a block of days.
    """

    def measured(targets: Scores, counts: Mask, *tables: Scores) -> dict[tuple[str, str], NDArray[Any]]:
        known = counts & np.isfinite(targets)
        columns: dict[tuple[str, str], NDArray[Any]] = {}
        by_target = rank_days(targets, known)
        for name, score in zip(scores, tables, strict=True):
            use = without_thin_days(known & np.isfinite(score), min_stocks)
            ranked = by_target if np.array_equal(use, known) else None
            for measure, values in _measure_block(score, targets, use, names, ranked_target=ranked).items():
                columns[name, measure] = values
        return columns

    parts: dict[str, dict[str, NDArray[Any]]] = {name: {} for name in scores}
    for (name, measure), column in in_blocks(measured, target, valid, *scores.values()).items():
        parts[name][measure] = column
    return {name: _day_measures(columns) for name, columns in parts.items()}


def _day_measures(columns: dict[str, NDArray[Any]]) -> DayMeasures:
    """Columns of all days as what is known of each day; they are taken out of the dictionary."""
    stocks, rankable, lost = (columns.pop(name) for name in ("stocks", "rankable", "lost"))
    deciles = columns.pop("deciles", np.full((len(stocks), DECILES), np.nan))
    return DayMeasures({n: np.asarray(c) for n, c in columns.items()}, deciles, stocks, rankable, lost)


def _measure_block(
    score: Scores,
    target: Scores,
    valid: Mask,
    names: Collection[str],
    k: int = 10,
    ranked_target: RankedDays | None = None,
) -> Columns:
    use = valid & np.isfinite(target)
    # An unknown target adds nothing to any weighted sum below.
    returns = np.where(use, target, 0).astype(np.float64)
    by_score, by_target = rank_days(score, use), ranked_target or rank_days(target, use)
    rankable = ~by_target.constant
    lost = rankable & (by_score.constant | (use & np.isnan(score)).any(axis=1))
    defined = rankable & ~lost
    columns: dict[str, NDArray[Any]] = {}
    if "rank_ic" in names:
        columns["rank_ic"] = row_correlation(by_score.centered(), by_target.centered())
    if "ic" in names:
        columns["ic"] = masked_correlation(score, target, use)
    if "spread" in names:
        columns["spread"] = (spread_positions(by_score) * returns).sum(axis=1)
    if "hit_rate" in names:
        columns["hit_rate"] = _agreement(by_score, by_target)
    enough = by_score.stocks[:, 0] >= k
    k = min(k, score.shape[1])  # a larger one has no value on any day, but would make arrays of its length
    if "precision" in names:
        top = top_weights(by_score, np.arange(k + 1.0)) / k
        columns["precision"] = np.where(enough, (top * (returns > 0)).sum(axis=1), np.nan)
    if "precision_chance" in names:
        with np.errstate(invalid="ignore"):
            share = (use & (returns > 0)).sum(axis=1) / by_score.stocks[:, 0]
        columns["precision_chance"] = np.where(enough, share, np.nan)
    if "ndcg" in names:
        columns["ndcg"] = np.where(enough, _discounted_gain(by_score, by_target, k), np.nan)
    if "competition_spread" in names:
        columns["competition_spread"] = (_competition_weights(by_score) * returns).sum(axis=1)
    if "deciles" in names:
        columns["deciles"] = _decile_means(by_score, returns)
    columns = {
        name: np.where(defined[:, None] if values.ndim > 1 else defined, values, np.nan)
        for name, values in columns.items()
    }
    return columns | {"stocks": by_score.stocks[:, 0], "rankable": rankable, "lost": lost}


def row_correlation(left: Values, right: Values) -> Series:
    """Cosine of each day's two rows: the correlation of centred ones; NaN where one is all 0."""
    cross, power = np.einsum("ij,ij->i", left, right), _square_sum(left) * _square_sum(right)
    with np.errstate(invalid="ignore", divide="ignore"):
        cosine = cross / np.sqrt(power)
    return np.asarray(np.clip(cosine, -1, 1))


def masked_correlation(left: Scores, right: Scores, use: Mask) -> Series:
    """Pearson correlation over each day's used stocks; NaN where one is constant."""
    return row_correlation(_centered(left, use), _centered(right, use))


def _square_sum(values: Values) -> Series:
    return np.asarray(np.einsum("ij,ij->i", values, values))


def _centered(values: Scores, use: Mask) -> Values:
    """Values minus the day's mean; 0 where not used."""
    filled = np.where(use, values, 0).astype(np.float64)
    mean = filled.sum(axis=1, keepdims=True) / np.maximum(use.sum(axis=1, keepdims=True), 1)
    return np.where(use, filled - mean, 0)


def top_weights(ranked: RankedDays, cumulative: Series) -> Values:
    """Give each stock the mean weight of the positions, counted from the highest, that its tie group takes.

    ``cumulative[p]`` is the sum of the weights of the first p positions; positions beyond its end have none.
    """
    end = len(cumulative) - 1
    above = np.minimum(ranked.stocks - 1 - ranked.last, end)
    through = np.minimum(ranked.stocks - ranked.first, end)
    shared = (cumulative[through] - cumulative[above]) / (ranked.last - ranked.first + 1)
    return np.where(ranked.valid, shared, 0)


def spread_positions(ranked: RankedDays) -> Values:
    """Weigh the top tenth of the scores long and the bottom tenth short, equally: each side sums to 1.

    See `atft.cross_section.spread_weights`; all 0 on a day whose scores are constant.
    """
    first, last = ranked.first, ranked.last
    side = np.maximum((np.float32(SPREAD_SHARE) * ranked.stocks).astype(np.int32), 1)
    top = np.maximum(last - np.maximum(first, ranked.stocks - side) + 1, 0)
    bottom = np.maximum(np.minimum(last, side - 1) - first + 1, 0)
    weights = (top - bottom) / ((last - first + 1) * side)
    return np.where(ranked.valid & ~ranked.constant[:, None], weights, 0)


def _agreement(by_score: RankedDays, by_target: RankedDays) -> Series:
    """The hit rate, with each side of the median decided by positions; a stock on a median has no side."""

    def side(ranked: RankedDays) -> NDArray[np.int8]:
        above = ranked.first > (ranked.stocks - 1) // 2
        below = ranked.last < ranked.stocks // 2
        return np.where(ranked.valid, above.astype(np.int8) - below, 0)

    product = side(by_score) * side(by_target)
    with np.errstate(invalid="ignore"):
        rate = (product > 0).sum(axis=1) / (product != 0).sum(axis=1)
    return np.asarray(rate)


def _discounted_gain(by_score: RankedDays, by_target: RankedDays, k: int) -> Series:
    discounts = 1 / np.log2(np.arange(2, k + 2))
    cumulative = np.concatenate([[0.0], discounts.cumsum()])
    gain = np.nan_to_num(by_target.shares())
    reached, best = ((top_weights(ranked, cumulative) * gain).sum(axis=1) for ranked in (by_score, by_target))
    with np.errstate(invalid="ignore"):
        return np.asarray(reached / best)


def _competition_weights(ranked: RankedDays) -> Values:
    """Long and short weights of the Tokyo competition; each side sums to 1."""
    size = np.minimum(COMPETITION_STOCKS, ranked.stocks // 2)

    def cumulative(positions: NDArray[np.int32]) -> Values:
        # The weights 2, 2 - 1/(size-1), ..., 1, summed over the first p positions.
        p = np.minimum(positions, size).astype(np.float64)
        return np.asarray(2 * p - p * (p - 1) / (2 * np.maximum(size - 1, 1)))

    group = ranked.last - ranked.first + 1
    top = cumulative(ranked.stocks - ranked.first) - cumulative(ranked.stocks - 1 - ranked.last)
    bottom = cumulative(ranked.last + 1) - cumulative(ranked.first)
    total = np.maximum(cumulative(size), 1)
    return np.where(ranked.valid, (top - bottom) / (group * total), 0)


def decile_numbers(ranked: RankedDays) -> NDArray[np.int32]:
    """Tenth of each stock, 0 the lowest: as ``pandas.qcut`` cuts, with its linear quantiles; ties stay together.

    A group of equal scores is in the tenth of its lowest position. Without meaning where not valid.
    """
    steps = np.maximum(ranked.stocks - 1, 1)
    numbers: NDArray[np.int32] = np.maximum(-(-DECILES * ranked.first // steps) - 1, 0).astype(np.int32)
    return numbers


def _decile_means(ranked: RankedDays, returns: Values) -> Values:
    days = len(returns)
    excess = returns - returns.sum(axis=1, keepdims=True) / np.maximum(ranked.stocks, 1)
    cell = (DECILES * np.arange(days)[:, None] + decile_numbers(ranked))[ranked.valid]
    total = np.bincount(cell, excess[ranked.valid], DECILES * days)
    number = np.bincount(cell, minlength=DECILES * days)
    with np.errstate(invalid="ignore"):
        means: Values = (total / number).reshape(days, DECILES)
    return means
