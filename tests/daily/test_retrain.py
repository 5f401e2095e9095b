"""retrain: every due run trains once, in a folder of its date; what is there is kept. Runs are not trained here."""

import csv
import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from shutil import rmtree
from typing import Any

import pytest

from atft.crossval.run_state import RunState
from atft.daily.registry import RECORD, TABLE, known_runs
from atft.daily.retrain import HELP, RetrainOptions, retrain, run, split_retrain_arguments
from atft.errors import InputError, RunFailed

Starts = Callable[[Path], list[dict[str, str]]]


def test_due_runs_train_once_and_a_longer_panel_adds_to_them(
    tiny_run: Any,
    stub: Any,
    starts: Starts,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    registry = tmp_path / "registry"
    words = ["--config", str(tiny_run.config), "--data.split.test", "null"]
    options = RetrainOptions(10, registry, None, 2)
    assert retrain(options, words, stub.program) == registry
    began = {start["name"]: start for start in starts(registry)}
    assert sorted(began) == ["2015-04-01", "2015-04-15"]
    first = began["2015-04-01"]
    assert json.loads(first["--data.split.val"]) == ["2015-03-02", "2015-03-25"]
    assert json.loads(first["--data.split.train"]) == ["2015-01-05", "2015-02-27"]
    assert "--baselines" not in first  # those of the registry's configuration
    assert first["--data.split.known_to"] == "2015-04-01" and first["--data.split.test"] == "null"
    printed = capsys.readouterr().out
    dates = "2 runs, 2015-04-01 to 2015-04-15, 18 validation days each"
    assert f"{dates}; the next is due in 3 trading days" in printed
    rows = list(csv.DictReader((registry / TABLE).read_text().splitlines()))
    assert [row["status"] for row in rows] == ["completed", "completed"] and rows[0][
        "val_rank_ic"
    ] == "0.0312"
    assert known_runs(registry)(date(2015, 4, 14)) == registry / "2015-04-01" / "version_0"

    # Again, by the registry alone: nothing is due. With another question it is another registry.
    assert retrain(RetrainOptions(None, registry, None, 1), [], stub.program) == registry
    assert len(starts(registry)) == 2
    for change, message in (
        (
            (RetrainOptions(20, registry, None, 1), words),
            "began with --every 10, now 20; name another --registry",
        ),
        ((RetrainOptions(None, registry, date(2015, 4, 2), 1), words), "began with --from 2015-04-01, now"),
        ((options, [*words, "--model.gradient_clip", "2"]), "began with model.gradient_clip 1.0, now 2"),
    ):
        with pytest.raises(InputError, match=message):
            retrain(*change, stub.program)


def test_an_old_date_is_trained_again_only_where_its_folder_is_there(
    tiny_run: Any, stub: Any, starts: Starts, tmp_path: Path
) -> None:
    registry = tmp_path / "registry"
    words = ["--config", str(tiny_run.config), "--data.split.test", "null"]
    retrain(RetrainOptions(5, registry, None, 1), words, stub.program)
    dates = [start["name"] for start in starts(registry)]
    assert dates == ["2015-04-01", "2015-04-08", "2015-04-15", "2015-04-22"]
    rmtree(registry / dates[0])
    rmtree(registry / dates[1])
    rmtree(registry / dates[2] / "version_0")
    retrain(RetrainOptions(None, registry, None, 1), [], stub.program)
    assert [start["name"] for start in starts(registry)] == [*dates, dates[2]]


def test_an_interrupted_run_goes_on_and_a_failed_one_says_how(
    tiny_run: Any,
    stub: Any,
    starts: Starts,
    tmp_path: Path,
) -> None:
    registry = tmp_path / "registry"
    stub.end(**{"2015-04-01": ["killed", "finished"], "2015-04-15": ["failed", "failed"]})
    words = ["--config", str(tiny_run.config), "--data.split.test", "null"]
    with pytest.raises(
        RunFailed, match=r"2015-04-15 failed.*python -m atft retrain --registry .* tries again"
    ):
        retrain(RetrainOptions(10, registry, None, 1), words, stub.program)
    resumed = [s.get("--ckpt_path") for s in starts(registry) if s["name"] == "2015-04-01"]
    assert resumed == [None, str(registry / "2015-04-01" / "version_0" / "last.ckpt")]
    rows = list(csv.DictReader((registry / TABLE).read_text().splitlines()))
    assert [row["status"] for row in rows] == ["completed", "failed"]


def test_options_stand_between_the_words_of_fit() -> None:
    options, words = split_retrain_arguments(
        ["--config", "a.yaml", "--every", "63", "--from", "2015-01-05", "--workers=2", "--threads", "1"]
    )
    assert options == RetrainOptions(63, None, date(2015, 1, 5), 2)
    assert words == ["--config", "a.yaml", "--threads", "1"]
    wrong = {("--every", "0"): "--every takes", ("--from", "soon"): "--from must be an ISO date"}
    for pair, message in wrong.items():
        with pytest.raises(InputError, match=message):
            split_retrain_arguments(list(pair))


def test_a_registry_needs_a_number_of_days_and_a_plan_that_can_be_read(tiny_run: Any, tmp_path: Path) -> None:
    words = ["--config", str(tiny_run.config)]
    with pytest.raises(InputError, match="retrain needs --every N"):
        retrain(RetrainOptions(None, tmp_path / "r", None, 1), words, [])
    plan = {"every": 40, "first": "2015-06-01", "val_days": 20}
    for content in ({}, plan | {"every": "40"}, plan | {"every": 0}, plan | {"val_days": None}):
        (tmp_path / "r" / RECORD).write_text(json.dumps(content))
        with pytest.raises(InputError, match="cannot be read; name another registry"):
            retrain(RetrainOptions(None, tmp_path / "r", None, 1), words, [])


def test_a_registry_that_has_not_begun_needs_a_config(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"retrain needs --config FILE, or .* begun: no registry.json in .*/r$"
    ):
        retrain(RetrainOptions(63, tmp_path / "r", None, 1), [], [])
    assert not (tmp_path / "r").exists()


def test_help_explains_the_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("retrain", []) == run("retrain", ["--help"]) == 0
    assert capsys.readouterr().out == HELP * 2 and RunState().finished is False
