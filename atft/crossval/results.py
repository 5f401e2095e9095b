"""The results of all folds and seeds: the rows of the table, ``folds.csv`` and ``folds.json``.

A line of a fold or a seed is what one network has; the mean over folds has the standard error of a mean over folds;
the line between seeds is the error that no single seed shows; the mean rank of the seeds is the ensemble.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from math import sqrt
from pathlib import Path
from typing import Any

from atft.crossval.figures import (
    MEAN_RANK,
    RunDays,
    folds_a_day,
    mean_row,
    over_folds,
    row_between_seeds,
    row_over_folds,
)
from atft.crossval.plan import FoldRun
from atft.crossval.run_state import RunState
from atft.evaluation.summary import Metrics, SummaryRow
from atft.files.publish import publish_json, publish_text

CSV, JSON = "folds.csv", "folds.json"


def table_rows(measured: Sequence[RunDays], causal: Mapping[int, bool], metrics: Metrics) -> list[SummaryRow]:
    """The lines of the table, horizon by horizon: folds, their mean, seeds, between seeds, mean rank of the seeds.

    Args:
        measured: of every fold, seed, horizon and lag.
        causal: of each fold, none for the plain split; one that is not causal says so in its line.
        metrics: by name.
    """
    rows: list[SummaryRow] = []
    for horizon, lag in _horizons(measured):
        parts = [part for part in measured if (part.horizon, part.lag) == (horizon, lag)]
        seeds = [seed for seed in dict.fromkeys(part.seed for part in parts) if seed != MEAN_RANK]
        of_folds = []
        for fold in causal:
            of_seeds = [part.row("", metrics) for part in parts if part.fold == fold and part.seed in seeds]
            begin = next(part.dates[0] for part in parts if part.fold == fold)
            label = f"fold {fold} from {begin}" + ("" if causal[fold] else ", not causal")
            of_folds.append(mean_row(label, of_seeds))
        rows += of_folds
        if len(of_folds) > 1:
            shared = folds_a_day([part for part in parts if part.seed == seeds[0]])
            rows.append(row_over_folds(f"mean of {len(of_folds)} folds", of_folds, shared))
        whole = {seed: over_folds([part for part in parts if part.seed == seed]) for seed in seeds}
        of_seeds = [days.row(f"seed {seed}", metrics) for seed, days in whole.items()]
        rows += of_seeds
        if len(seeds) > 1:
            rows.append(row_between_seeds("between seeds, std", of_seeds))
            ensemble = over_folds([part for part in parts if part.seed == MEAN_RANK])
            rows.append(ensemble.row(f"mean rank of {len(seeds)} seeds", metrics))
    return rows


def write_results(
    directory: Path,
    measured: Sequence[RunDays],
    states: Mapping[FoldRun, RunState],
    causal: Mapping[int, bool],
    metrics: Metrics,
) -> None:
    """Write ``folds.csv``, a row for each fold, seed, horizon and lag, and ``folds.json`` with the means too."""
    whole = [
        over_folds([part for part in measured if _key(part) == key])
        for key in dict.fromkeys(map(_key, measured))
    ]
    every = [*measured, *(whole if causal else [])]
    rows = [_figures(part, causal, metrics) for part in every]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    publish_text(directory / CSV, text.getvalue())
    runs = [
        {
            "fold": run.fold,
            "seed": run.seed,
            "causal": causal.get(run.fold, True) if run.fold is not None else True,
            "directory": str(state.directory.relative_to(directory)) if state.directory else None,
            "status": state.receipt.status if state.receipt else None,
            "metrics": state.receipt.metrics if state.receipt else {},
        }
        for run, state in states.items()
    ]
    means = [_means(measured, horizon, lag, metrics) for horizon, lag in _horizons(measured)]
    publish_json(directory / JSON, {"runs": runs, "figures": rows, "means": means})


def _key(part: RunDays) -> tuple[int | str, int, int]:
    return part.seed, part.horizon, part.lag


def _horizons(measured: Sequence[RunDays]) -> list[tuple[int, int]]:
    return sorted({(part.horizon, part.lag) for part in measured})


def _figures(part: RunDays, causal: Mapping[int, bool], metrics: Metrics) -> dict[str, Any]:
    """One row of the CSV; ``fold`` is empty over all folds."""
    row = part.row("", metrics)
    facts = {
        "fold": part.fold,
        "seed": part.seed,
        "causal": all(causal.values()) if part.fold is None else causal[part.fold],
        "first": str(part.dates[0]),
        "last": str(part.dates[-1]),
        **{key: value for key, value in asdict(row).items() if key not in ("scorer", "figures")},
    }
    for name, (value, error) in row.figures.items():
        facts |= {name: value, f"{name}_error": error}
    return facts


def _means(measured: Sequence[RunDays], horizon: int, lag: int, metrics: Metrics) -> dict[str, Any]:
    """The mean over folds and seeds, its standard error over folds and of the seeds within, their deviation."""
    parts = [p for p in measured if (p.horizon, p.lag) == (horizon, lag) and p.seed != MEAN_RANK]
    folds = list(dict.fromkeys(part.fold for part in parts))
    by_fold = [[part.row("", metrics) for part in parts if part.fold == fold] for fold in folds]
    shared = folds_a_day([part for part in parts if part.seed == parts[0].seed])
    over = row_over_folds("", [mean_row("", rows) for rows in by_fold], shared)
    # Seeds are drawn independently in each fold: the variances of the folds' means over seeds add up.
    within = [row_between_seeds("", rows) for rows in by_fold]
    seeds = list(dict.fromkeys(part.seed for part in parts))
    of_seeds = [over_folds([p for p in parts if p.seed == seed]).row("", metrics) for seed in seeds]
    between = row_between_seeds("", of_seeds)
    entry: dict[str, Any] = {"horizon": horizon, "lag": lag, "folds": len(folds), "seeds": len(seeds)}
    for name, (value, error) in over.figures.items():
        variance = sum(row.figures[name].value ** 2 for row in within) / len(seeds)
        entry |= {
            name: value,
            f"{name}_error_over_folds": error,
            f"{name}_error_of_seeds": sqrt(variance) / len(folds),
            f"{name}_std_between_seeds": between.figures[name].value,
        }
    return entry
