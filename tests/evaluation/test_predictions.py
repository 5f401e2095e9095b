"""The predictions file: what is written is read back, what cannot be used raises in one line."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from atft.errors import InputError
from atft.evaluation.predictions import check_predictions, prediction_horizons, prediction_rows, read_horizon


def test_what_was_written_is_read_back(predictions: Path) -> None:
    frame = pl.read_parquet(predictions)
    table = read_horizon(predictions, 5)
    assert table.columns["score"].shape == (len(table.dates), len(table.codes)) == (40, 30)
    rows = frame.filter(pl.col("horizon") == 5)
    assert table.present.sum() == len(rows)
    for row in rows.sample(50, seed=0).iter_rows(named=True):
        i = np.searchsorted(table.dates, np.datetime64(row["date"]))
        j = np.searchsorted(table.codes, row["code"])
        for name in ("score", "target", "target_lag1", "oracle", "return_1d"):
            got = table.columns[name][i, j]
            assert np.isnan(got) if row[name] is None else got == np.float32(row[name]), name


def test_rows_are_sorted_and_typed(predictions: Path) -> None:
    frame = pl.read_parquet(predictions)
    assert frame.equals(frame.sort("date", "horizon", "code"))
    types = check_predictions(predictions)
    assert types["date"] == "date32[day]" and types["horizon"] == "int32" and types["score"] == "float"
    assert types["q05"] == types["regime_volatility"] == "float" and types["sector"] == "string"
    assert frame["sector"].null_count() > 0 and set(frame["split"]) == {"val", "test"}


def test_days_of_unknown_targets_are_rows_with_null_and_not_valid(predictions: Path) -> None:
    frame, table = pl.read_parquet(predictions), read_horizon(predictions, 5)
    assert frame["target"].null_count() > 0 and frame["score"].null_count() == 0
    assert table.present[-5:].any() and not table.valid()[-5:].any() and table.valid()[:-5].any()
    assert table.valid("target_lag1").sum() < table.valid().sum()


def test_one_split_is_read_alone(predictions: Path) -> None:
    table = read_horizon(predictions, 1, split="test")
    assert len(table.dates) == 30 and table.dates[0] == np.datetime64("2020-01-11")
    assert prediction_horizons(predictions) == (1, 5)
    with pytest.raises(InputError, match=r"no rows of horizon 1 of split 'train'"):
        read_horizon(predictions, 1, split="train")


def test_wider_numbers_of_other_tools_are_read_too(predictions: Path) -> None:
    wide = predictions.with_name("wide.parquet")
    frame = pl.read_parquet(predictions)
    frame.with_columns(pl.col("score").cast(pl.Float64), pl.col("horizon").cast(pl.Int64)).write_parquet(wide)
    np.testing.assert_array_equal(
        read_horizon(wide, 5).columns["score"], read_horizon(predictions, 5).columns["score"]
    )


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: f.drop("score"), r"no column 'score'"),
        (lambda f: f.rename({"target": "targt"}), r"no column 'target' .*did you mean 'targt'|target_lag1"),
        (lambda f: f.with_columns(pl.col("score").cast(pl.String)), r"'score' must be float, it is"),
        (lambda f: pl.concat([f, f.head(1)]), r"S\d+ has 2 rows of horizon 1 on 2020-01-01; name one split"),
        (lambda f: f.with_columns(score=pl.lit(None, pl.Float32)), r"scores of horizon 1 are missing or NaN"),
        (lambda f: f.filter(pl.col("horizon") != 1), r"no rows of horizon 1; it has \(5,\)"),
    ],
)
def test_a_file_that_cannot_be_used_raises_in_one_line(
    damage: Callable[[pl.DataFrame], pl.DataFrame], message: str, predictions: Path
) -> None:
    damage(pl.read_parquet(predictions)).write_parquet(predictions)
    with pytest.raises(InputError, match=message) as error:
        read_horizon(predictions, 1)
    assert "\n" not in str(error.value) and "predictions" in str(error.value)


def test_a_missing_or_broken_file_raises_in_one_line(tmp_path: Path, predictions: Path) -> None:
    with pytest.raises(InputError, match=r"no such predictions file; `python -m atft predict`"):
        check_predictions(tmp_path / "nothing.parquet")
    predictions.write_bytes(predictions.read_bytes()[:-10])
    with pytest.raises(InputError, match=r"not a readable Parquet file"):
        check_predictions(predictions)


def test_one_value_for_all_rows_is_the_same_as_one_for_each_stock() -> None:
    scores = {"score": np.ones((3, 2)), "target": np.full((3, 2), np.nan)}
    codes = ["A", "B", "C"]
    each = {"split": ["test"] * 3, "fold": [2] * 3, "causal": [True] * 3, "regime": np.full(3, 0.5)}
    each |= {"unknown": np.full(3, np.nan), "sector": [None, "x", None]}
    once = {"split": "test", "fold": 2, "causal": True, "regime": 0.5, "unknown": float("nan")}
    rows = prediction_rows(date(2020, 1, 1), codes, [1, 5], scores, **each)
    assert prediction_rows(date(2020, 1, 1), codes, [1, 5], scores, **(each | once)).equals(rows)
    assert rows["target"].null_count == rows["unknown"].null_count == 6  # NaN is unknown
    assert rows["sector"].to_pylist() == [None, "x", None] * 2
