"""A predictions file as dense arrays of days and stocks, one horizon at a time, of any program.

Needed are date, code, score and target; horizon, split, oracle, fold and seed are used where they are there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from atft.errors import InputError, nearest, one_line
from atft.probes.panel_grid import Cells, Marks

if TYPE_CHECKING:
    import polars

NEEDED = ("date", "code", "score", "target")
USED = ("oracle", "return_1d")
KEYS = ("fold", "seed")
"""Columns of which one value is one set of scores: a day may have a row for each."""


@dataclass(frozen=True)
class ScoredRows:
    """The rows of one horizon (and one fold and seed)."""

    horizon: int
    """Trading days; 1 where the file does not say."""
    dates: np.ndarray
    """datetime64[D] [days], ascending."""
    codes: tuple[str, ...]
    """[stocks], ascending."""
    present: Marks
    """Cells that have a row."""
    numbers: dict[str, Cells]
    """score, target, place (of the row within its day, in the file's order), and what else the file has."""
    repeated: int
    """Rows that share date and code with another."""


def read_scored_rows(path: Path) -> list[ScoredRows]:
    """Read a predictions file (Parquet or CSV), a part for each horizon, fold and seed.

    Raises:
        InputError: it cannot be read, lacks a column, or has no row.
    """
    import polars

    frame = _read_table(path)
    for name in NEEDED:
        if name not in frame.columns:
            raise InputError(
                f"{path}: no column {name!r} in this predictions file{nearest(name, frame.columns)}"
            )
    used = [name for name in USED if name in frame.columns]
    keys = [name for name in ("horizon", *KEYS) if name in frame.columns]
    try:
        date = polars.col("date")
        frame = frame.select(
            date.str.to_date() if frame.schema["date"] == polars.String else date.cast(polars.Date),
            polars.col("code").cast(polars.String),
            *(polars.col(name).cast(polars.Float64) for name in ("score", "target", *used)),
            *(polars.col(name).cast(polars.Int64) for name in keys),
        ).with_row_index("place")
    except polars.exceptions.PolarsError as error:
        raise InputError(
            f"{path}: dates, scores and targets must be dates and numbers ({one_line(error)})"
        ) from error
    # What has no place on the grid cannot be probed.
    frame = frame.drop_nulls(["date", "code"])
    if not len(frame):
        raise InputError(f"{path}: no row with a date and a code")
    parts = (
        [part for _, part in sorted(frame.group_by(keys), key=lambda item: repr(item[0]))]
        if keys
        else [frame]
    )
    return [_dense(part, used) for part in parts]


def _read_table(path: Path) -> "polars.DataFrame":
    import polars

    if not path.is_file():
        raise InputError(f"{path}: no such predictions file; `python -m atft predict` writes one")
    try:
        return (
            polars.read_csv(path, infer_schema_length=None)
            if path.suffix == ".csv"
            else polars.read_parquet(path)
        )
    except (polars.exceptions.PolarsError, OSError) as error:
        raise InputError(f"{path}: not a readable Parquet or CSV file ({one_line(error)})") from error


def _dense(part: "polars.DataFrame", used: Sequence[str]) -> ScoredRows:
    part = part.sort("place")
    dates, day = np.unique(part["date"].to_numpy(), return_inverse=True)
    codes, stock = np.unique(part["code"].to_numpy().astype(str), return_inverse=True)
    shape, cell = (len(dates), len(codes)), day * len(codes) + stock
    present = np.zeros(shape, dtype=bool)
    present.reshape(-1)[cell] = True
    numbers = {}
    for name in ("score", "target", "place", *used):
        table = np.full(shape, np.nan)
        table.reshape(-1)[cell] = part[name].cast(float).fill_null(np.nan).to_numpy()
        numbers[name] = table
    horizon = int(part["horizon"][0]) if "horizon" in part.columns else 1
    return ScoredRows(
        horizon,
        dates.astype("datetime64[D]"),
        tuple(codes.tolist()),
        present,
        numbers,
        len(cell) - int(present.sum()),
    )
