"""The joined file has exactly the rows that a frame of all files, filtered and sorted in memory, has."""

from datetime import date
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest
from polars.testing import assert_frame_equal

from atft.crossval.join import days_of, join_folds, join_seeds
from atft.crossval.plan import FoldRun, planned_runs
from atft.errors import InputError
from atft.evaluation.predictions import check_predictions
from crossval_files import DAYS, write_predictions

ORDER = ["date", "horizon", "code", "fold", "seed"]


def fold_files(folder: Path, tests: list[list[range]], seeds: list[int]) -> dict[FoldRun, Path]:
    """A file a run; the scores of a fold and seed are its own."""
    return {
        run: write_predictions(
            folder / f"{run.name}.parquet", 10 * (run.fold or 0) + run.seed, tests=tests[run.fold or 0]
        )
        for run in planned_runs(len(tests), seeds)
    }


def expected(files: dict[FoldRun, Path], causal: dict[int, bool]) -> pl.DataFrame:
    frames = []
    for run, path in files.items():
        assert run.fold is not None
        frame = pl.read_parquet(path).filter(pl.col("split") == "test")
        frames.append(
            frame.with_columns(
                fold=pl.lit(run.fold, pl.Int32),
                seed=pl.lit(run.seed, pl.Int64),
                causal=pl.lit(causal[run.fold]),
            )
        )
    return pl.concat(frames).sort(ORDER)


@pytest.mark.parametrize(
    "tests",
    [
        [[range(10, 15)], [range(15, 20)], [range(20, 24)]],  # walk forward
        [[range(5), range(10, 15)], [range(5), range(5, 10)]],  # combinatorial: days of several folds
    ],
)
def test_folds_are_joined_to_their_test_rows_in_order(tests: list[list[range]], tmp_path: Path) -> None:
    files, causal = fold_files(tmp_path, tests, [3, 4]), {fold: fold != 1 for fold in range(len(tests))}
    out = tmp_path / "out.parquet"
    join_folds(files, causal, out, {"atft.run": "tiny"})
    joined = pl.read_parquet(out)
    assert_frame_equal(joined, expected(files, causal), check_column_order=False)
    assert joined["causal"].to_list() == [causal[fold] for fold in joined["fold"]]
    check_predictions(out)
    with pq.ParquetFile(out) as file:
        assert file.schema_arrow.metadata == {b"atft.run": b"tiny"}
        # One row group a day: what is in memory at a time.
        assert file.num_row_groups == joined["date"].n_unique()


def test_a_fold_without_test_rows_is_an_error_that_leaves_no_file(tmp_path: Path) -> None:
    files = fold_files(tmp_path, [[range(5)], []], [1])
    with pytest.raises(InputError, match=r"fold_1_seed_1.parquet: no rows of split 'test'"):
        join_folds(files, {0: True, 1: True}, tmp_path / "out.parquet", {})
    assert not (tmp_path / "out.parquet").exists()


def test_seeds_are_joined_to_the_mean_of_their_ranks(tmp_path: Path) -> None:
    files = {FoldRun(None, seed): write_predictions(tmp_path / f"{seed}.parquet", seed) for seed in (1, 2, 3)}
    for run, path in files.items():
        pl.read_parquet(path).with_columns(seed=pl.lit(run.seed)).write_parquet(path)
    out = tmp_path / "out.parquet"
    join_seeds(files, out, {})
    joined, first = pl.read_parquet(out), pl.read_parquet(files[FoldRun(None, 1)])
    assert_frame_equal(joined.drop("score"), first.drop("score", "q50", "seed"))
    share = (pl.col("score").rank() - 0.5) / pl.len()
    ranks = [
        pl.read_parquet(path).select(share.over("date", "horizon"))["score"].to_numpy()
        for path in files.values()
    ]
    assert joined["score"].to_numpy() == pytest.approx(sum(ranks) / 3, rel=1e-6)
    check_predictions(out)


def test_one_seed_keeps_its_order(tmp_path: Path) -> None:
    files = {FoldRun(None, 1): write_predictions(tmp_path / "1.parquet", 1)}
    join_seeds(files, tmp_path / "out.parquet", {})
    frame = pl.read_parquet(tmp_path / "out.parquet").with_columns(
        before=pl.read_parquet(tmp_path / "1.parquet")["score"]
    )
    same = frame.with_columns(pl.col("score", "before").rank().over("date", "horizon"))
    assert (same["score"] == same["before"]).all()


@pytest.mark.parametrize("other", [{"days": DAYS - 1}, {"first": date(2020, 1, 2)}])
def test_seeds_of_other_rows_are_an_error(other: dict[str, object], tmp_path: Path) -> None:
    files = {
        FoldRun(None, 1): write_predictions(tmp_path / "1.parquet", 1),
        FoldRun(None, 2): write_predictions(tmp_path / "2.parquet", 2, **other),  # type: ignore[arg-type]
    }
    for order in (files, dict(reversed(files.items()))):
        with pytest.raises(InputError, match=r"other rows than .*; the panel has changed"):
            join_seeds(order, tmp_path / "out.parquet", {})


def test_days_are_whole_wherever_a_batch_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_predictions(tmp_path / "a.parquet", 1)
    frame = pl.read_parquet(path)
    for rows in (1, 7, 1000):
        monkeypatch.setattr("atft.crossval.join.ROWS_AT_ONCE", rows)
        days = list(days_of(path))
        assert [day for day, _ in days] == frame["date"].unique().sort().to_list()
        assert_frame_equal(pl.concat([pl.DataFrame(pl.from_arrow(table)) for _, table in days]), frame)


def test_a_file_that_is_not_sorted_by_date_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pl.read_parquet(write_predictions(path, 1)).reverse().write_parquet(path)
    with pytest.raises(InputError, match=r"a.parquet: not sorted by date \(2020-01-23 after 2020-01-24\)"):
        list(days_of(path))
