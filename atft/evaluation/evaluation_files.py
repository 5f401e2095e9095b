"""An evaluation as files: ``evaluation.json`` (all but days), ``days.csv`` (the days), ``summary.csv`` (figures).

A number that is not known is null in JSON and empty in CSV.
"""

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from atft.evaluation.figures import FIGURES
from atft.evaluation.result import Evaluation, FileEvaluation, HorizonEvaluation
from atft.files.parquet import table_file
from atft.files.publish import publish_text

FORMAT = 1
"""Of evaluation.json: raised where a reader of the former one would read something wrong."""


def write_evaluation(evaluation: Evaluation, folder: Path) -> list[Path]:
    """Write the three files to a folder, which is made; those of an earlier call are replaced.

    Raises InputError where the folder cannot be written.
    """
    paths = files_of_evaluation(folder)
    publish_text(paths[0], evaluation_json(evaluation))
    for path, table in zip(paths[1:], (days_table(evaluation), summary_table(evaluation)), strict=True):
        with table_file(path) as append:
            append(table, None)
    return paths


def files_of_evaluation(folder: Path) -> list[Path]:
    """The three files of a folder: evaluation.json, days.csv and summary.csv."""
    return [folder / name for name in ("evaluation.json", "days.csv", "summary.csv")]


def evaluation_json(evaluation: Evaluation) -> str:
    """All figures as JSON: the dataclasses of `atft.evaluation.result`, without their arrays over days."""
    return json.dumps({"format": FORMAT, **json_value(evaluation)}, indent=1, allow_nan=False) + "\n"


def days_table(evaluation: Evaluation) -> pa.Table:
    """A row a file, horizon and day: stocks that counted, each measure, and the book's returns."""
    tables = [
        _horizon_days(file, measured) for file in evaluation.files for measured in file.horizons.values()
    ]
    return pa.concat_tables(tables, promote_options="default")


def summary_table(evaluation: Evaluation) -> pa.Table:
    """A row a file, horizon, scorer and figure: value, ends of the 95 % interval, Newey-West error and t."""
    rows: list[dict[str, Any]] = []
    for file in evaluation.files:
        for horizon, measured in file.horizons.items():
            scorers = {"score": measured.figures} | {c.name: c.figures for c in measured.controls}
            for scorer, figures in scorers.items():
                for figure, interval in figures.items():
                    keys = {"file": file.name, "horizon": horizon, "scorer": scorer, "figure": figure}
                    rows.append(keys | {"unit": FIGURES[figure].unit} | json_value(interval))
    return pa.Table.from_pylist(rows)


def _horizon_days(file: FileEvaluation, measured: HorizonEvaluation) -> pa.Table:
    days = len(measured.dates)
    columns: dict[str, Any] = {
        "file": pa.array([file.name] * days),
        "horizon": pa.array([measured.horizon] * days, pa.int32()),
        "date": pa.array(measured.dates.astype("datetime64[D]")),
        "stocks": pa.array(measured.stocks),
    }
    books = measured.books
    series = measured.series | {"gross": books.gross, "net": books.net, "capacity": books.capacity}
    for name, values in series.items():
        columns[name] = pa.array(np.asarray(values, np.float64), from_pandas=True)
    return pa.table(columns)


def json_value(value: Any) -> Any:
    """Records, mappings and sequences as JSON has them; NaN is None, and a record's arrays are left out."""
    if is_dataclass(value):
        return _json_record({field.name: getattr(value, field.name) for field in fields(value)})
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return _json_record(value._asdict())
    if isinstance(value, Mapping):
        return {str(key): json_value(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [json_value(part) for part in value]
    if isinstance(value, float):
        return value if isfinite(value) else None
    return value


def _json_record(parts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: json_value(part) for name, part in parts.items() if not _is_series(part)}


def _is_series(part: Any) -> bool:
    if isinstance(part, Mapping):
        return bool(part) and all(isinstance(values, np.ndarray) for values in part.values())
    return isinstance(part, np.ndarray)
