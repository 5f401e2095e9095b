"""Compare scores with the baselines and with chance, on the same rows: of a run that ends, or of any frame."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from atft.day_statistics import RANKING_METRICS
from atft.errors import InputError
from atft.evaluation.comparison_table import ORDER, Band
from atft.evaluation.predictions import HorizonScores, horizons_of, table_horizon
from atft.evaluation.random_scores import random_band
from atft.evaluation.summary import Metrics, SummaryRow, summarise_scorers
from atft.frames import arrow_table
from atft.metrics.own_metrics import own_metrics
from atft.tasks.baseline_scores import baseline_scorers, fit_baseline
from atft.tasks.day_data import DayData

if TYPE_CHECKING:
    import polars

BAND_ROWS = ("random 2.5 %", "random 97.5 %")
"""Scorers of the lowest and the highest value that random scores usually reach."""
FRAME = "predictions frame"


def compare_scorers(
    tables: Sequence[HorizonScores],
    data: DayData | None,
    min_stocks: int,
    metrics: Metrics = RANKING_METRICS,
) -> tuple[list[SummaryRow], dict[int, Band]]:
    """Measure the scores of each horizon, the baselines and the oracle that are known, and the band of chance.

    Args:
        data: what the ridge baseline is fitted on; None leaves it out.
    """
    ridge = None if data is None else fit_baseline(data)
    rows: list[SummaryRow] = []
    bands: dict[int, Band] = {}
    for table in tables:
        scorers = baseline_scorers(table, ridge, None if data is None else data.open_cache())
        rows += summarise_scorers(scorers, table, min_stocks, metrics)
        target = table.columns["target"]
        bands[table.horizon] = random_band(target, table.present, table.horizon, min_stocks=min_stocks)
    return rows, bands


def evaluate(
    frame: Any,
    split: str | None = None,
    data: DayData | None = None,
    min_stocks: int | None = None,
    metrics: Sequence[str] | str = (),
) -> "polars.DataFrame":
    """Measure scores as the table that ends a fit does.

    Args:
        frame: Polars, pandas or Arrow with the columns date, code, horizon, score and target, a forward return as
            a fraction, null while unknown. With ``return_1d`` yesterday's reversal is a row, with ``oracle`` the
            best possible score, with ``target_lag1`` a trade one close later (lag 1).
        split: measure the rows of that ``split`` only, for instance "test"; None measures all.
        data: what the scores were trained on: a ridge regression fitted on its training days is a row then.
        min_stocks: known targets below which a day does not count; None: that of ``data``, or 2.
        metrics: dotted paths of functions of your own that measure a day's ranking beside ours.

    Returns:
        One row per horizon, scorer and lag: days that count, then each figure of
        `atft.day_statistics.RANKING_METRICS` and ``metrics`` with its Newey-West standard error. The 95 % band of
        random scores is two rows, without an error.

    Raises:
        InputError: a column is missing or of another type, a score is NaN, or a stock has two rows on one day.
    """
    import polars

    table = _plain_columns(arrow_table(frame, FRAME))
    tables = [table_horizon(table, horizon, split, FRAME) for horizon in horizons_of(table, split, FRAME)]
    if min_stocks is None:
        min_stocks = 2 if data is None else data.split.min_stocks
    measured = RANKING_METRICS | own_metrics(metrics)
    rows, bands = compare_scorers(tables, data, min_stocks, measured)
    found = [_figures(row) for row in rows]
    for horizon, band in bands.items():
        for end, scorer in enumerate(BAND_ROWS):
            limits = {name: limit[end] for name, limit in band.items()}
            found.append({"horizon": horizon, "scorer": scorer, "lag": 0, "days": None, **limits})
    names = ("horizon", "scorer", "lag", "days", *(n for m in measured for n in (m, f"{m}_error")))
    rank = {name: i for i, name in enumerate((*ORDER[:3], *BAND_ROWS, "oracle"))}
    found.sort(key=lambda row: (row["horizon"], rank[row["scorer"]], row["lag"]))
    return polars.DataFrame([{name: row.get(name) for name in names} for row in found])


def _figures(row: SummaryRow) -> dict[str, Any]:
    figures = {"horizon": row.horizon, "scorer": row.scorer, "lag": row.lag, "days": row.days}
    values = {name: estimate.value for name, estimate in row.figures.items()}
    errors = {f"{name}_error": estimate.error for name, estimate in row.figures.items()}
    return figures | values | errors


def _plain_columns(table: pa.Table) -> pa.Table:
    """A table without categories, and whose dates are days: pandas has none, its midnights become their day."""
    for place, column in enumerate(table.schema):
        if pa.types.is_dictionary(column.type):
            plain = table[column.name].cast(column.type.value_type)
            table = table.set_column(place, column.name, plain)
    place = table.schema.get_field_index("date")
    if place < 0 or not pa.types.is_timestamp(table.schema.field(place).type):
        return table
    midnights = table["date"].cast(pa.timestamp("us"), safe=False)
    days = midnights.cast(pa.date32())
    if not days.cast(pa.timestamp("us")).equals(midnights):
        raise InputError(f"{FRAME}: column 'date' has times of day; cast it to dates")
    return table.set_column(place, "date", days)
