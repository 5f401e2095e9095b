"""The list of a day: its stocks by rank, with what the checkpoint says of each, as a file and as a table."""

import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Float32, Int

from atft.daily.scorer import DayScores
from atft.errors import InputError
from atft.evaluation.plain_table import plain_table, table_text
from atft.files.parquet import table_file
from atft.files.publish import publish_text
from atft.metrics.interval_ends import level_pairs, quantile_column

if TYPE_CHECKING:
    import pyarrow

FORMATS = (".csv", ".parquet", ".json")


def descending_ranks(scores: Float32[np.ndarray, " stocks"]) -> Float[np.ndarray, " stocks"]:
    """Rank scores from 1, the highest; ties share the mean of their ranks."""
    _, inverse, counts = np.unique(-scores, return_inverse=True, return_counts=True)
    ranks: Float[np.ndarray, " stocks"] = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return ranks


def order_stocks(scores: DayScores, horizon: int | None) -> Int[np.ndarray, " stocks"]:
    """Indices of a day's stocks, the best first; ties are in the order of their codes.

    Args:
        horizon: index of the horizon whose scores decide; None: the mean of the ranks of all horizons.
    """
    columns = scores.score.T if horizon is None else scores.score.T[horizon : horizon + 1]
    mean = np.mean([descending_ranks(column) for column in columns], axis=0)
    return np.argsort(mean, kind="stable")


def check_rank_by(rank_by: int | None, horizons: Sequence[int]) -> None:
    """Check that the horizon that is to decide the rank, where there is one, is among those that are scored."""
    if rank_by is not None and rank_by not in horizons:
        raise InputError(
            f"--rank_by {rank_by}: the checkpoint scores {', '.join(map(str, horizons))} days ahead"
        )


def list_table(
    day: date,
    scores: DayScores,
    before: DayScores | None,
    horizons: Sequence[int],
    levels: Sequence[float] = (),
    rank_by: int | None = None,
) -> "pyarrow.Table":
    """Lay out a day's stocks by rank.

    Args:
        before: of the trading day before it by the same checkpoint; None where that day has no scores.
        rank_by: horizon whose scores decide the rank; None: the mean of the ranks of all horizons.

    Returns:
        Columns date, rank (1 is the best), code, sector, ``score_{h}d``, ``q05_{h}d`` (of each level) and
        ``interval_low90_{h}d`` and ``interval_high90_{h}d`` (of each interval) by horizon, and
        rank_before, the rank of the day before, null where the stock was not in its universe.

    Raises:
        InputError: ``rank_by`` is no horizon of the checkpoint, or a score is not a number.
    """
    import pyarrow as pa

    check_rank_by(rank_by, horizons)
    if not np.isfinite(scores.score).all():  # a rank among NaN would mean nothing
        raise InputError(f"scores of {day} are not numbers; the checkpoint cannot rank that day")
    column = None if rank_by is None else list(horizons).index(rank_by)
    order, ranked = order_stocks(scores, column), len(scores.codes)
    former: dict[str, int] = {}
    if before is not None:
        former = {before.codes[stock]: rank for rank, stock in enumerate(order_stocks(before, column), 1)}
    codes = [scores.codes[stock] for stock in order]
    columns: dict[str, Any] = {
        "date": pa.array([day] * ranked, pa.date32()),
        "rank": pa.array(range(1, ranked + 1), pa.int32()),
        "code": pa.array(codes, pa.string()),
        "sector": pa.array([scores.sectors[stock] for stock in order], pa.string()),
    }
    for i, horizon in enumerate(horizons):
        columns[f"score_{horizon}d"] = pa.array(scores.score[order, i])
    if scores.quantiles is not None:
        for i, horizon in enumerate(horizons):
            for j, level in enumerate(levels):
                columns[f"{quantile_column(level)}_{horizon}d"] = pa.array(scores.quantiles[order, i, j])
    if scores.intervals is not None:
        for i, horizon in enumerate(horizons):
            for j, pair in enumerate(level_pairs(levels)):
                low, high = scores.intervals[order, i, j].T
                columns[f"interval_low{pair.percent}_{horizon}d"] = pa.array(low, from_pandas=True)
                columns[f"interval_high{pair.percent}_{horizon}d"] = pa.array(high, from_pandas=True)
    columns["rank_before"] = pa.array([former.get(code) for code in codes], pa.int32())
    return pa.table(columns)


def write_list(table: "pyarrow.Table", out: Path) -> None:
    """Write a list in the format of its suffix; JSON is a list of mappings, one a stock."""
    if out.suffix != ".json":
        with table_file(out) as append:
            append(table, None)
        return
    rows = [{**row, "date": row["date"].isoformat()} for row in table.to_pylist()]
    publish_text(out, json.dumps(rows, indent=1) + "\n")


def list_text(table: "pyarrow.Table", top: int, title: str) -> str:
    """The ``top`` first and last stocks of a list as a plain table, one line a stock; all where they are fewer."""
    scores = [name for name in table.column_names if name.startswith("score_")]
    sectors = table["sector"].null_count < len(table)
    left = ["code", "sector"] if sectors else ["code"]
    drawn = plain_table(title, left, ["rank", "before", *scores])
    rows = table.to_pylist()
    head, tail = (rows, []) if len(rows) <= 2 * top else (rows[:top], rows[-top:])
    for number, part in enumerate((head, tail)):
        if number and part:
            drawn.add_row(*["..."] * len(left), *[""] * (2 + len(scores)))
        for row in part:
            names = [str(row[name] or "") for name in left]
            before = "" if row["rank_before"] is None else f"{row['rank_before']:,}"
            drawn.add_row(*names, f"{row['rank']:,}", before, *(f"{row[name]:+.4f}" for name in scores))
    return table_text(drawn)
