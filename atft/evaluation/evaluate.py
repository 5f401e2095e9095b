"""Predictions files to an `Evaluation`: read, measure each horizon, compare the files day by day.

No torch: a file is measured in seconds wherever it was made. One horizon at a time is dense.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from atft.errors import InputError
from atft.evaluation.any_file import FileRows
from atft.evaluation.books import MAX_DAYS_APART, RETURN_1D, SPREAD_OVER, days_apart
from atft.evaluation.file_differences import compared_rows, file_differences
from atft.evaluation.horizon import measure_horizon
from atft.evaluation.importance_file import read_importance
from atft.evaluation.missing_days import missing_day_warnings
from atft.evaluation.options import EvaluateOptions
from atft.evaluation.predictions import PREDICTIONS
from atft.evaluation.result import Evaluation, FileCoverage, FileEvaluation, HorizonEvaluation
from atft.evaluation.score_rows import ScoreRows, dense_horizon, read_context, read_scores
from atft.files.publish import read_json
from atft.process.progress import Progress

MIN_UNKNOWN = 0.0005
"""Share of the books' value without a return from which a note says so: what is shown as 0.1 %."""


def evaluate_files(paths: Sequence[str | Path], options: EvaluateOptions | None = None) -> Evaluation:
    """Measure predictions files, and how each differs from the first.

    Args:
        paths: Parquet, CSV or JSON-lines files with date, code, score and target; see
            `atft.evaluation.any_file.read_rows`.

    Raises:
        InputError: a file cannot be read, or no day of it can be ranked.
    """
    options = options or EvaluateOptions()
    context = None if options.context is None else read_context(options.context)
    files, rows = [], {}
    for path, name in zip(map(Path, paths), file_names([Path(p) for p in paths]), strict=True):
        file, rows[name] = _evaluate_file(path, name, context, options)
        files.append(file)
    return Evaluation(options, files, file_differences(rows, options))


def file_names(paths: Sequence[Path]) -> list[str]:
    """Name files so that no two have one name: the stem, or the run's folder of a ``predictions`` file."""
    names: list[str] = []
    for path in paths:
        parts = path.resolve().parts
        name = "/".join(parts[-3:-1]) if path.stem == "predictions" and len(parts) > 3 else path.stem
        if name in names:
            name = "/".join(parts[-3:])
        names.append(name if name not in names else f"{name} ({len(names) + 1})")
    return names


def _evaluate_file(
    path: Path, name: str, context: FileRows | None, options: EvaluateOptions
) -> tuple[FileEvaluation, ScoreRows]:
    """Measure a file, and give what a comparison with others reads of it."""
    scores = read_scores(path, options.split, options.horizon)
    horizons: dict[int, HorizonEvaluation] = {}
    one_day = None if scores.one_day is None else dense_horizon(scores.one_day, 1).table
    with Progress(f"evaluate {name}", total=len(scores.horizons)) as progress:
        for horizon in scores.horizons:
            dense = dense_horizon(scores, horizon, context)
            if horizon == 1:
                one_day = replace(dense.table, columns={"target": dense.table.columns["target"]})
            measured = measure_horizon(dense, one_day, options)
            missing = missing_day_warnings(measured.dates, None if context is None else context.dates)
            horizons[horizon] = replace(measured, warnings=[*measured.warnings, *missing])
            progress.advance()
    if not any(measured.days for measured in horizons.values()):
        raise InputError(_nothing_ranked(path, horizons, options.min_stocks))
    evaluation = FileEvaluation(
        name=name,
        path=str(path),
        coverage=_coverage(scores, horizons),
        notes=[*scores.notes, *_horizon_notes(horizons)],
        horizons=horizons,
        causal=scores.causal,
        receipt=_receipt(path),
        # Of other files the weights may not be those of the run's directory.
        importance=read_importance(path.parent) if path.name == PREDICTIONS else None,
    )
    return evaluation, compared_rows(scores)


def _coverage(scores: ScoreRows, horizons: dict[int, HorizonEvaluation]) -> FileCoverage:
    first = horizons[min(horizons)]
    dropped = Counter(scores.dropped)
    for measured in horizons.values():
        dropped.update(measured.dropped_rows)
    dates = np.concatenate([m.dates[np.isfinite(m.series["rank_ic"])] for m in horizons.values()])
    if not len(dates):  # constant scores on too many days: none has a figure
        dates = np.concatenate([m.dates[m.stocks > 0] for m in horizons.values()])
    rows = len(scores.rows) + sum(scores.dropped.values())
    return FileCoverage(
        rows=rows,
        split=scores.split,
        measured_rows=rows - sum(dropped.values()),
        dropped=dict(dropped),
        first=str(dates.min()),
        last=str(dates.max()),
        days=len(np.unique(scores.rows.day)),
        codes=len(np.unique(scores.rows.stock)),
        stocks_per_day=first.stocks,
    )


def _horizon_notes(horizons: dict[int, HorizonEvaluation]) -> list[str]:
    notes = []
    for horizon, measured in horizons.items():
        apart = days_apart(measured.dates)
        if horizon == 1:
            if apart > MAX_DAYS_APART:
                notes.append(
                    f"dates are {apart:g} days apart: figures a year count them as trading days, 252 a year"
                )
            continue
        text = f"{horizon} days overlap: the book is {horizon} staggered books, 1/{horizon} of it renewed each day"
        if measured.books.returns_from == SPREAD_OVER:
            text += "; without daily returns each day's spread is booked on the day of its score"
            if apart > MAX_DAYS_APART:
                text += (
                    f"; dates are {apart:g} days apart: books, lags and turnover count them as trading days"
                )
        else:
            text += f"; its daily returns are from the {measured.books.returns_from}"
            if measured.books.unknown >= MIN_UNKNOWN:
                text += f"; {measured.books.unknown:.1%} of its value has left the file and earns 0"
                if measured.books.returns_from.startswith(RETURN_1D):
                    text += ", which biases it: --context with the return_1d of all stocks knows it"
        notes.append(text)
    return notes


def _nothing_ranked(path: Path, horizons: dict[int, HorizonEvaluation], min_stocks: int) -> str:
    days = Counter[str]()
    for measured in horizons.values():
        days.update(measured.dropped_days)
    why = ", ".join(f"{count:,} {reason}" for reason, count in days.items())
    advice = f"; lower --min_stocks, now {min_stocks}" if "thin" in days else ""
    return f"{path}: no day can be ranked (days: {why}){advice}"


def _receipt(path: Path) -> dict[str, Any]:
    try:
        return read_json(path.with_name("receipt.json")) or {}
    except OSError:
        return {}  # it is shown, never relied on
