"""All figures of one horizon of one file: what is measured on which rows, in which order."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from atft.day_series import MAX_LOST_SHARE, Series, annual_factor
from atft.errors import counted
from atft.evaluation.books import next_day_returns, staggered_books
from atft.evaluation.covered_shares import covered_shares
from atft.evaluation.day_measures import DayMeasures, measure_scores, measure_table, without_thin_days
from atft.evaluation.decay import decayed_rank_ics, new_names, rank_autocorrelation
from atft.evaluation.exposures import PREFIX, exposure_series
from atft.evaluation.figures import headline_figures
from atft.evaluation.groups import (
    NAMED_GROUPS,
    TERCILES,
    day_terciles,
    grouped_rank_ics,
    regime_of_days,
    tercile_labels,
)
from atft.evaluation.intervals import Interval, intervals, ratio_intervals
from atft.evaluation.null_controls import CONTROL_MEASURES, control_scores, misdated_returns, verdicts
from atft.evaluation.options import MeasureOptions
from atft.evaluation.predictions import HorizonScores, Mask
from atft.evaluation.random_scores import random_band
from atft.evaluation.result import Control, DecayRow, Decile, ExtremeDay, GroupRow, HorizonEvaluation
from atft.evaluation.score_rows import DenseHorizon
from atft.evaluation.target_checks import target_warnings

EXTREME_DAYS, EXTREME_NAMES = 5, 5
REGIME_PREFIX = "regime_"


def measure_horizon(
    dense: DenseHorizon, one_day: HorizonScores | None, options: MeasureOptions
) -> HorizonEvaluation:
    """Measure one horizon; only what is counted is known where more than 5 % of its days have constant scores.

    Args:
        one_day: the file's horizon of 1 day, where it has one: the returns of the staggered books.
    """
    table = dense.table
    known = table.valid()
    counts = without_thin_days(known, options.min_stocks)
    measured = measure_table(table.columns["score"], table.columns["target"], counts, options.k)
    series, exposures = _day_series(table, counts, measured, options)
    returns, returns_from = next_day_returns(table, one_day)
    costs = options.cost_bps, options.participation
    books = staggered_books(table, returns, returns_from, series["spread"], *costs, options.min_stocks)
    series["turnover"] = books.turnover
    decay = _decay(table, counts, series, options)
    lost, ranked = int(measured.lost.sum()), int((measured.rankable & ~measured.lost).sum())
    lags, span = table.horizon - 1, options.bootstrap
    figures = headline_figures(series, books, table.horizon, **span)
    # Thin days are out of ``counts``: the band is of the days that count.
    band = random_band(table.columns["target"], counts, table.horizon)
    warnings = (
        verdicts(figures["rank_ic"], band["rank_ic"], table.horizon, figures["ic"].value) if ranked else []
    )
    warnings += target_warnings(table.columns["target"], counts, table.horizon)
    deciles, monotonicity = _deciles(measured, lags, options)
    controls, absent = _controls(table, counts, options)
    for control in (c for c in controls if c.name == "reversal"):
        warnings += misdated_returns(control.figures["rank_ic"].value)
    best, worst = _extremes(table, series, counts)
    dropped_days, dropped_rows = _dropped(dense, known, counts, measured)
    # A score that changes slowly keeps the exposure that it has by chance: no t over days says whether it is one.
    exposed = {name: found.without_t() for name, found in intervals(exposures, lags, **span).items()}
    evaluation = HorizonEvaluation(
        horizon=table.horizon,
        dates=table.dates,
        series=series,
        figures=figures,
        days=ranked,
        stocks=measured.stocks,
        dropped_days=dropped_days,
        dropped_rows=dropped_rows,
        deciles=deciles,
        monotonicity=monotonicity,
        books=books,
        decay=decay,
        groups=_groups(dense, counts, series, options),
        exposures=exposed,
        controls=controls,
        absent_controls=absent,
        band=band,
        best_days=best,
        worst_days=worst,
        warnings=warnings,
        covered=covered_shares(table, **span),
    )
    flatters = lost > MAX_LOST_SHARE * int(measured.rankable.sum())
    return _counts_alone(evaluation, lost) if flatters else evaluation


def _counts_alone(evaluation: HorizonEvaluation, lost: int) -> HorizonEvaluation:
    """A horizon with its counts and no figure: without its many days of constant scores, figures would flatter."""
    unknown, books = Interval(float("nan")), evaluation.books
    gone = {
        name: np.full_like(getattr(books, name), np.nan) for name in ("gross", "net", "turnover", "capacity")
    }
    return replace(
        evaluation,
        series={name: np.full_like(values, np.nan) for name, values in evaluation.series.items()},
        figures=dict.fromkeys(evaluation.figures, unknown),
        deciles=[Decile(decile.number, unknown) for decile in evaluation.deciles],
        monotonicity=unknown.value,
        books=books._replace(**gone),
        decay=[DecayRow(row.lag, unknown) for row in evaluation.decay],
        groups={},
        exposures={},
        controls=[],
        best_days=[],
        worst_days=[],
        warnings=[
            f"constant scores on {counted(lost, 'day')}: a mean without them would flatter, so no figure is shown"
        ],
        covered=[],
    )


def _day_series(
    table: HorizonScores, counts: Mask, measured: DayMeasures, options: MeasureOptions
) -> tuple[dict[str, Series], dict[str, Series]]:
    """What is measured once a day, by its name; and the rank correlation with each exposure that is known."""
    score = table.columns["score"]
    series = dict(measured.series)
    if "target_lag1" in table.columns:
        # Of all rows whose own target is known, as lag 0 is: those of the other target are other rows.
        delayed = without_thin_days(table.valid("target_lag1"), options.min_stocks)
        lag1 = measure_table(score, table.columns["target_lag1"], delayed, names=("rank_ic",))
        series["rank_ic_lag1"] = lag1.series["rank_ic"]
    exposures, neutral = _exposures(table, counts, options.min_stocks)
    series |= neutral
    scored = without_thin_days(table.present, options.min_stocks)
    series["rank_autocorrelation"] = rank_autocorrelation(score, scored)
    series |= {f"new_{side}_names": share for side, share in new_names(score, scored).items()}
    return series, exposures


def _dropped(
    dense: DenseHorizon, known: Mask, counts: Mask, measured: DayMeasures
) -> tuple[dict[str, int], dict[str, int]]:
    """Days and rows of the file that are in no figure, by the reason; reasons that occur."""
    has_target, thick = known.any(axis=1), counts.any(axis=1)
    days = {
        "no target": (~has_target).sum(),
        "thin": (has_target & ~thick).sum(),
        "constant target": (thick & ~measured.rankable).sum(),
        "constant score": measured.lost.sum(),
    }
    rows = {
        "no target": dense.rows[~known].sum(),
        "thin": dense.rows[known & ~counts].sum(),
        "constant target": dense.rows[counts & ~measured.rankable[:, None]].sum(),
        "constant score": dense.rows[counts & measured.lost[:, None]].sum(),
    }
    return _that_occur(days), _that_occur(rows)


def _that_occur(counts: Mapping[str, np.integer | int]) -> dict[str, int]:
    return {reason: int(count) for reason, count in counts.items() if count}


def _exposures(
    table: HorizonScores, counts: Mask, min_stocks: int
) -> tuple[dict[str, Series], dict[str, Series]]:
    """Rank correlations with the exposures, and the neutral RankIC; nothing where no exposure is known.

    An exposure is known on days on which it is of ``min_stocks``.
    """
    columns = {}
    for name, values in table.columns.items():
        known = without_thin_days(counts & np.isfinite(values), min_stocks)
        if name.startswith(PREFIX) and known.any():
            columns[name] = np.where(known, values, np.float32(np.nan))
    if not columns:
        return {}, {}
    score, target = table.columns["score"], table.columns["target"]
    correlations, neutral = exposure_series(score, target, counts, columns)
    by_name = {n.removeprefix(PREFIX): values for n, values in correlations.items()}
    return by_name, {"neutral_rank_ic": neutral}


def _decay(
    table: HorizonScores, counts: Mask, series: Mapping[str, Series], options: MeasureOptions
) -> list[DecayRow]:
    """RankIC of targets of later and later days."""
    # Of a file without the delayed target, lag 1 is yet to be measured, with the next day's.
    by_lag = {1: series["rank_ic_lag1"]} if "rank_ic_lag1" in series else {}
    series_by_lag = decayed_rank_ics(table, counts, options.min_stocks, by_lag)
    rank_ics = intervals(series_by_lag, table.horizon - 1, **options.bootstrap)
    return [DecayRow(lag, rank_ic) for lag, rank_ic in rank_ics.items()]


def _deciles(measured: DayMeasures, lags: int, options: MeasureOptions) -> tuple[list[Decile], float]:
    from scipy.stats import spearmanr

    means = intervals(dict(enumerate(measured.deciles.T, 1)), lags, **options.bootstrap)
    deciles = [Decile(number, mean) for number, mean in means.items()]
    values = [mean.value for mean in means.values()]
    monotonicity = float("nan")
    if np.isfinite(values).all() and len(set(values)) > 1:
        monotonicity = float(spearmanr(range(len(values)), values).statistic)
    return deciles, monotonicity


def _controls(
    table: HorizonScores, counts: Mask, options: MeasureOptions
) -> tuple[list[Control], dict[str, str]]:
    scores, absent = control_scores(table, options.seed)
    scores = {name: score.astype(np.float32) for name, score in scores.items()}
    target, least = table.columns["target"], options.min_stocks
    measured = measure_scores(scores, target, counts, CONTROL_MEASURES, least)
    series = {name: days.series for name, days in measured.items()}
    lags, span = table.horizon - 1, options.bootstrap
    flat = {(name, of): values for name, all_of in series.items() for of, values in all_of.items()}
    means = intervals(flat, lags, **span)
    sharpes = ratio_intervals({name: of["spread"] for name, of in series.items()}, lags, **span)
    controls = []
    for name, measures in series.items():
        figures = {of: means[name, of] for of in measures}
        figures["sharpe_annual"] = sharpes[name].scaled(annual_factor(table.horizon))
        controls.append(Control(name, figures, measures))
    return controls, absent


def _groups(
    dense: DenseHorizon, counts: Mask, series: Mapping[str, Series], options: MeasureOptions
) -> dict[str, list[GroupRow]]:
    """RankIC by year, regime, sector and size."""
    table = dense.table
    parts: dict[tuple[str, str], Series] = {}
    stocks: dict[tuple[str, str], Series] = {}
    number = counts.sum(axis=1).astype(np.float64)

    def of_days(kind: str, group: str, days: NDArray[np.bool_]) -> None:
        parts[kind, group] = np.where(days, series["rank_ic"], np.nan)
        stocks[kind, group] = number

    years = table.dates.astype("datetime64[Y]")
    for year in np.unique(years):
        of_days("year", str(year), years == year)
    for name in sorted(n for n in table.columns if n.startswith(REGIME_PREFIX)):
        third = day_terciles(regime_of_days(table.columns[name], table.present))
        kind = name.removeprefix(REGIME_PREFIX)
        for i, tercile in enumerate(TERCILES):
            # A market-wide size is no size of stocks.
            of_days(name if kind in NAMED_GROUPS else kind, tercile, third == i)

    def of_stocks(kind: str, names: list[str], label: NDArray[np.int16]) -> None:
        score, target = table.columns["score"], table.columns["target"]
        rank_ic, members = grouped_rank_ics(score, target, counts, label, len(names))
        for i, name in enumerate(names):
            parts[kind, name], stocks[kind, name] = rank_ic[:, i], members[:, i]

    if dense.sector is not None:
        of_stocks("sector", dense.sectors, dense.sector)
    for size in ("exposure_size", "traded_value"):
        if size in table.columns and np.isfinite(table.columns[size][counts]).any():
            of_stocks("size", list(TERCILES), tercile_labels(table.columns[size], counts))
            break
    # One call, so that all parts are measured on the same drawn days.
    rank_ics = intervals(parts, table.horizon - 1, **options.bootstrap)
    groups: dict[str, list[GroupRow]] = {}
    for (kind, group), values in parts.items():
        days = np.isfinite(values)
        if days.any():
            mean_stocks = float(stocks[kind, group][days].mean())
            row = GroupRow(group, int(days.sum()), mean_stocks, rank_ics[kind, group])
            groups.setdefault(kind, []).append(row)
    return groups


def _extremes(
    table: HorizonScores, series: Mapping[str, Series], counts: Mask
) -> tuple[list[ExtremeDay], list[ExtremeDay]]:
    """The days with the highest and the lowest RankIC, each with the ends of its ranking."""
    ranked = np.flatnonzero(np.isfinite(series["rank_ic"]))
    order = ranked[np.argsort(series["rank_ic"][ranked], kind="stable")]

    def day_of(day: int) -> ExtremeDay:
        stocks = np.flatnonzero(counts[day])
        stocks = stocks[np.argsort(table.columns["score"][day, stocks], kind="stable")]
        ends = [
            [(table.codes[i], float(table.columns["target"][day, i])) for i in end]
            for end in (stocks[::-1][:EXTREME_NAMES], stocks[:EXTREME_NAMES])
        ]
        values = float(series["rank_ic"][day]), float(series["spread"][day])
        return ExtremeDay(str(table.dates[day]), *values, *ends)

    best, worst = order[::-1][:EXTREME_DAYS], order[:EXTREME_DAYS]
    return [day_of(day) for day in best], [day_of(day) for day in worst]
