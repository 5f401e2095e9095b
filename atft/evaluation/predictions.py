"""predictions.parquet: one row per day, horizon and stock, the file between training and every report.

Decisions: long rows, which join to any other table; sorted by (date, horizon, code), so that a
cross-section is contiguous; days whose targets are unknown are rows like any other. Reading one horizon gives
dense ``[days, stocks]`` arrays: 2,200 days x 4,484 stocks are 39 MB a column.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import NDArray

from atft.errors import InputError, nearest

REQUIRED = {"date": "date32[day]", "code": "string", "horizon": "int32", "score": "float", "target": "float"}
"""Columns that every predictions file has, and their Arrow types. Only ``target`` may be null."""
OPTIONAL = {
    "target_lag1": "float",
    "split": "string",
    "fold": "int32",
    "seed": "int64",
    "causal": "bool",
    "sector": "string",
    "oracle": "float",
    "return_1d": "float",
    "momentum_20d": "float",
    "traded_value": "float",
}
"""Columns that evaluation knows; exposures, regimes and quantiles (``q05``) come under their own names."""
ACCEPTED_TYPES = {
    "string": {"string", "large_string"},
    "float": {"float", "double"},
    "int32": {"int8", "int16", "int32", "int64"},
    "int64": {"int8", "int16", "int32", "int64", "uint32"},
}
"""Arrow types that may stand for the written one, as other tools save it."""
FILE_FORMAT: dict[str, Any] = {
    "compression": "zstd",
    # Numbers hardly repeat within a day: dictionaries of them take two fifths of the time and make larger files.
    "use_dictionary": [name for name, kind in (REQUIRED | OPTIONAL).items() if kind == "string"],
}
"""Options of `atft.files.parquet.table_file` for a predictions file that is written day by day."""
PREDICTIONS = "predictions.parquet"
"""The file's name in the directory of a run, a baseline or a cross-validation."""
Scores = Float[np.ndarray, "days stocks"]
"""Any unit, higher is better."""
Mask = Bool[np.ndarray, "days stocks"]
ARRAYS = ("score", "target", "target_lag1", "oracle", "return_1d")


@dataclass(frozen=True)
class HorizonScores:
    """One horizon of a predictions file as dense arrays over its own days and stocks."""

    horizon: int
    """Trading days ahead."""
    dates: NDArray[Any]
    """datetime64[D] ``[days]``, ascending."""
    codes: list[str]
    """``[stocks]``, ascending."""
    present: NDArray[np.bool_]
    """``[days, stocks]``; the file has that row: the stock was in the universe."""
    columns: dict[str, NDArray[np.float32]]
    """``[days, stocks]`` by name, NaN where absent or null."""

    def valid(self, target: str = "target") -> NDArray[np.bool_]:
        """Rows whose ``target`` (or ``target_lag1``) is known, ``[days, stocks]``."""
        return self.present & np.isfinite(self.columns[target])


def prediction_rows(
    date: Any, codes: Sequence[str], horizons: Sequence[int], by_horizon: Mapping[str, Any], **by_stock: Any
) -> Any:
    """Lay one day's forecasts out as rows of a predictions file, a ``pyarrow.Table`` ordered by (horizon, code).

    Args:
        codes: ``[stocks]`` identifiers of the day's universe, ascending.
        by_horizon: name -> ``[stocks, horizons]`` floats: score, target, target_lag1, oracle, q05 ...; NaN
            becomes null.
        by_stock: name -> ``[stocks]`` values that all horizons share (sector, context, exposures), or one
            value for all rows (split, fold, seed, causal, regimes).
    """
    import pyarrow as pa

    kinds = {
        "string": pa.string(),
        "int32": pa.int32(),
        "int64": pa.int64(),
        "bool": pa.bool_(),
        "float": pa.float32(),
    }
    stocks, repeats = len(codes), len(horizons)
    rows = stocks * repeats
    columns: dict[str, Any] = {
        "date": _constant(date, pa.date32(), rows),
        "code": _repeated(codes, pa.string(), repeats),
        "horizon": pa.array(np.repeat(np.asarray(horizons, np.int32), stocks)),
    }
    for name, values in by_horizon.items():
        columns[name] = pa.array(np.asarray(values, np.float32).T.ravel(), from_pandas=True)
    for name, values in by_stock.items():
        kind = OPTIONAL.get(name, "float")
        if kind == "float":
            values = np.ascontiguousarray(values, np.float32) if np.ndim(values) else float(values)
        of_all = isinstance(values, str | int | float)
        columns[name] = (_constant if of_all else _repeated)(values, kinds[kind], rows if of_all else repeats)
    return pa.table(columns)


def _constant(value: Any, kind: Any, rows: int) -> Any:
    import pyarrow as pa

    # Through an array: a scalar of NaN would stay NaN where rows of NaN are null.
    return pa.repeat(pa.array([value], kind, from_pandas=True)[0], rows)


def _repeated(values: Any, kind: Any, times: int) -> Any:
    import pyarrow as pa

    once = values if isinstance(values, pa.Array) else pa.array(values, kind, from_pandas=True)
    return pa.concat_arrays([once] * times)


def check_predictions(path: str | Path) -> dict[str, str]:
    """Read a predictions file's columns and their types from its footer.

    Raises InputError where it is missing or unreadable, lacks a column or has one of another type.
    """
    from atft.files.parquet import check_file, open_parquet

    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such predictions file; `python -m atft predict` writes one")
    check_file(path)
    with open_parquet(path) as file:
        return _checked_types(file.schema_arrow, path, "this predictions file")


def _checked_types(schema: Any, where: str | Path, what: str) -> dict[str, str]:
    types = {field.name: str(field.type) for field in schema}
    for name in REQUIRED:
        if name not in types:
            raise InputError(f"{where}: no column {name!r} in {what}{nearest(name, types)}")
    for name, kind in (REQUIRED | OPTIONAL).items():
        if name in types and types[name] not in ACCEPTED_TYPES.get(kind, {kind}):
            raise InputError(f"{where}: column {name!r} must be {kind}, it is {types[name]}")
    return types


def prediction_horizons(path: str | Path) -> tuple[int, ...]:
    """Horizons of a predictions file, ascending."""
    check_predictions(path)
    return tuple(sorted(_read(path, ["horizon"])["horizon"].unique().to_pylist()))


def read_horizon(
    path: str | Path, horizon: int, split: str | None = None, columns: Sequence[str] = ARRAYS
) -> HorizonScores:
    """Read one horizon, of a split or of all, into dense arrays; ``columns`` that the file lacks are left out.

    Raises InputError where the file cannot be used, nothing matches, a score is missing, or a stock has two rows on
    one day.
    """
    types = check_predictions(path)
    if split is not None and "split" not in types:
        raise InputError(f"{path}: no column 'split' to find {split!r} in")
    filters = [("horizon", "==", horizon), *([("split", "==", split)] if split is not None else [])]
    table = _read(path, ["date", "code", *(c for c in columns if c in types)], filters)
    if not len(table):
        within = f" of split {split!r}" if split is not None else ""
        raise InputError(f"{path}: no rows of horizon {horizon}{within}; it has {prediction_horizons(path)}")
    return _dense(table, horizon, path)


def horizons_of(table: Any, split: str | None, where: str) -> list[int]:
    """Horizons of a table of predictions in memory, or of one split of it, ascending; `table_horizon` reads one.

    Raises InputError where it lacks a column, has one of another type, or has no row of the split.
    """
    import pyarrow.compute as pc

    types = _checked_types(table.schema, where, "it")
    for name in ("date", "code", "horizon"):
        if table[name].null_count:
            raise InputError(
                f"{where}: column {name!r} has {table[name].null_count:,} nulls; drop these rows"
            )
    if split is not None and "split" not in types:
        raise InputError(f"{where}: no column 'split' to find {split!r} in")
    rows = table if split is None else table.filter(pc.equal(table["split"], split))
    if not len(rows):
        named = [] if split is None else sorted(filter(None, table["split"].unique().to_pylist()))
        raise InputError(f"{where}: no rows" + (f" of split {split!r}; it has {named}" if named else ""))
    return sorted(rows["horizon"].unique().to_pylist())


def table_horizon(table: Any, horizon: int, split: str | None, where: str) -> HorizonScores:
    """The same as `read_horizon`, of a table in memory whose columns `horizons_of` has checked."""
    import pyarrow.compute as pc

    rows = pc.equal(table["horizon"], horizon)
    if split is not None:
        rows = pc.and_(rows, pc.equal(table["split"], split))
    names = [name for name in ("date", "code", *ARRAYS) if name in table.column_names]
    return _dense(table.select(names).filter(rows).combine_chunks(), horizon, where)


def _dense(table: Any, horizon: int, path: str | Path) -> HorizonScores:
    """Rows of one horizon as dense arrays over their own days and stocks."""
    from atft.files.cells import sorted_texts

    dates, day = np.unique(table["date"].to_numpy(), return_inverse=True)
    codes, stock = sorted_texts(table["code"])
    # Rows are placed by their number in the flattened [days, stocks]: one scatter a column, whatever their order.
    shape = (len(dates), len(codes))
    cell = day * len(codes) + stock
    rows = np.bincount(cell, minlength=len(dates) * len(codes)).reshape(shape)
    if rows.max() > 1:
        i, j = np.unravel_index(int(rows.argmax()), shape)
        raise InputError(
            f"{path}: {codes[j]} has {rows[i, j]} rows of horizon {horizon} on {dates[i]}; "
            f"name one split, or remove the duplicates"
        )
    names = [name for name in table.column_names if name not in ("date", "code")]
    arrays = {name: laid_out(table[name].to_numpy(), cell, shape) for name in names}
    if "score" in arrays and np.isnan(arrays["score"][rows > 0]).any():
        raise InputError(f"{path}: scores of horizon {horizon} are missing or NaN; predict again")
    return HorizonScores(horizon, dates, codes, rows > 0, arrays)


def laid_out(values: NDArray[Any], cell: NDArray[np.int64], shape: tuple[int, int]) -> Scores:
    """Values as a table of a shape, each in a cell of it that is counted row by row; NaN in the other cells."""
    table = np.full(shape, np.nan, dtype=np.float32)
    table.ravel()[cell] = values
    return table


def _read(path: str | Path, columns: list[str], filters: list[Any] | None = None) -> Any:
    import pyarrow.parquet as pq

    from atft.files.parquet import readable

    with readable(Path(path)):
        table = pq.read_table(path, columns=columns, filters=filters, page_checksum_verification=True)
        return table.combine_chunks()
