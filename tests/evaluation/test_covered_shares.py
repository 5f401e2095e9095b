"""What intervals covered: a share a day, by period, of what they are made for."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from atft.evaluation.covered_shares import covered_shares, interval_columns, periods_of
from atft.evaluation.evaluate import evaluate_files
from atft.evaluation.evaluation_tables import evaluation_text
from atft.evaluation.newey_west import mean_error
from atft.evaluation.options import EvaluateOptions
from atft.evaluation.predictions import HorizonScores
from foreign_file import foreign_frame, write_foreign


def test_intervals_are_found_by_their_columns_the_widest_first() -> None:
    names = [
        "interval_low50",
        "interval_high50",
        "interval_high90",
        "interval_low90",
        "interval_low80",
        "q05",
    ]
    assert [c.name for c in interval_columns(names)] == ["90 %", "50 %"]
    names += ["interval_target", "q25", "q50", "q75", "q95"]
    found = interval_columns(names)
    assert [(c.name, c.calibrated) for c in found] == [
        ("90 %", True),
        ("q05 to q95", False),
        ("50 %", True),
        ("q25 to q75", False),
    ]
    assert interval_columns(["q10", "q90"]) == []  # of what, nothing says


def table_of_days(days: int, **columns: np.ndarray) -> HorizonScores:
    first = next(iter(columns.values()))
    dates = np.datetime64("2015-02-25") + np.arange(days)
    present = np.ones(first.shape, dtype=bool)
    arrays = {name: values.astype(np.float32) for name, values in columns.items()}
    return HorizonScores(1, dates, [str(i) for i in range(first.shape[1])], present, arrays)


def test_a_day_counts_by_its_share_and_unknown_rows_do_not_count() -> None:
    # A target at an end is inside.
    inside = np.array([[2.0, -1.0, 1.0, 5.0], [1.0, np.nan, np.nan, np.nan]])
    ends = {"interval_low80": np.full((2, 4), -1.0), "interval_high80": np.full((2, 4), 2.0)}
    (share,) = covered_shares(table_of_days(2, target=inside, **ends), draws=10, seed=0)
    assert share.share.value == pytest.approx((0.75 + 1) / 2) and share.days == 2 and share.width == 3
    assert share.level == 0.8 and share.calibrated
    # Where the file says what intervals are made for, that counts, and not the return.
    other = {**ends, "interval_target": np.array([[1.0, 3.0, np.nan, np.nan], [3.0, 3.0, 3.0, 3.0]])}
    (share,) = covered_shares(table_of_days(2, target=inside, **other), draws=10, seed=0)
    assert share.share.value == 0.25
    ends["interval_high80"][:] = np.nan
    assert covered_shares(table_of_days(2, target=inside, **ends), draws=10, seed=0) == []


@pytest.mark.parametrize("horizon", [1, 5])
def test_each_period_has_its_own_share_and_overlapping_days_their_error(horizon: int) -> None:
    rng = np.random.default_rng(0)
    target = rng.standard_normal((80, 20))
    target[35:] *= 3  # from 2015-04-01 on
    ends = {"interval_low80": np.full(target.shape, -1.0), "interval_high80": np.full(target.shape, 1.0)}
    (found,) = covered_shares(replace(table_of_days(80, target=target, **ends), horizon=horizon), 10, 0)
    by_day = (np.abs(target) <= 1).mean(axis=1)
    assert found.share.error == pytest.approx(mean_error(by_day, horizon - 1))
    (first, second) = found.periods
    assert (first.period, first.days, second.period, second.days) == ("2015 Q1", 35, "2015 Q2", 45)
    assert first.share.value == pytest.approx(by_day[:35].mean())
    assert second.share.value == pytest.approx(by_day[35:].mean())
    assert second.share.error == pytest.approx(mean_error(by_day[35:], horizon - 1))


def test_periods_are_quarters_of_few_and_years_of_many() -> None:
    dates = np.datetime64("2015-01-15") + 90 * np.arange(4)
    assert periods_of(dates).tolist() == ["2015 Q1", "2015 Q2", "2015 Q3", "2015 Q4"]
    assert set(periods_of(np.datetime64("2013-01-15") + 30 * np.arange(40)).tolist()) == {
        "2013",
        "2014",
        "2015",
        "2016",
    }


def test_a_file_with_intervals_shows_what_they_covered_by_period(tmp_path: Path) -> None:
    frame = foreign_frame(days=50).with_columns(
        interval_low80=pl.lit(-0.03), interval_high80=pl.lit(0.03), interval_target=pl.col("target")
    )
    path = write_foreign(tmp_path / "with.parquet", frame.with_columns(q10=pl.lit(-0.01), q90=pl.lit(0.01)))
    evaluation = evaluate_files([path], EvaluateOptions(draws=20, min_stocks=10, split="test"))
    calibrated, before = evaluation.files[0].horizons[1].covered
    known = frame.filter(
        (pl.col("split") == "test") & (pl.col("horizon") == 1) & pl.col("target").is_not_null()
    )
    by_day = known.group_by("date").agg((pl.col("target").abs() <= 0.03).mean().alias("share"))["share"]
    assert calibrated.share.value == pytest.approx(by_day.mean())
    assert before.share.value < calibrated.share.value and before.name == "q10 to q90"
    periods = {row.period: row.days for row in calibrated.periods}
    assert sum(periods.values()) == calibrated.days == len(by_day) and list(periods) == ["2020 Q4", "2021 Q1"]
    text = evaluation_text(evaluation)
    assert "share inside the prediction intervals" in text and "80 % in 2020 Q4" in text
    assert evaluate_files([write_foreign(tmp_path / "without.parquet")]).files[0].horizons[1].covered == []
