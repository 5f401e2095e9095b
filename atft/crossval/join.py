"""One predictions file of many runs, streamed day by day: memory grows with the rows of a day, not with the period.

Each run's file is sorted by (date, horizon, code), so that the days of all files are merged as they are read.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from heapq import merge
from itertools import groupby, zip_longest
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from atft.crossval.plan import FoldRun
from atft.errors import InputError
from atft.evaluation.predictions import FILE_FORMAT
from atft.evaluation.rank_blend import mean_rank
from atft.files.parquet import open_parquet, stream_columns, table_file

ROWS_AT_ONCE = 1 << 15
KEYS = ["date", "horizon", "code"]
QUANTILE_OR_INTERVAL = re.compile(r"q\d\d|interval_(low|high)\d\d|interval_target")
"""Columns of a network's quantiles and of its intervals."""


def join_folds(
    files: Mapping[FoldRun, Path], causal: Mapping[int, bool], out: Path, metadata: Mapping[str, str]
) -> None:
    """Join the test rows of every fold and seed, with ``fold``, ``seed`` and ``causal`` filled.

    Rows are sorted by (date, horizon, code, fold, seed). A day that several folds test is there once for each.

    Args:
        files: the predictions file of each run; it has the column ``split``.
        causal: of each fold, whether it trains on days before its test days only.
        out: file to write.
        metadata: strings kept in its footer.

    Raises:
        InputError: a file cannot be read, is not sorted by date, or has no test row.
    """
    streams = [_test_days(run, path, causal) for run, path in files.items()]
    order = [(name, "ascending") for name in ("horizon", "code", "fold", "seed")]
    with table_file(out, **FILE_FORMAT) as append:
        for _, pieces in groupby(merge(*streams, key=itemgetter(0)), itemgetter(0)):
            rows = pa.concat_tables([table for _, table in pieces]).sort_by(order)
            append(rows.replace_schema_metadata(dict(metadata)), None)


def _test_days(run: FoldRun, path: Path, causal: Mapping[int, bool]) -> Iterator[tuple[date, pa.Table]]:
    empty = True
    for day, table in days_of(path):
        rows = table.filter(pc.equal(table["split"], "test"))
        if len(rows):
            empty = False
            filled = {
                "fold": pa.array([run.fold] * len(rows), pa.int32()),
                "seed": pa.array([run.seed] * len(rows), pa.int64()),
                "causal": pa.array([causal[run.fold or 0]] * len(rows), pa.bool_()),
            }
            yield day, with_columns(rows, filled)
    if empty:
        raise InputError(f"{path}: no rows of split 'test'; the fold scores no day")


def join_seeds(files: Mapping[FoldRun, Path], out: Path, metadata: Mapping[str, str]) -> None:
    """Write one file of the plain split whose ``score`` is the mean rank of the day over the seeds.

    Args:
        files: the predictions file of each seed.
        out: file to write; without the columns ``seed`` and the quantiles, which are of one network.
        metadata: strings kept in its footer.

    Raises:
        InputError: a file cannot be read, is not sorted by date, or has other rows than the first.
    """
    paths = list(files.values())
    with table_file(out, **FILE_FORMAT) as append:
        for days in zip_longest(*(days_of(path) for path in paths)):
            first, *others = (None if day is None else day[1].select(KEYS) for day in days)
            for path, keys in zip(paths[1:], others, strict=True):
                if first is None or keys is None or not keys.equals(first):
                    raise InputError(
                        f"{path}: other rows than {paths[0]}; the panel has changed, train again"
                    )
            tables = [table for _, table in days]
            rows = tables[0]
            rows = rows.drop(
                [n for n in rows.column_names if n == "seed" or QUANTILE_OR_INTERVAL.fullmatch(n)]
            )
            score = pa.array(_mean_rank_of(tables), pa.float32())
            append(with_columns(rows, {"score": score}).replace_schema_metadata(dict(metadata)), None)


def _mean_rank_of(tables: Sequence[pa.Table]) -> Any:
    """Mean rank ``[rows]`` over the scores of several tables of the same rows, horizon by horizon."""
    scores = [table["score"].to_numpy() for table in tables]
    horizon = tables[0]["horizon"].to_numpy()
    blend = np.empty(len(horizon), np.float32)
    for value in np.unique(horizon):
        rows = horizon == value
        day = [score[rows][None] for score in scores]
        blend[rows] = mean_rank(day, np.ones(day[0].shape, dtype=bool))[0]
    return blend


def days_of(path: Path) -> Iterator[tuple[date, pa.Table]]:
    """Read a predictions file day by day.

    Raises:
        InputError: it cannot be read, or a date comes before an earlier row's.
    """
    rest: list[pa.Table] = []
    former: date | None = None
    with open_parquet(path) as file:
        for batch in stream_columns(path, file, file.schema_arrow.names, ROWS_AT_ONCE):
            table = pa.Table.from_batches([batch])
            dates = table["date"].to_numpy()
            # Where the next row's date is another one, a day ends.
            ends = [*(np.flatnonzero(dates[1:] != dates[:-1]) + 1).tolist(), len(dates)]
            for first, end in zip([0, *ends], ends, strict=False):
                day = table["date"][first].as_py()
                if former is not None and day < former:
                    raise InputError(f"{path}: not sorted by date ({day} after {former}); train again")
                if former is not None and day > former:
                    yield former, pa.concat_tables(rest)
                    rest = []
                former = day
                rest.append(table.slice(first, end - first))
    if former is not None:
        yield former, pa.concat_tables(rest)


def with_columns(table: pa.Table, columns: Mapping[str, pa.Array]) -> pa.Table:
    """A table with these columns, in the place of those of their names, else at its end."""
    for name, values in columns.items():
        index = table.schema.get_field_index(name)
        table = table.append_column(name, values) if index < 0 else table.set_column(index, name, values)
    return table
