"""predict --last writes a day's list: which day, which checkpoint, where, and with which alarm."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl

Command = Callable[..., Any]
LAST = "2015-04-24"


def test_the_last_day_is_listed_beside_the_checkpoint(tiny_run: Any, atft: Command) -> None:
    outcome = atft("predict", "--last", "--run", tiny_run.directory, "--top", "3")
    assert outcome.code == 0 and outcome.err == "", outcome
    out = tiny_run.directory / f"list_{LAST}.csv"
    rows, whole = pl.read_csv(out), pl.read_parquet(tiny_run.directory / "predictions.parquet")
    own = whole.filter(pl.col("date") == pl.lit(LAST).str.to_date()).filter(pl.col("horizon") == 1)
    assert set(rows["code"]) == set(own["code"]) and rows["rank"].to_list() == list(range(1, len(own) + 1))
    joined = rows.join(own, on="code")
    assert joined["score_1d"].cast(pl.Float32).equals(joined["score"])
    assert "39 days old" in outcome.out and f"list       {out}" in outcome.out and "..." in outcome.out
    assert json.loads(out.with_suffix(".checks.json").read_text())["date"] == LAST
    out.unlink()
    out.with_suffix(".checks.json").unlink()


def test_any_day_by_a_checkpoint_alone_and_its_rank_of_the_day_before(
    tiny_run: Any, atft: Command, tmp_path: Path
) -> None:
    where = [
        "--ckpt_path",
        tiny_run.directory / "best_model.ckpt",
        "--data.cache.dir",
        tiny_run.folder / "cache",
    ]
    for day in ("2015-04-22", "2015-04-23"):
        outcome = atft("predict", "--on", day, *where, "--out", tmp_path / "lists" / "of_{date}.parquet")
        assert outcome.code == 0, outcome
    before, after = (pl.read_parquet(tmp_path / "lists" / f"of_2015-04-{day}.parquet") for day in (22, 23))
    both = after.join(before, on="code", suffix="_then")
    assert len(both) > 5 and both["rank_before"].to_list() == both["rank_then"].to_list()
    assert after.filter(~pl.col("code").is_in(before["code"].to_list()))["rank_before"].null_count() == len(
        after
    ) - len(both)
    error_line = atft("predict", "--on", "2015-04-25", *where).error_line
    assert (
        "the panel has no such day, it runs to 2015-04-24; the trading day before it is 2015-04-24"
        in error_line
    )
    assert "has 2 days of history" in atft("predict", "--on", "2015-01-06", *where).error_line


def test_an_alarm_is_one_line_and_exit_status_3_and_the_list_is_written(
    tiny_run: Any, atft: Command, tmp_path: Path
) -> None:
    out = tmp_path / "today.json"
    limits = ["--alarm.age_days", "30", "--alarm.coverage", "0.1", "--alarm.outside", "1"]
    outcome = atft("predict", "--last", "--run", tiny_run.directory, "--out", out, *limits)
    assert outcome.code == 3 and outcome.err == f"atft: alarm: age_days 39, most 30; {out}\n"
    assert len(json.loads(out.read_text())) > 10
    assert json.loads((tmp_path / "today.checks.json").read_text())["alarms"] == ["age_days 39, most 30"]


def test_a_registry_scores_with_the_checkpoint_that_was_known(
    tiny_run: Any, atft: Command, tmp_path: Path
) -> None:
    (tmp_path / "registry.json").touch()
    for day in ("2015-04-10", "2015-04-20"):
        shutil.copytree(tiny_run.directory, tmp_path / day / "version_0")
    for asked, known in {("--on", "2015-04-17"): "2015-04-10", ("--last",): "2015-04-20"}.items():
        outcome = atft("predict", *asked, "--registry", tmp_path)
        assert outcome.code == 0 and f"{tmp_path / known}/version_0/best_model.ckpt" in outcome.out, outcome
    assert (tmp_path / "2015-04-10" / "version_0" / "list_2015-04-17.csv").is_file()
    error_line = atft("predict", "--on", "2015-04-09", "--registry", tmp_path).error_line
    assert "no checkpoint was known on 2015-04-09" in error_line


def test_mistakes_are_one_line_and_help_needs_no_torch(tiny_run: Any, atft: Command, tmp_path: Path) -> None:
    assert "no best_model.ckpt there" in atft("predict", "--last", "--run", tmp_path).error_line
    inside = tiny_run.directory / "predictions.parquet"
    before = inside.read_bytes()
    asked = ["predict", "--last", "--run", tiny_run.directory, "--out"]
    assert "keeps a run's evidence" in atft(*asked, inside).error_line and inside.read_bytes() == before
    assert "is read from" in atft(*asked, tiny_run.panel).error_line
    for command in ("update", "predict"):
        outcome = atft(command, "--last", "--help")
        assert (
            outcome.code == 0
            and "--alarm.coverage" in outcome.out
            and "{" not in outcome.out.replace("{date}", "")
        )
