"""The table has a line a fold and a seed; the files have every figure."""

import csv
import json
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from atft.callbacks.record.receipt import Receipt
from atft.crossval.figures import RunDays, measure_runs, over_folds
from atft.crossval.plan import planned_runs
from atft.crossval.results import table_rows, write_results
from atft.crossval.run_state import RunState
from atft.day_statistics import RANKING_METRICS
from crossval_files import write_predictions

CAUSAL = {0: True, 1: False}


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> list[RunDays]:
    """Two folds and three seeds."""
    folder, tests = tmp_path_factory.mktemp("folds"), {0: [range(8, 16)], 1: [range(16, 24)]}
    files = {
        run: write_predictions(folder / run.name, 10 * (run.fold or 0) + run.seed, tests=tests[run.fold or 0])
        for run in planned_runs(2, [1, 2, 3])
    }
    return measure_runs(files, "test", {0: 3, 1: 3}, RANKING_METRICS)


def test_lines_are_folds_their_mean_seeds_between_them_and_the_mean_rank(measured: list[RunDays]) -> None:
    rows = [row for row in table_rows(measured, CAUSAL, RANKING_METRICS) if (row.horizon, row.lag) == (5, 0)]
    assert [row.scorer for row in rows] == [
        "fold 0 from 2020-01-09",
        "fold 1 from 2020-01-17, not causal",
        "mean of 2 folds",
        "seed 1",
        "seed 2",
        "seed 3",
        "between seeds, std",
        "mean rank of 3 seeds",
    ]
    figure = {row.scorer: row.figures["rank_ic"].value for row in rows}
    seeds = [figure[f"seed {seed}"] for seed in (1, 2, 3)]
    assert figure["between seeds, std"] == pytest.approx(np.std(seeds, ddof=1))
    # Folds of equally many days: the mean over folds is the mean over seeds.
    assert figure["mean of 2 folds"] == pytest.approx(np.mean(seeds))
    assert [row.days for row in rows] == [8, 8, 16, 16, 16, 16, 16, 16]


def test_the_plain_split_has_lines_of_seeds_only_and_one_seed_is_one_line(measured: list[RunDays]) -> None:
    first = [part for part in measured if part.fold == 0]
    names = [row.scorer for row in table_rows(first, {}, RANKING_METRICS) if (row.horizon, row.lag) == (1, 0)]
    assert names == ["seed 1", "seed 2", "seed 3", "between seeds, std", "mean rank of 3 seeds"]
    single = [part for part in first if part.seed == 2]
    assert [row.scorer for row in table_rows(single, {0: True}, RANKING_METRICS) if row.lag == 0] == [
        "fold 0 from 2020-01-09",
        "seed 2",
    ] * 2


def test_the_files_have_every_figure_and_the_means(measured: list[RunDays], tmp_path: Path) -> None:
    states = {
        run: RunState(
            tmp_path / run.name / "version_0", None, Receipt("completed", metrics={"val/rank_ic": 0.1})
        )
        for run in planned_runs(2, [1, 2, 3])
    }
    write_results(tmp_path, measured, states, CAUSAL, RANKING_METRICS)
    with (tmp_path / "folds.csv").open() as file:
        rows = list(csv.DictReader(file))
    # Two folds and all of them; three seeds and their mean rank; two horizons and lags.
    assert len(rows) == 3 * 4 * 2 * 2
    one = next(r for r in rows if (r["fold"], r["seed"], r["horizon"], r["lag"]) == ("1", "2", "1", "0"))
    part = next(p for p in measured if (p.fold, p.seed, p.horizon, p.lag) == (1, 2, 1, 0))
    figure = part.row("").figures["rank_ic"]
    assert (float(one["rank_ic"]), float(one["rank_ic_error"])) == figure
    assert (one["causal"], one["days"], one["first"], one["last"]) == (
        "False",
        "8",
        "2020-01-17",
        "2020-01-24",
    )
    # Over all folds the figures could not have been traded, since one fold is not causal.
    assert {r["causal"] for r in rows if r["fold"] == ""} == {"False"}
    content = json.loads((tmp_path / "folds.json").read_text())
    assert len(content["figures"]) == len(rows) and len(content["runs"]) == 6
    run = content["runs"][1]
    assert (run["directory"], run["causal"]) == ("fold_1_seed_1/version_0", False)
    assert (run["fold"], run["seed"], run["status"]) == (1, 1, "completed")
    assert run["metrics"] == {"val/rank_ic": 0.1}
    mean = next(m for m in content["means"] if (m["horizon"], m["lag"]) == (5, 0))
    by_fold = np.array(
        [
            [
                p.row("").figures["rank_ic"].value
                for p in measured
                if (p.fold, p.seed, p.horizon, p.lag) == (f, s, 5, 0)
            ]
            for f in (0, 1)
            for s in (1, 2, 3)
        ]
    ).reshape(2, 3)
    assert mean["rank_ic"] == pytest.approx(by_fold.mean())
    assert mean["rank_ic_error_over_folds"] == pytest.approx(by_fold.mean(axis=1).std(ddof=1) / np.sqrt(2))
    within = (by_fold.var(axis=1, ddof=1) / 3).sum()
    assert mean["rank_ic_error_of_seeds"] == pytest.approx(np.sqrt(within) / 2)
    assert (mean["folds"], mean["seeds"]) == (2, 3)
    # A seed's figure over all folds, of equally many days, is the mean of its folds'.
    assert mean["rank_ic_std_between_seeds"] == pytest.approx(by_fold.mean(axis=0).std(ddof=1))


def test_the_files_of_the_plain_split_have_each_seed_once(measured: list[RunDays], tmp_path: Path) -> None:
    plain = [replace(part, fold=None) for part in measured if part.fold == 0]
    states = {run: RunState(None, None, None) for run in planned_runs(None, [1, 2, 3])}
    write_results(tmp_path, plain, states, {}, RANKING_METRICS)
    content = json.loads((tmp_path / "folds.json").read_text())
    assert len(content["figures"]) == 4 * 2 * 2 and all(row["causal"] for row in content["figures"])
    assert [(r["fold"], r["seed"], r["causal"], r["status"]) for r in content["runs"]] == [
        (None, seed, True, None) for seed in (1, 2, 3)
    ]


def test_figures_that_are_no_numbers_are_null_in_json(measured: list[RunDays], tmp_path: Path) -> None:
    single = [part for part in measured if (part.fold, part.seed) == (0, 1)]
    write_results(tmp_path, single, {}, {0: True}, RANKING_METRICS)
    mean = json.loads((tmp_path / "folds.json").read_text())["means"][0]
    assert mean["rank_ic_std_between_seeds"] is None and mean["rank_ic_error_over_folds"] is None
    assert mean["rank_ic"] is not None


def test_the_mean_of_folds_that_share_test_days_counts_the_days_that_they_share(
    measured: list[RunDays], tmp_path: Path
) -> None:
    # Three parts of 8 days, each pair a fold: every day is in two of three folds.
    parts = [p for p in measured if (p.seed, p.horizon, p.lag) == (1, 5, 0)]
    third = replace(parts[0], dates=parts[1].dates + np.timedelta64(100, "D"))
    folds = [replace(over_folds([a, b]), fold=i) for i, (a, b) in enumerate(combinations([*parts, third], 2))]
    rows = table_rows(folds, dict.fromkeys(range(3), False), RANKING_METRICS)
    values = np.array([row.figures["rank_ic"].value for row in rows[:3]])
    error = next(row for row in rows if row.scorer == "mean of 3 folds").figures["rank_ic"].error
    assert error == pytest.approx(values.std(ddof=1) / np.sqrt(3) * np.sqrt(2 * 2 / 1))
    write_results(tmp_path, folds, {}, dict.fromkeys(range(3), False), RANKING_METRICS)
    mean = json.loads((tmp_path / "folds.json").read_text())["means"][0]
    assert mean["rank_ic_error_over_folds"] == pytest.approx(error)
