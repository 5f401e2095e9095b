"""Any frame of scores is measured as the table that ends a fit."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars
import pytest

from atft.data.build import CacheOptions
from atft.data.loader import LoaderOptions
from atft.data.split import SplitOptions
from atft.day_statistics import RANKING_METRICS
from atft.errors import InputError
from atft.evaluation.evaluate import evaluate_files
from atft.evaluation.options import EvaluateOptions
from atft.evaluation.predictions import HorizonScores, read_horizon
from atft.evaluation.summary import summarise_predictions
from atft.runs.comparison import (
    BAND_ROWS,
    PAIR,
    compare_scorers,
    comparison_text,
    evaluate,
    trades_until_known,
)
from atft.tasks.day_data import DayData
from atft.tasks.panel_source import PanelOptions


@pytest.fixture(scope="module")
def scores(tiny_run: Any) -> polars.DataFrame:
    return polars.read_parquet(tiny_run.directory / "predictions.parquet")


def row_of(table: polars.DataFrame, scorer: str, horizon: int, lag: int = 0) -> dict[str, Any]:
    (row,) = table.filter(scorer=scorer, horizon=horizon, lag=lag).to_dicts()
    return row


def test_the_frame_has_the_figures_of_the_printed_table(
    scores: polars.DataFrame, tiny_run: Any, python_run: Any
) -> None:
    table = evaluate(scores, "test", python_run.data, baselines=["ridge"])
    printed = (tiny_run.directory / "comparison.txt").read_text()
    for scorer in ("network", "ridge", "reversal"):
        for horizon in (1, 5):
            row = row_of(table, scorer, horizon)
            cell = f"{row['rank_ic']:+.4f} ± {row['rank_ic_error']:.4f}"
            (line,) = re.findall(rf"^{scorer} +{horizon}d .*$", printed, re.M)
            assert cell in line and f" {row['days']} " in line
    low, high = (row_of(table, name, 5)["rank_ic"] for name in BAND_ROWS)
    assert f"{low:+.4f} .. {high:+.4f}" in printed


def test_no_trade_at_lag_1_ends_after_the_last_day_that_is_known(make_panel: Callable[..., Path]) -> None:
    panel = make_panel(days=80)
    calendar = polars.read_parquet(panel)["date"].unique().sort()

    def known(horizon: int, known_to: int | None) -> list[int]:
        last = None if known_to is None else str(calendar[known_to])
        split = SplitOptions(["2015-01-05", "2015-02-27"], ["2015-03-02", "2030-12-31"], known_to=last)
        storage = CacheOptions(str(panel.parent / "cache"))
        data = DayData(
            PanelOptions(str(panel)), split, LoaderOptions(lookback=5), cache=storage, horizons=[1, 5]
        )
        columns = {name: np.ones((20, 3), np.float32) for name in ("score", "target", "target_lag1")}
        table = HorizonScores(
            horizon, calendar[50:70].to_numpy(), ["a", "b", "c"], np.ones((20, 3), bool), columns
        )
        limited = trades_until_known(table, data).columns
        assert limited["target"] is columns["target"]
        return [50 + int(row) for row in np.flatnonzero(np.isfinite(limited["target_lag1"]).all(axis=1))]

    # The score of day 64 buys at the close of day 65 and sells at that of day 70.
    assert known(5, 70) == [*range(50, 65)]
    assert known(1, 70) == [*range(50, 69)] and known(1, None) == [*range(50, 70)]


def test_the_reversal_row_is_the_null_control_of_evaluate(scores: polars.DataFrame, tmp_path: Path) -> None:
    unknown = polars.col("code").is_in(["S001", "S002", "S003", "S004"]) & (
        polars.col("date").dt.day() % 2 == 0
    )
    known = polars.when(unknown).then(None).otherwise("return_1d").alias("return_1d")
    file = tmp_path / "scores.parquet"
    scores.with_columns(known).write_parquet(file)
    (measured,) = evaluate_files([file], EvaluateOptions(split="test", min_stocks=2, draws=2)).files
    table = evaluate(polars.read_parquet(file), "test")
    for horizon in (1, 5):
        (control,) = (c for c in measured.horizons[horizon].controls if c.name == "reversal")
        assert row_of(table, "reversal", horizon)["rank_ic"] == pytest.approx(
            control.figures["rank_ic"].value, abs=1e-6
        )


def test_lightgbm_has_a_row_a_blend_and_a_paired_difference_where_it_is_installed(
    scores: polars.DataFrame, python_run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("lightgbm", reason="lightgbm is not installed")
    monkeypatch.setattr("atft.baselines.lightgbm.MAX_TREES", 5)
    table = evaluate(scores, "test", python_run.data)
    names = ["network", "lightgbm", "blend", "ridge", "reversal", *BAND_ROWS, PAIR]
    for horizon in (1, 5):
        rows = table.filter(horizon=horizon)["scorer"].to_list()
        assert list(dict.fromkeys(rows)) == names
        pair, network, lightgbm = (row_of(table, name, horizon) for name in (PAIR, "network", "lightgbm"))
        assert pair["days"] == network["days"] == lightgbm["days"]
        assert pair["rank_ic"] == pytest.approx(network["rank_ic"] - lightgbm["rank_ic"], abs=1e-6)
        assert pair["ic"] is None and row_of(table, "blend", horizon)["rank_ic"] is not None


def test_a_baseline_that_is_not_installed_is_a_line_below_the_table_and_no_row(
    tiny_run: Any, python_run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("atft.runs.comparison.why_absent", lambda name, _: f"{name} is not installed")
    table = read_horizon(tiny_run.directory / "predictions.parquet", 5, "test")
    found = compare_scorers([table], python_run.data, 2, baselines=["lightgbm"])
    assert {row.scorer for row in found.rows} == {"network", "reversal"} and not found.differences
    text = comparison_text(found, "test days", 2, RANKING_METRICS)
    assert text.endswith("\nnot in the table: lightgbm is not installed")


def test_scores_too_good_to_be_honest_are_a_warning_but_not_on_a_simulated_market(
    tiny_run: Any,
) -> None:
    table = read_horizon(tiny_run.directory / "predictions.parquet", 5, "test")
    leak = np.nan_to_num(table.columns["target"])
    columns = table.columns | {"score": leak}
    columns.pop("oracle", None)
    said = "5d: RankIC +1.0000 of network is beyond ±0.22, which no honest score reaches: suspect a bug or a leak"
    found = compare_scorers([replace(table, columns=columns)], None, 2)
    assert f"WARNING {said}" in comparison_text(found, "test days", 2, RANKING_METRICS)
    known = compare_scorers([replace(table, columns=columns | {"oracle": leak})], None, 2)
    assert "WARNING" not in comparison_text(known, "test days", 2, RANKING_METRICS)


@pytest.mark.usefixtures("types_unchecked")
def test_a_task_in_the_place_of_the_data_is_an_error(scores: polars.DataFrame) -> None:
    task: Any = object()
    with pytest.raises(InputError, match=r"^evaluate: data must be a DayData or null, got an object$"):
        evaluate(scores, data=task)


def test_a_baseline_of_no_known_name_or_without_data_is_an_error(
    scores: polars.DataFrame, python_run: Any
) -> None:
    with pytest.raises(InputError, match="baselines takes lightgbm, mlp, ridge, got 'forest'"):
        evaluate(scores, data=python_run.data, baselines=["forest"])
    with pytest.raises(InputError, match="baselines are fitted on training days; give data"):
        evaluate(scores, baselines=["ridge"])


@pytest.mark.usefixtures("types_unchecked")
@pytest.mark.parametrize(
    ("value", "message"),
    [
        (0, "min_stocks must be at least 2, got 0"),
        (2.5, "min_stocks must be a whole number"),
        (True, "whole number"),
    ],
)
def test_the_least_stocks_of_a_day_are_checked_as_those_of_the_command(
    value: Any, message: str, scores: polars.DataFrame
) -> None:
    with pytest.raises(InputError, match=message):
        evaluate(scores, min_stocks=value)


def test_targets_in_per_cent_are_warned_of(scores: polars.DataFrame) -> None:
    in_per_cent = scores.with_columns(target=100 * polars.col("target"))
    with pytest.warns(UserWarning, match=r"^1d: target falls to -.*, no return as a fraction"):
        one = evaluate(in_per_cent.filter(horizon=1), "test")
    assert row_of(one, "network", 1)["rank_ic"] == row_of(evaluate(scores, "test"), "network", 1)["rank_ic"]


@pytest.mark.parametrize(
    "change",
    [{"score": polars.lit(0.5)}, {"target": polars.lit(None, polars.Float32)}, {"code": polars.lit("A")}],
)
def test_scores_of_which_no_day_can_be_ranked_are_an_error(
    change: dict[str, Any], scores: polars.DataFrame
) -> None:
    rows = scores.filter(split="test").drop("return_1d").with_columns(**change)
    with pytest.raises(
        InputError, match=r"no day can be ranked; one needs 2 stocks with known, unequal targets"
    ):
        evaluate(rows.unique(["date", "code", "horizon"]))


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("horizon", polars.lit(7, polars.Int32)),
        ("code", polars.lit("nobody")),
        ("date", polars.col("date") + polars.duration(days=4000)),
    ],
)
def test_a_row_that_the_data_lacks_is_an_error_before_anything_is_fitted(
    column: str, value: Any, scores: polars.DataFrame, python_run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = scores.filter(split="test", horizon=5).head(1).with_columns(value.alias(column))
    frame = polars.concat([scores, row.select(scores.columns)])
    fitted: list[Any] = []
    monkeypatch.setattr("atft.runs.comparison.fit_baseline", lambda *given: fitted.append(given))
    with pytest.raises(InputError, match=f"the scores have {column} {row[column][0]}, which data does not"):
        evaluate(frame, "test", python_run.data)
    assert not fitted
    assert evaluate(frame, "test", python_run.data, baselines=[]).height


def test_without_data_the_figures_are_those_of_the_file(scores: polars.DataFrame, tiny_run: Any) -> None:
    table = evaluate(scores)
    assert table.filter(scorer="ridge").is_empty()
    # Test days alone, as the command does: validation days have chosen the weights.
    for row in summarise_predictions(tiny_run.directory / "predictions.parquet", "test"):
        found = row_of(table, row.scorer, row.horizon, row.lag)
        assert found["days"] == row.days
        for name, estimate in row.figures.items():
            assert (found[name], found[f"{name}_error"]) == pytest.approx(tuple(estimate), nan_ok=True)
    assert set(RANKING_METRICS) < set(table.columns)


def test_five_columns_are_enough_whatever_their_widths(scores: polars.DataFrame) -> None:
    five = scores.select("date", "code", "horizon", "score", "target")
    wide = five.with_columns(
        polars.col("date").cast(polars.Datetime("ns")),
        polars.col("code").cast(polars.Categorical),
        polars.col("horizon").cast(polars.Int64),
        polars.col("score", "target").cast(polars.Float64),
    )
    table = evaluate(five.sample(fraction=1.0, shuffle=True, seed=0))
    assert table.equals(evaluate(wide)) and set(table["scorer"]) == {"network", *BAND_ROWS}
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    assert isinstance(five.to_pandas(), pandas.DataFrame)
    assert evaluate(five.to_pandas().set_index(["date", "code"])).equals(table)


def test_dates_codes_and_numbers_are_read_as_those_of_a_panel(scores: polars.DataFrame) -> None:
    five = scores.select("date", "code", "horizon", "score", "target")
    numbers = polars.col("code").str.strip_prefix("S").cast(polars.Int64)
    plain = five.with_columns(code=numbers.cast(polars.String), score=(polars.col("score") * 1000).round())
    table = evaluate(plain)
    zone = polars.col("date").cast(polars.Datetime("us")).dt.replace_time_zone("Asia/Tokyo")
    for changed in (
        plain.with_columns(date=zone),  # midnight there, and 15:00 of the day before in UTC
        plain.with_columns(date=polars.col("date").dt.strftime("%Y%m%d").cast(polars.Int64)),
        plain.with_columns(date=polars.col("date").cast(polars.String)),
        plain.with_columns(code=polars.col("code").cast(polars.Int32)),
        plain.with_columns(code=polars.col("code").cast(polars.Float64)),
        plain.with_columns(score=polars.col("score").cast(polars.Int16)),
        plain.with_columns(score=polars.col("score").cast(polars.Decimal(12, 2))),
        plain.with_columns(
            horizon=polars.col("horizon").cast(polars.Float64)
        ),  # ints beside a null in pandas
    ):
        assert evaluate(changed).equals(table), changed.schema


@pytest.mark.parametrize(
    ("change", "split", "message"),
    [
        ("drop", None, r"predictions frame: no column 'score' in it; did you mean"),
        ("text", None, "column 'score' must be float, it is"),
        ("null", None, "column 'code' has .* nulls; drop these rows"),
        ("nan", None, "scores of horizon 1 are missing or NaN"),
        ("twice", None, "has 2 rows of horizon 1 on"),
        ("hours", None, r"column 'date', row 1: .* has a time of day and no time zone; write the exchange's"),
        ("half horizon", None, "column 'horizon' must be int32, it is double"),
        ("", "tests", r"no rows of split 'tests'; it has \['gap', 'test', 'val'\]"),
        ("no split", "test", "no column 'split' to find 'test' in"),
    ],
)
def test_a_frame_that_cannot_be_measured_is_an_error_of_one_line(
    change: str, split: str | None, message: str, scores: polars.DataFrame
) -> None:
    changed = {
        "": scores,
        "drop": scores.rename({"score": "scores"}),
        "text": scores.with_columns(score=polars.lit("1")),
        "null": scores.with_columns(code=polars.when(polars.col("horizon") > 1).then("code")),
        "nan": scores.with_columns(score=polars.lit(float("nan"))),
        "twice": polars.concat([scores, scores]),
        "hours": scores.with_columns(polars.col("date").cast(polars.Datetime) + polars.duration(hours=1)),
        "half horizon": scores.with_columns(polars.col("horizon") + 0.5),
        "no split": scores.drop("split"),
    }[change]
    with pytest.raises(InputError, match=message) as raised:
        evaluate(changed, split)
    assert len(str(raised.value)) < 200
