"""The end of a fit: one table with errors beside the network's own numbers, and the same numbers in files."""

import json
import re
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from atft.callbacks.record.receipt import read_receipt
from atft.callbacks.record.run_checkpoint import Measured, RunCheckpoint
from atft.commands.after_fit import days_title, named_metrics, weights_line
from atft.data.build import CacheOptions
from atft.data.loader import LoaderOptions
from atft.data.split import SplitOptions
from atft.evaluation.summary import summarise_predictions
from atft.tasks.day_data import DayData
from atft.tasks.panel_source import PanelOptions

NUMBER = r"[+-]\d+\.\d+"


def test_the_table_holds_every_scorer_and_horizon_with_standard_errors(tiny_run: Any) -> None:
    for scorer in ("network", "ridge", "reversal"):
        for horizon in (1, 5):
            (row,) = re.findall(rf"^{scorer} +{horizon}d .*$", tiny_run.printed.out, re.M)
            assert len(re.findall(rf"{NUMBER} ± \d+\.\d+", row)) == 5, row
    assert len(re.findall(rf"^random 95 % +\dd .*{NUMBER} \.\. {NUMBER}", tiny_run.printed.out, re.M)) == 2
    assert "oracle" not in tiny_run.printed.out  # nobody knows it of a real market
    assert "test days 2015-03-26 to 2015-04-24" in tiny_run.printed.out


def test_training_days_whose_graph_saw_less_than_its_window_are_named(tiny_run: Any) -> None:
    said = "graph of fewer days than its window of 20 (6 to 16) on 15 days (2015-01-12 to 2015-01-30)"
    assert said in tiny_run.printed.out and said in (tiny_run.directory / "run.log").read_text()


def test_the_table_is_kept_as_it_was_printed(tiny_run: Any) -> None:
    assert (tiny_run.directory / "comparison.txt").read_text().strip() in tiny_run.printed.out


def test_files_hold_the_numbers_of_the_predictions(tiny_run: Any) -> None:
    wanted = named_metrics(summarise_predictions(tiny_run.directory / "predictions.parquet", "test"), "test")
    metrics = read_receipt(tiny_run.directory).metrics
    assert {n: metrics[n] for n in wanted} == pytest.approx(wanted)
    final = json.loads((tiny_run.directory / "metrics.json").read_text())["final"]
    assert final == metrics
    assert {"test/rank_ic", "test/rank_ic_5d", "test/rank_ic_5d_error", "test/sharpe_annual_1d"} <= set(final)


def test_the_title_of_validation_days_counts_labels_that_end_too_late_to_select(
    make_panel: Callable[..., Path], tmp_path: Path
) -> None:
    panel = make_panel(missing=0.0, extra={"label_end_1d": [None] * 1600})
    days = pl.read_parquet(panel)["date"].unique().sort()
    late = pl.col("code").eq("S003") & pl.col("date").is_in(days[50:53].implode())
    ends = pl.when(late).then(days[75]).alias("label_end_1d")
    pl.read_parquet(panel).with_columns(ends, universe=True).write_parquet(panel)
    val = [str(days[45]), str(days[79])]

    def title(known_to: int) -> str:
        split = SplitOptions([str(days[0]), str(days[40])], val, embargo_days=0, known_to=str(days[known_to]))
        storage = CacheOptions(str(tmp_path / "cache"))
        data = DayData(
            PanelOptions(str(panel)), split, LoaderOptions(lookback=5), cache=storage, horizons=[1]
        )
        return days_title(data, "val")

    assert title(70) == f"val days {days[45]} to {days[69]}, with 3 labels that end too late to select"
    assert title(51) == f"val days {days[45]} to {days[50]}, with 1 label that ends too late to select"
    assert title(75) == f"val days {days[45]} to {days[74]}"


def test_a_simulated_market_shows_its_oracle_and_both_lags(
    tiny_config: Callable[..., Path], atft: Callable[..., Any], tmp_path: Path
) -> None:
    config = tiny_config(
        tmp_path, tmp_path / "none.parquet", data__panel={"simulate": {"stocks": 20, "days": 120}}
    )
    dates = ["--data.split.train", "[2015-01-01, 2015-04-10]", "--data.split.val", "[2015-04-13, 2030-12-31]"]
    outcome = atft("fit", "--config", config, *dates, "--data.split.test", "null")
    assert outcome.code == 0, outcome
    assert "val days 2015-04-13 to 2015-06-19," in outcome.out  # the last of its 120 days
    oracles = re.findall(rf"^oracle +\dd +\d+ +({NUMBER}) ± \d\.\d+ +({NUMBER})", outcome.out, re.M)
    assert len(oracles) == 2 and all(float(lag0) > 0.05 for lag0, _ in oracles)


def test_thin_days_move_no_figure_and_are_said_below_the_table(
    tiny_run: Any, tiny_config: Callable[..., Path], atft: Callable[..., Any], tmp_path: Path
) -> None:
    frame = pl.read_parquet(tiny_run.panel)
    thin = [date(2015, 2, 3), date(2015, 3, 10), date(2015, 4, 1), date(2015, 4, 8)]
    of_two = frame.with_columns(
        universe=pl.col("universe") & (~pl.col("date").is_in(thin) | pl.col("code").is_in(["S001", "S002"]))
    )
    of_two.write_parquet(tmp_path / "thin.parquet")
    outcome = atft("fit", "--config", tiny_config(tmp_path, tmp_path / "thin.parquet"))
    assert outcome.code == 0, outcome
    assert "left out, 2 days with fewer than 9 stocks" in outcome.out
    run = tmp_path / "logs" / "tiny" / "version_0"
    receipt = read_receipt(run)
    assert receipt.days["train"].planned == 27 and receipt.days["val"].planned == 10
    scores = pl.read_parquet(run / "predictions.parquet")
    assert set(thin[1:]) <= set(scores["date"])  # scored, not averaged
    scores.filter(~pl.col("date").is_in(thin)).write_parquet(tmp_path / "whole_days.parquet")
    wanted = named_metrics(summarise_predictions(tmp_path / "whole_days.parquet", "test"), "test")
    assert {n: receipt.metrics[n] for n in wanted} == pytest.approx(wanted)


def test_predict_dates_of_the_config_do_not_shorten_the_comparison(
    tiny_run: Any, atft: Callable[..., Any], tmp_path: Path
) -> None:
    live = ["--data.predict", "[2015-04-20, 2015-04-24]", "--trainer.default_root_dir", tmp_path]
    outcome = atft("fit", "--config", tiny_run.config, *live, "--trainer.max_epochs", "1")
    assert outcome.code == 0 and re.search(r"^network +1d +21 ", outcome.out, re.M)


@pytest.mark.parametrize(
    ("options", "epoch", "line"),
    [
        ({}, 1, "weights of epoch 2 of 3, the best by val/rank_ic"),
        (
            {},
            2,
            "weights of epoch 3 of 3; the best by val/rank_ic was epoch 2, +0.0500 against +0.0400, whose weights",
        ),
        (
            {"select": "last"},
            2,
            "weights of epoch 3 of 3, the last; the best by val/rank_ic was epoch 2, +0.0500 against +0.0400",
        ),
        (
            {"select": "last", "mode": "min"},
            0,
            "weights of epoch 1 of 3, the last that was validated, and the best by",
        ),
        ({"select": "last", "monitor": "val/ic"}, 2, "weights of epoch 3 of 3, the last"),
    ],
)
def test_the_line_below_the_table_says_whose_weights_were_scored(
    options: dict[str, Any], epoch: int, line: str
) -> None:
    checkpoint = RunCheckpoint(**options)
    checkpoint.selected = Measured(3 * epoch, epoch, {})
    history = [{"epoch": e, "val/rank_ic": score} for e, score in enumerate((0.03, 0.05, 0.04))]
    assert weights_line(checkpoint, history).startswith(line)


def test_the_table_of_a_run_names_its_weights(tiny_run: Any) -> None:
    assert re.search(r"^weights of epoch [12] of 2, the best by val/rank_ic$", tiny_run.printed.out, re.M)
