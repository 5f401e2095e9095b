"""Figures of runs are those that evaluation gives the same days; a day of several folds counts once."""

from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from atft.crossval.figures import (
    MEAN_RANK,
    RunDays,
    folds_a_day,
    mean_row,
    measure_runs,
    over_folds,
    row_between_seeds,
    row_over_folds,
    standard_error,
)
from atft.crossval.join import join_seeds
from atft.crossval.plan import FoldRun
from atft.day_statistics import RANKING_METRICS
from atft.errors import InputError
from atft.evaluation.predictions import HorizonScores
from atft.evaluation.summary import Estimate, SummaryRow, summarise_predictions
from crossval_files import write_predictions


def files_of(folder: Path, seeds: tuple[int, ...] = (1, 2, 3)) -> dict[FoldRun, Path]:
    return {FoldRun(None, seed): write_predictions(folder / f"{seed}.parquet", seed) for seed in seeds}


def days(fold: int, dates: list[str], values: list[float]) -> RunDays:
    series = {"spearman": np.array(values)}
    return RunDays(fold, 1, 5, 0, np.array(dates, "datetime64[D]"), series, thin_days=fold)


def row(value: float, error: float = 0.1, scorer: str = "a") -> SummaryRow:
    return SummaryRow(scorer, 5, 0, 10, 1, {"rank_ic": Estimate(value, error)})


def test_a_seed_has_the_figures_that_its_file_has_by_itself(tmp_path: Path) -> None:
    files = files_of(tmp_path)
    measured = measure_runs(files, "test", {None: 3}, RANKING_METRICS)
    for run, path in files.items():
        own = [row for row in summarise_predictions(path, "test", 3) if row.scorer == "network"]
        found = [part.row("network") for part in measured if part.seed == run.seed]
        keys = [[(r.horizon, r.lag, r.days, repr(r.figures)) for r in rows] for rows in (found, own)]
        assert keys[0] == keys[1], "as text: an error that is not known is NaN"


def test_returns_that_must_not_count_are_left_out_of_every_seed_and_of_the_mean_rank(tmp_path: Path) -> None:
    def without_last_day(table: HorizonScores) -> HorizonScores:
        target = table.columns["target"].copy()
        target[-1] = np.nan
        return replace(table, columns={**table.columns, "target": target})

    files = files_of(tmp_path, (1, 2))
    whole, cut = (
        measure_runs(files, "test", {None: 3}, RANKING_METRICS, *given) for given in ([], [without_last_day])
    )
    for before, after in zip(whole, cut, strict=True):
        last = np.isnan(after.days["spearman"][-1])
        assert last == (before.lag == 0 or np.isnan(before.days["spearman"][-1]))
        np.testing.assert_array_equal(before.days["spearman"][:-1], after.days["spearman"][:-1])


def test_the_mean_rank_has_the_figures_of_the_joined_file(tmp_path: Path) -> None:
    files = files_of(tmp_path)
    measured = measure_runs(files, "test", {None: 3}, RANKING_METRICS)
    join_seeds(files, tmp_path / "out.parquet", {})
    own = [
        row for row in summarise_predictions(tmp_path / "out.parquet", "test", 3) if row.scorer == "network"
    ]
    found = [part.row("network") for part in measured if part.seed == MEAN_RANK]
    for ours, theirs in zip(found, own, strict=True):
        assert (ours.horizon, ours.lag, ours.days) == (theirs.horizon, theirs.lag, theirs.days)
        assert ours.figures["rank_ic"].value == pytest.approx(theirs.figures["rank_ic"].value, abs=1e-6)
    single = measure_runs(dict([next(iter(files.items()))]), "test", {None: 3}, RANKING_METRICS)
    assert {part.seed for part in single} == {1}


def test_two_seeds_have_a_mean_rank(tmp_path: Path) -> None:
    measured = measure_runs(files_of(tmp_path, (1, 2)), "test", {None: 3}, RANKING_METRICS)
    assert {part.seed for part in measured} == {1, 2, MEAN_RANK}


STOCK, DAY = pl.col("code") == "s03", pl.col("date") == pl.col("date").max()


@pytest.mark.parametrize("missing", [STOCK, DAY, STOCK & DAY], ids=["a stock", "a day", "a stock on one day"])
def test_seeds_of_other_stocks_or_days_are_an_error(missing: pl.Expr, tmp_path: Path) -> None:
    files = files_of(tmp_path, (1, 2))
    frame = pl.read_parquet(files[FoldRun(None, 2)])
    frame.filter(~missing).write_parquet(files[FoldRun(None, 2)])
    with pytest.raises(InputError, match=r"2.parquet: other rows than the fold's first seed"):
        measure_runs(files, "test", {None: 3}, RANKING_METRICS)


@pytest.mark.parametrize(
    "other",
    [
        pl.col("code").replace("s03", "s03b"),
        pl.col("date").replace(pl.col("date").max(), pl.col("date").max().dt.offset_by("9d")),
    ],
    ids=["a stock of another code", "a day of another date"],
)
def test_seeds_of_as_many_other_rows_are_an_error(other: pl.Expr, tmp_path: Path) -> None:
    files = files_of(tmp_path, (1, 2))
    frame = pl.read_parquet(files[FoldRun(None, 2)])
    frame.with_columns(other).write_parquet(files[FoldRun(None, 2)])
    with pytest.raises(InputError, match=r"2.parquet: other rows than the fold's first seed"):
        measure_runs(files, "test", {None: 3}, RANKING_METRICS)


def test_a_day_that_several_folds_test_counts_once_as_their_mean() -> None:
    nan = float("nan")
    first = days(2, ["2020-01-01", "2020-01-02", "2020-01-06"], [0.1, 0.3, nan])
    second = days(1, ["2020-01-02", "2020-01-03", "2020-01-06", "2020-01-07"], [0.5, nan, 0.2, nan])
    whole = over_folds([second, first])
    expected = ["2020-01-01", "2020-01-02", "2020-01-03", "2020-01-06", "2020-01-07"]
    assert whole.dates.astype(str).tolist() == expected
    assert whole.days["spearman"] == pytest.approx([0.1, 0.4, nan, 0.2, nan], nan_ok=True)
    assert whole.fold is None and whole.thin_days == 3
    assert (whole.seed, whole.horizon, whole.lag) == (1, 5, 0)


def test_the_mean_over_folds_has_the_standard_error_of_a_mean() -> None:
    values = np.array([0.01, 0.03, 0.05, 0.02])
    found = row_over_folds("mean", [row(value) for value in values])
    assert found.figures["rank_ic"].value == pytest.approx(values.mean())
    assert found.figures["rank_ic"].error == pytest.approx(np.std(values, ddof=1) / 2)
    assert found.days == 40
    assert np.isnan(row_over_folds("mean", [row(0.1)]).figures["rank_ic"].error)
    assert np.isnan(standard_error(np.array([0.1])))
    # Of two the standard error is half of their distance.
    assert row_over_folds("mean", [row(0.1), row(0.3)]).figures["rank_ic"].error == pytest.approx(0.1)
    assert standard_error(np.array([0.1, 0.3])) == pytest.approx(0.1)


@pytest.mark.parametrize(("parts", "tested"), [(5, 2), (6, 3), (4, 1)])
def test_folds_that_share_test_days_have_the_error_of_the_mean_over_their_parts(
    parts: int, tested: int
) -> None:
    rng, chosen = np.random.default_rng(0), list(combinations(range(parts), tested))
    calendar = np.arange("2020-01-01", "2020-03-01", dtype="datetime64[D]")[: 10 * parts].reshape(parts, 10)
    folds = [days(i, calendar[list(c)].ravel().tolist(), [0.0] * 10 * tested) for i, c in enumerate(chosen)]
    shared = folds_a_day(folds)
    assert shared == pytest.approx(len(chosen) * tested / parts)
    rows = [replace(row(0), days=len(fold.dates)) for fold in folds]
    assert row_over_folds("mean", rows, shared).days == 10 * parts  # each day once
    found = []
    for _ in range(2000):
        part = rng.standard_normal(parts)
        found.append(row_over_folds("mean", [row(part[list(c)].mean()) for c in chosen], shared))
    values, errors = (np.array([row.figures["rank_ic"][i] for row in found]) for i in (0, 1))
    assert np.sqrt(np.mean(errors**2)) == pytest.approx(1 / np.sqrt(parts), rel=0.05)
    assert values.std() == pytest.approx(1 / np.sqrt(parts), rel=0.05)


def test_the_line_between_seeds_is_their_standard_deviation_with_its_own_error() -> None:
    values = np.array([0.01, 0.03, 0.05])
    value, error = row_between_seeds("between", [row(value) for value in values]).figures["rank_ic"]
    assert value == pytest.approx(np.std(values, ddof=1)) and error == pytest.approx(value / 2)
    pair = row_between_seeds("between", [row(0.1), row(0.3)]).figures["rank_ic"]
    assert pair == pytest.approx((0.2 / np.sqrt(2), 0.1))
    # The error is that of a standard deviation of normal draws.
    draws = np.random.default_rng(0).standard_normal((20_000, 10)).std(axis=1, ddof=1)
    assert draws.std() == pytest.approx(1 / np.sqrt(2 * 9), rel=0.05)


def test_a_fold_has_what_one_of_its_seeds_has() -> None:
    found = mean_row("fold 0", [row(0.01, 0.1), row(0.03, 0.3)])
    assert found.figures["rank_ic"] == pytest.approx((0.02, 0.2)) and found.days == 10
    assert (found.scorer, found.horizon, found.lag, found.thin_days) == ("fold 0", 5, 0, 1)
