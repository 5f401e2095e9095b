"""Files to an evaluation: coverage, notes, names, differences."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from atft.errors import InputError
from atft.evaluation.evaluate import evaluate_files, file_names
from atft.evaluation.options import EvaluateOptions
from foreign_file import foreign_frame, write_foreign

OPTIONS = EvaluateOptions(min_stocks=10, draws=50)


def test_a_file_has_its_coverage_and_says_what_was_decided(tmp_path: Path) -> None:
    frame = foreign_frame().rename({"score": "pred"})
    path = write_foreign(tmp_path / "mine.parquet", frame)
    (tmp_path / "receipt.json").write_text(json.dumps({"name": "mine"}))
    evaluation = evaluate_files([path], OPTIONS)
    (file,) = evaluation.files
    coverage = file.coverage
    unknown = frame.filter(pl.col("target").is_null(), split="test")
    assert coverage.rows == len(frame) and coverage.split == "test"
    assert coverage.dropped == {"other split": len(frame.filter(split="val")), "no target": len(unknown)}
    assert coverage.measured_rows == coverage.rows - sum(coverage.dropped.values())
    assert (coverage.days, coverage.codes) == (50, 40)
    assert list(file.horizons) == [1, 5] and file.name == "mine" and file.receipt == {"name": "mine"}
    text = "\n".join(file.notes)
    assert "score is column 'pred'" in text and "split 'test'" in text
    assert "the book is 5 staggered books, 1/5 of it renewed each day" in text and "target of 1 day" in text
    assert file.horizons[5].books.returns_from == "target of 1 day"
    assert evaluation.differences == []


def test_rows_of_several_seeds_are_each_counted_by_their_reason(tmp_path: Path) -> None:
    frame = foreign_frame().filter(horizon=1)
    dates = frame.filter(split="test")["date"].unique().sort()
    frame = frame.filter((pl.col("date") != dates[3]) | (pl.col("code") < "S005")).with_columns(
        target=pl.when(pl.col("date") == dates[5]).then(0.01).otherwise("target"),
        score=pl.when(pl.col("date") == dates[7]).then(1.0).otherwise("score"),
    )
    # The second seed scores half of the stocks.
    seeds = [frame.with_columns(seed=1), frame.filter(pl.col("code") < "S020").with_columns(seed=2)]
    both = pl.concat(seeds)
    coverage = evaluate_files([write_foreign(tmp_path / "a.parquet", both)], OPTIONS).files[0].coverage
    days = {"thin": 3, "constant target": 5, "constant score": 7, "no target": -1}
    expected = {reason: len(both.filter(date=dates[day])) for reason, day in days.items()}
    assert coverage.dropped == {"other split": len(both.filter(split="val"))} | expected
    assert coverage.rows == len(both)
    ranked = pl.col("date").is_in([dates[day] for day in days.values()]).not_()
    assert coverage.measured_rows == len(both.filter(ranked, split="test"))


def test_files_differ_day_by_day_from_the_first(tmp_path: Path) -> None:
    frame = foreign_frame()
    noisy = frame.with_columns(
        score=pl.col("score") + pl.Series(np.random.default_rng(1).normal(size=len(frame)))
    )
    paths = [write_foreign(tmp_path / "a.parquet", frame), write_foreign(tmp_path / "b.parquet", noisy[500:])]
    evaluation = evaluate_files(paths, OPTIONS)
    assert [(d.name, d.against, d.horizon, d.figure) for d in evaluation.differences] == [
        ("b", "a", horizon, figure) for horizon in (1, 5) for figure in ("rank_ic", "spread")
    ]
    one, two = (file.horizons[1] for file in evaluation.files)
    _, mine, other = np.intersect1d(two.dates, one.dates, return_indices=True)
    paired = two.series["rank_ic"][mine] - one.series["rank_ic"][other]
    assert evaluation.differences[0].difference.value == pytest.approx(np.nanmean(paired))
    assert evaluation.differences[0].days == np.isfinite(paired).sum()


def test_returns_of_stocks_that_left_the_file_are_said_to_be_unknown_and_read_from_the_context(
    tmp_path: Path,
) -> None:
    rng = np.random.default_rng(0)
    fell = rng.random((60, 40)) < 0.1
    # A stock that loses half of its price is not in the file that day: the fall is in no row of it.
    panel = pl.DataFrame(
        {
            "date": np.repeat(np.busday_offset("2020-11-02", np.arange(60)), 40),
            "code": [f"S{i:02d}" for i in range(40)] * 60,
            "return_1d": np.where(fell, -0.5, 0.0).ravel(),
            "score": (np.roll(fell, -1, axis=0) + 0.01 * rng.random(fell.shape)).ravel(),
            "target": 0.01 * rng.standard_normal(fell.size),
        }
    )
    path = write_foreign(tmp_path / "a.parquet", panel.filter(pl.col("return_1d") == 0))
    context = write_foreign(tmp_path / "panel.parquet", panel.select("date", "code", "return_1d"))
    options = replace(OPTIONS, horizon=5)
    alone = evaluate_files([path], options).files[0]
    assert "of its value has left the file and earns 0, which biases it: --context" in "\n".join(alone.notes)
    assert np.nanmax(np.abs(alone.horizons[5].books.gross)) == 0
    whole = evaluate_files([path], replace(options, context=str(context))).files[0]
    assert "earns 0" not in "\n".join(whole.notes) and whole.horizons[5].books.unknown == 0
    assert np.nanmean(whole.horizons[5].books.gross) < -0.05


def test_a_file_measured_with_all_of_its_context_apart_has_the_figures_of_the_whole_file(
    tmp_path: Path,
) -> None:
    frame = foreign_frame()
    names = ["sector", "return_1d", "traded_value", "exposure_size", "regime_volatility"]
    panel = frame.filter(horizon=1).select("date", "code", *names)
    bare = write_foreign(tmp_path / "bare.parquet", frame.drop(names))
    context = replace(OPTIONS, context=str(write_foreign(tmp_path / "panel.parquet", panel)))
    (whole,) = evaluate_files([write_foreign(tmp_path / "whole.parquet", frame)], OPTIONS).files
    (joined,) = evaluate_files([bare], context).files
    for horizon, measured in whole.horizons.items():
        other = joined.horizons[horizon]
        assert other.figures == measured.figures and other.dropped_rows == measured.dropped_rows
        assert other.groups == measured.groups and "sector" in measured.groups


def test_a_horizon_alone_has_the_figures_that_it_has_beside_the_others(tmp_path: Path) -> None:
    frame = foreign_frame().drop("return_1d")
    both = pl.concat([frame.with_columns(seed=1), frame.with_columns(pl.col("score").round(), seed=2)])
    for name, rows in {"a": frame, "seeds": both}.items():
        path = write_foreign(tmp_path / f"{name}.parquet", rows)
        (whole,), (alone,) = (evaluate_files([path], replace(OPTIONS, horizon=h)).files for h in (None, 5))
        assert list(alone.horizons) == [5] and whole.horizons[5].figures == alone.horizons[5].figures
        assert alone.horizons[5].books.returns_from == "target of 1 day"
        assert alone.coverage.dropped["other horizon"] == len(rows.filter(split="test", horizon=1))


def test_a_file_of_weekly_scores_says_that_its_dates_count_as_trading_days(tmp_path: Path) -> None:
    frame = foreign_frame().filter(horizon=5)
    dates = frame["date"].unique().sort()
    later = {date: dates[0] + timedelta(days=7 * i) for i, date in enumerate(dates)}
    weekly = frame.with_columns(pl.col("date").replace_strict(later))
    (file,) = evaluate_files([write_foreign(tmp_path / "a.parquet", weekly)], OPTIONS).files
    assert "dates are 7 days apart: books, lags and turnover count them as trading days" in file.notes[-1]
    measured = file.horizons[5].figures
    assert measured["gross_annual"].value == pytest.approx(252 / 5 * measured["spread"].value)
    (file,) = evaluate_files([write_foreign(tmp_path / "b.parquet", weekly.drop("horizon"))], OPTIONS).files
    assert file.notes[-1] == "dates are 7 days apart: figures a year count them as trading days, 252 a year"


def test_a_file_without_the_days_that_went_wrong_is_warned_of_by_the_contexts_days_or_by_weekdays(
    tmp_path: Path,
) -> None:
    frame = foreign_frame(days=120).drop("split")
    context = write_foreign(tmp_path / "context.parquet", frame.filter(horizon=1).drop("horizon"))
    dates = frame["date"].unique().sort()

    def warnings(left_out: list[int], options: EvaluateOptions) -> list[str]:
        kept = frame.filter(~pl.col("date").is_in(dates[left_out].implode()))
        (file,) = evaluate_files([write_foreign(tmp_path / "mine.parquet", kept)], options).files
        return [w for w in file.horizons[1].warnings + file.horizons[5].warnings if "have no row" in w]

    with_context = replace(OPTIONS, context=str(context))
    assert warnings([], OPTIONS) == warnings([], with_context) == []
    tenth = list(range(5, 113, 9))
    assert warnings(tenth, OPTIONS) == [] and len(warnings(tenth, with_context)) == 2
    assert warnings(tenth, with_context)[0].startswith("12 of 120 days of the context from 2020-11-02 ")
    quarter = list(range(5, 113, 4))
    assert len(warnings(quarter, OPTIONS)) == 2 and "27 of 120 weekdays" in warnings(quarter, OPTIONS)[0]


def test_files_have_names_of_their_own() -> None:
    paths = [
        "runs/a/version_0/predictions.parquet",
        "runs/a/version_1/predictions.parquet",
        "x/m.csv",
        "y/m.csv",
    ]
    assert file_names([Path("/w") / p for p in paths]) == ["a/version_0", "a/version_1", "m", "w/y/m.csv"]
    assert len(set(file_names([Path("a/b/m.csv")] * 3))) == 3


def test_a_file_without_a_day_to_rank_says_why(tmp_path: Path) -> None:
    path = write_foreign(tmp_path / "a.parquet", foreign_frame(days=20))
    with pytest.raises(InputError, match=r"no day can be ranked \(days: .*thin.*lower --min_stocks, now 50"):
        evaluate_files([path], EvaluateOptions(min_stocks=50))
