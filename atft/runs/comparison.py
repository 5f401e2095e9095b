"""Compare scores with the baselines and with chance, on the same rows: of a run that ends, or of any frame."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from atft.baselines.lightgbm import Trees
from atft.baselines.stock_days import Baseline
from atft.baselines.tree_options import TreeOptions
from atft.day_statistics import RANKING_METRICS
from atft.errors import InputError, listed, nearest
from atft.evaluation.comparison_table import ORDER, Bands, comparison_table, paired_lines, suspect_lines
from atft.evaluation.options import MeasureOptions
from atft.evaluation.paired import PairedDifference, paired_differences
from atft.evaluation.plain_table import RANDOM, table_text
from atft.evaluation.predictions import OPTIONAL, REQUIRED, HorizonScores, Scores, horizons_of, table_horizon
from atft.evaluation.random_scores import random_band
from atft.evaluation.rank_blend import mean_rank
from atft.evaluation.summary import Metrics, SummaryRow, score_days, summarise_scorers
from atft.evaluation.target_checks import target_warnings
from atft.files.cells import CellRange, read_codes
from atft.files.dates import DayReader
from atft.files.frames import arrow_table
from atft.metrics.own_metrics import own_metrics
from atft.option_types import check_type
from atft.process.optional import why_absent
from atft.tasks.baseline_scores import (
    BASELINES,
    IN_THE_TABLE,
    PACKAGES,
    BaselineName,
    check_scored_rows,
    file_scorers,
    fit_baseline,
    fitted_scores,
)
from atft.tasks.day_data import DayData

if TYPE_CHECKING:
    import polars

BAND_ROWS = ("random 2.5 %", "random 97.5 %")
"""Scorers of the lowest and the highest value that random scores usually reach."""
PAIR = "network - lightgbm"
FRAME = "predictions frame"


class Comparison(NamedTuple):
    """Figures of scorers on the same rows."""

    rows: list[SummaryRow]
    bands: dict[int, Bands]
    """Horizon -> what random scores reach."""
    differences: dict[int, PairedDifference]
    """Horizon -> the network's RankIC minus LightGBM's, day by day; empty without LightGBM."""
    absent: list[str]
    """Why a baseline is left out, a line each."""
    trees: Trees | None = None
    """LightGBM as it was fitted; None without it."""
    simulated: bool = False
    """Whether the market's best possible score is known: no figure is too good to be honest there."""


def compare_scorers(
    tables: Sequence[HorizonScores],
    data: DayData | None,
    min_stocks: int,
    metrics: Metrics = RANKING_METRICS,
    baselines: Sequence[str] = IN_THE_TABLE,
    scorer: str = "network",
    tree_options: TreeOptions | None = None,
) -> Comparison:
    """Measure the scores of each horizon, the baselines and the oracle that are known, and the band of chance.

    With LightGBM among the baselines, ``blend`` is the rank mean of it and the scorer.

    Args:
        data: what the baselines are fitted on; None leaves them out.
        baselines: names of `atft.tasks.baseline_scores.BaselineName`; one whose package is not installed is left
            out.
        scorer: whose scores the tables have.
        tree_options: settings of LightGBM; by default those of `TreeOptions`.

    Raises:
        InputError: the tables have a horizon, stock or day that ``data`` lacks; nothing is fitted then.
    """
    fitted: dict[str, Baseline] = {}
    absent: list[str] = []
    if data is not None and baselines:
        for table in tables:
            check_scored_rows(table, data.open_cache())
        # Fitted once for all horizons: what costs time is reading the training days.
        for name in baselines:
            if reason := why_absent(PACKAGES[name], "baselines") if name in PACKAGES else "":
                absent.append(reason)
            else:
                fitted[name] = fit_baseline(cast(BaselineName, name), data, data.seed, tree_options)
    rows: list[SummaryRow] = []
    bands: dict[int, Bands] = {}
    differences: dict[int, PairedDifference] = {}
    for table in tables:
        scorers = {scorer: table.columns["score"]}
        if data is not None and fitted:
            scorers |= fitted_scores(fitted, data.open_cache(), table)
        if "lightgbm" in fitted:
            scorers["blend"] = mean_rank([scorers[scorer], scorers["lightgbm"]], table.present)
            differences[table.horizon] = _minus_lightgbm(scorer, scorers, table, min_stocks)
        rows += summarise_scorers(scorers, table, min_stocks, metrics)
        rows += summarise_scorers(file_scorers(table), table, min_stocks, metrics, skip_unscored=True)
        target = table.columns["target"]
        bands[table.horizon] = random_band(target, table.present, table.horizon, min_stocks=min_stocks)
    trees = fitted.get("lightgbm")
    kept = trees if isinstance(trees, Trees) else None
    simulated = any("oracle" in table.columns for table in tables)
    return Comparison(rows, bands, differences, absent, kept, simulated)


def _minus_lightgbm(
    scorer: str, scorers: Mapping[str, Scores], table: HorizonScores, min_stocks: int
) -> PairedDifference:
    rank_ic = {"rank_ic": RANKING_METRICS["rank_ic"]}
    days = {}
    for name in ("lightgbm", scorer):
        measured, _ = score_days(scorers[name], table.columns["target"], table.present, min_stocks, rank_ic)
        days[name] = measured.counted()["spearman"]
    (difference,) = paired_differences(days, table.horizon - 1)
    return difference


def trades_until_known(table: HorizonScores, data: DayData) -> HorizonScores:
    """A table without returns at lag 1 that end after ``known_to``, as the last day's do; folds have none."""
    late, known_to = "target_lag1", data.split.known_to if data.split_options.known_to else None
    if known_to is None or late not in table.columns:
        return table
    manifest = data.open_cache().manifest
    lag = manifest.longest_label_days - max(manifest.horizons)
    day = np.searchsorted(np.array(manifest.dates, dtype="datetime64[D]"), table.dates)
    in_time = (day + table.horizon + lag + 1 <= known_to)[:, None]
    return replace(table, columns={**table.columns, late: np.where(in_time, table.columns[late], np.nan)})


def measure_baseline(
    path: Path, split: str, model: str, seeds: Sequence[int], data: DayData, metrics: Metrics
) -> Comparison:
    """Measure a baseline's predictions file, the rank mean of its seeds, and each of several, beside ridge."""
    pages, single = pq.read_table(path, page_checksum_verification=True), []
    tables = []
    for horizon in data.horizons:
        of_seed = {
            seed: trades_until_known(
                table_horizon(pages.filter(pc.equal(pages["seed"], seed)), horizon, split, str(path)), data
            )
            for seed in seeds
        }
        table = next(iter(of_seed.values()))
        scores = {f"seed {seed}": one.columns["score"] for seed, one in of_seed.items()}
        if len(seeds) > 1:
            single += summarise_scorers(scores, table, data.split.min_stocks, metrics)
            blend = mean_rank(list(scores.values()), table.present).astype(np.float32)
            table = replace(table, columns={**table.columns, "score": blend})
        tables.append(table)
    beside = () if model == "ridge" else ("ridge",)
    comparison = compare_scorers(tables, data, data.split.min_stocks, metrics, beside, model)
    return comparison._replace(rows=comparison.rows + single)


def comparison_text(compared: Comparison, days: str, min_stocks: int, metrics: Metrics) -> str:
    """The table under the words for its ``days``, and below it warnings, differences and what is left out."""
    title = f"\n{days}, mean ± standard error"
    table = table_text(comparison_table(compared.rows, compared.bands, title, min_stocks, metrics))
    below = [] if compared.simulated else suspect_lines(compared.rows, compared.bands)
    below += paired_lines(compared.differences)
    below += [f"not in the table: {reason}" for reason in compared.absent]
    return "\n".join([table, "", *below] if below else [table])


def evaluate(
    frame: Any,
    split: str | None = None,
    data: DayData | None = None,
    min_stocks: int | None = None,
    metrics: Sequence[str] | str = (),
    baselines: Sequence[str] | None = None,
) -> "polars.DataFrame":
    """Measure scores as the table that ends a fit does.

    Args:
        frame: Polars, pandas or Arrow with the columns date, code, horizon, score and target, a forward return as
            a fraction, null while unknown. Dates and codes are read as those of a panel. With ``return_1d``
            yesterday's reversal is a row, with ``oracle`` the best possible score, with ``target_lag1`` a trade one
            close later (lag 1).
        split: rows of this split; None: of ``test`` where the frame has it, else all.
        data: what the scores were trained on: ``baselines`` fitted on its training days are rows then.
        min_stocks: known targets below which a day does not count; None: that of ``data``, or 2.
        metrics: dotted paths of functions of your own that measure a day's ranking beside ours.
        baselines: ridge, lightgbm, mlp; None: ridge and lightgbm where ``data`` is given. Fitted at each call, slow
            for LightGBM on a million rows. One whose package is not installed is left out. With lightgbm ``blend``
            is the rank mean of it and the scores.

    Returns:
        One row per horizon, scorer and lag: days that count, then each figure of
        `atft.day_statistics.RANKING_METRICS` and ``metrics`` with its Newey-West standard error. The 95 % band of
        random scores is two rows, without an error; the scores' RankIC minus LightGBM's, day by day, is one, named
        ``network - lightgbm``.

    Warns:
        UserWarning: targets are no returns as fractions, or run over more days than their horizon.

    Raises:
        InputError: a column is missing or of another type, a score is NaN, a stock has two rows on one day, no day
            can be ranked, a baseline has no such name or no ``data``, or ``data`` lacks a horizon, stock or day of
            the frame.
    """
    import polars

    check_type("evaluate: data", data, DayData | None)
    if baselines and data is None:
        raise InputError("evaluate: baselines are fitted on training days; give data, or leave baselines out")
    baselines = IN_THE_TABLE if baselines is None else baselines
    unknown = [name for name in baselines if name not in BASELINES]
    if unknown:
        raise InputError(
            f"baselines takes {listed(BASELINES)}, got {unknown[0]!r}{nearest(unknown[0], BASELINES)}"
        )
    table = _plain_columns(arrow_table(frame, FRAME, keys=("date", "code")))
    if split is None and "split" in table.column_names and "test" in table["split"].unique().to_pylist():
        split = "test"
    tables = [table_horizon(table, horizon, split, FRAME) for horizon in horizons_of(table, split, FRAME)]
    usual = 2 if data is None else data.split.min_stocks  # a day of fewer cannot be ranked
    min_stocks = MeasureOptions(min_stocks=usual if min_stocks is None else min_stocks).min_stocks
    measured = RANKING_METRICS | own_metrics(metrics)
    for of in tables:
        for line in target_warnings(of.columns["target"], of.valid(), of.horizon):
            warnings.warn(f"{of.horizon}d: {line}", UserWarning, stacklevel=2)
    compared = compare_scorers(tables, data, min_stocks, measured, baselines)
    if not any(row.days for row in compared.rows if row.scorer == "network"):
        raise InputError(
            f"{FRAME}: no day can be ranked; one needs {min_stocks} stocks with known, unequal targets whose "
            f"scores differ"
        )
    return polars.DataFrame(_frame_rows(compared, measured))


def _frame_rows(compared: Comparison, measured: Metrics) -> list[dict[str, Any]]:
    """Scorers, the pair and the band as rows with the same keys, in the order of the printed table."""
    figure_rows: list[dict[str, Any]] = []
    for of in compared.rows:
        values = {name: estimate.value for name, estimate in of.figures.items()}
        errors = {f"{name}_error": estimate.error for name, estimate in of.figures.items()}
        row = {"horizon": of.horizon, "scorer": of.scorer, "lag": of.lag, "days": of.days}
        figure_rows.append(row | values | errors)
    for horizon, pair in compared.differences.items():
        figures = {"rank_ic": pair.difference.value, "rank_ic_error": pair.difference.error}
        figure_rows.append({"horizon": horizon, "scorer": PAIR, "lag": 0, "days": pair.days, **figures})
    for horizon, band in compared.bands.items():
        for end, scorer in enumerate(BAND_ROWS):
            limits = {name: limit[end] for name, limit in band.items()}
            figure_rows.append({"horizon": horizon, "scorer": scorer, "lag": 0, "days": None, **limits})
    names = ("horizon", "scorer", "lag", "days", *(n for m in measured for n in (m, f"{m}_error")))
    before, after = ORDER[: ORDER.index(RANDOM)], ORDER[ORDER.index(RANDOM) + 1 :]
    rank = {name: i for i, name in enumerate((*before, *BAND_ROWS, *after, PAIR))}
    figure_rows.sort(key=lambda row: (row["horizon"], rank[row["scorer"]], row["lag"]))
    return [{name: row.get(name) for name in names} for row in figure_rows]


def _plain_columns(table: pa.Table) -> pa.Table:
    """A table without categories, with dates, codes and numbers of the types that a predictions file has."""
    for index, name in enumerate(table.column_names):
        column = table[name]
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        table = table.set_column(index, name, _plain_column(name, column))
    return table


def _plain_column(name: str, column: pa.ChunkedArray) -> Any:
    """A column as its role asks, where its values can be that; else as it is, for the check of types to say so."""
    kind, role, cells = column.type, (REQUIRED | OPTIONAL).get(name), CellRange(Path(FRAME), name)
    if name == "date" and not pa.types.is_date32(kind):  # pandas has no dates
        return pa.array(DayReader().read(column.combine_chunks(), cells)).cast(pa.date32())
    if name == "code" and (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        return read_codes(column.combine_chunks(), cells)
    if role == "float" and (
        pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind)
    ):
        return column.cast(pa.uint8() if pa.types.is_boolean(kind) else kind).cast(pa.float64(), safe=False)
    if role == "float" and pa.types.is_float16(kind):
        return column.cast(pa.float32())
    fractions = role in ("int32", "int64") and pa.types.is_floating(kind)
    if fractions and pc.all(pc.equal(column, pc.floor(column))).as_py():
        return column.cast(pa.int64())
    return column
