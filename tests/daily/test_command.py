"""predict --last writes a day's list: which day, which checkpoint, where, and with which alarm."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

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
    assert "--on 2015-04-25 is no trading day of the panel" in error_line
    assert error_line.endswith("to 2015-04-24; the trading day before it is 2015-04-24")
    assert "has 2 days of history" in atft("predict", "--on", "2015-01-06", *where).error_line


def test_the_day_may_name_a_folder_which_keeps_a_runs_evidence_too(
    tiny_run: Any, atft: Command, tmp_path: Path
) -> None:
    words = ["--run", tiny_run.directory, "--out", tmp_path / "lists" / "{date}" / "list.csv"]
    for day in ("2015-04-22", "2015-04-23"):
        assert atft("predict", "--on", day, *words).code == 0
    assert {path.name for path in (tmp_path / "lists").iterdir()} == {"2015-04-22", "2015-04-23"}
    evidence = shutil.copytree(tiny_run.directory, tmp_path / "2015-04-22") / "metrics.csv"
    before, out = evidence.read_bytes(), tmp_path / "{date}" / "metrics.csv"
    outcome = atft("predict", "--on", "2015-04-22", "--run", tiny_run.directory, "--out", out)
    assert "evidence of the run" in outcome.error_line and evidence.read_bytes() == before


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
        assert "WARNING" not in outcome.out
    assert (tmp_path / "2015-04-10" / "version_0" / "list_2015-04-17.csv").is_file()
    error_line = atft("predict", "--on", "2015-04-09", "--registry", tmp_path).error_line
    assert "no checkpoint was known on 2015-04-09" in error_line
    (tmp_path / "2015-04-20" / "version_0" / "predictions.parquet").unlink()
    outcome = atft("predict", "--last", "--registry", tmp_path)
    assert "WARNING the run of 2015-04-20 is not finished or is gone, so that of 2015-04-10" in outcome.out


def test_mistakes_are_one_line_and_help_needs_no_torch(tiny_run: Any, atft: Command, tmp_path: Path) -> None:
    assert "no best_model.ckpt there" in atft("predict", "--last", "--run", tmp_path).error_line
    inside = tiny_run.directory / "predictions.parquet"
    before = inside.read_bytes()
    asked = ["predict", "--last", "--run", tiny_run.directory, "--out"]
    assert "evidence of the run" in atft(*asked, inside).error_line and inside.read_bytes() == before
    assert "this command reads that file" in atft(*asked, tiny_run.panel).error_line
    for command in ("update", "predict"):
        outcome = atft(command, "--last", "--help")
        assert (
            outcome.code == 0
            and "--alarm.coverage" in outcome.out
            and "{" not in outcome.out.replace("{date}", "")
        )


def test_each_scorer_lists_its_own_ranks_and_the_checks_say_which(
    treed_run: Path, atft: Command, tmp_path: Path
) -> None:
    lists = {}
    for name in ("network", "lightgbm", "blend"):
        words = ["--run", treed_run, "--scorer", name, "--out", tmp_path / f"{name}.parquet", "--top", "2"]
        outcome = atft("predict", "--on", "2015-04-23", *words, "--alarm.age_days", "100")
        assert outcome.code == 0 and outcome.err == "", outcome
        assert ("scorer     blend of network and lightgbm" in outcome.out) == (name == "blend")
        lists[name] = pl.read_parquet(tmp_path / f"{name}.parquet").sort("code")
        checks = json.loads((tmp_path / f"{name}.checks.json").read_text())
        assert checks["scorer"].startswith(name) and len(checks["files"]) == (2 if name == "blend" else 1)
        # The network does not read the market-wide column.
        assert checks["inputs"] == (6 if name == "network" else 7) and checks["missing"] == []
        assert checks["age_days"] is not None and checks["trained"] == "2015-01-12 to 2015-02-18"
    shares = [(lists[n]["score_1d"].rank() - 0.5) / len(lists[n]) for n in ("network", "lightgbm")]
    mean = ((shares[0] + shares[1]) / 2).cast(pl.Float32)
    assert mean.to_list() == pytest.approx(lists["blend"]["score_1d"].to_list())
    orders = [lists[name].sort("rank")["code"].to_list() for name in lists]
    assert orders[0] != orders[1] and orders[2] not in orders[:2]

    # A scorer asks for a list, of the last day where none is named.
    words = ["--run", treed_run, "--scorer", "blend", "--out", tmp_path / "last.csv"]
    assert f"stocks of {LAST}" in atft("predict", *words).out
    alone = atft("predict", "--ckpt_path", treed_run / "best_model.ckpt", "--scorer", "blend")
    assert "the trees of a run of your own; name it with --run DIR" in alone.error_line

    # What a list says of the day before is that day's list by the same scorer.
    words = ["--run", treed_run, "--scorer", "blend", "--rank_by", "5", "--out", tmp_path / "{date}.csv"]
    for day in ("2015-04-22", "2015-04-23"):
        assert atft("predict", "--on", day, *words).code == 0
    then, now = (pl.read_csv(tmp_path / f"2015-04-{day}.csv") for day in (22, 23))
    both = now.join(then, on="code", suffix="_then")
    assert len(both) > 5 and both["rank_before"].to_list() == both["rank_then"].to_list()
    assert now.sort("score_5d", descending=True)["score_5d"].to_list() == now["score_5d"].to_list()


def test_the_last_day_of_a_shorter_panel_is_scored_by_what_was_known_on_it(
    tiny_run: Any, atft: Command, tmp_path: Path
) -> None:
    registry, panel = tmp_path / "registry", tmp_path / "panel.parquet"
    registry.mkdir()
    (registry / "registry.json").touch()
    for known in ("2015-04-10", "2015-04-20"):
        shutil.copytree(tiny_run.directory, registry / known / "version_0")
    days = pl.read_parquet(tiny_run.panel).filter(pl.col("date") <= pl.lit("2015-04-17").str.to_date())
    days.write_parquet(panel)
    outcome = atft("predict", "--last", "--registry", registry, "--data.panel.path", panel)
    assert outcome.code == 0, outcome
    assert (registry / "2015-04-10" / "version_0" / "list_2015-04-17.csv").is_file(), outcome.out


def test_a_registrys_run_is_blended_with_its_own_trees(
    treed_run: Path, tiny_run: Any, atft: Command, tmp_path: Path
) -> None:
    (tmp_path / "registry.json").touch()
    shutil.copytree(tiny_run.directory, tmp_path / "2015-04-10" / "version_0")
    shutil.copytree(treed_run, tmp_path / "2015-04-20" / "version_0")
    asked = ["--registry", tmp_path, "--scorer", "blend"]
    outcome = atft("predict", "--on", "2015-04-21", *asked)
    assert outcome.code == 0 and f"{tmp_path / '2015-04-20'}/version_0/list_2015-04-21.csv" in outcome.out
    error_line = atft("predict", "--on", "2015-04-17", *asked).error_line
    assert "2015-04-10/version_0: no lightgbm/trees.json there" in error_line


def test_a_baseline_of_two_seeds_scores_by_their_mean_rank(
    tiny_run: Any, atft: Command, tmp_path: Path
) -> None:
    pytest.importorskip("lightgbm", reason="lightgbm is not installed")
    words = ["--config", tiny_run.config, "--trainer.default_root_dir", tmp_path, "--lightgbm.trees", "8"]
    assert atft("baseline", "--model", "lightgbm", "--seeds", "2", *words).code == 0
    run = tmp_path / "tiny_lightgbm" / "version_0"
    outcome = atft("predict", "--on", "2015-04-23", "--run", run, "--scorer", "lightgbm")
    assert outcome.code == 0 and "scorer     lightgbm (2 seeds)" in outcome.out, outcome
    # Eight trees read no validation day: nothing has selected them.
    assert "trained on 2015-01-12 to 2015-02-18, 64 days old" in outcome.out
    listed = pl.read_csv(run / "list_2015-04-23.csv").sort("code")
    rows = pl.read_parquet(run / "predictions.parquet").filter(
        pl.col("date") == pl.date(2015, 4, 23), horizon=1
    )
    shares = [(r["score"].rank() - 0.5) / len(r) for _, r in rows.sort("code").group_by("seed")]
    mean = ((shares[0] + shares[1]) / 2).to_list()
    assert listed["score_1d"].to_list() == pytest.approx(mean)
    assert "no best_model.ckpt there" in atft("predict", "--last", "--run", run).error_line
