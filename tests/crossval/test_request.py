"""What is asked of the runs is checked before the first starts."""

from pathlib import Path
from typing import Any

import pytest

from atft.callbacks.record.receipt import Receipt
from atft.commands.train import build
from atft.crossval.directory import CrossvalRecord
from atft.crossval.options import CrossvalOptions
from atft.crossval.plan import FoldRun
from atft.crossval.request import (
    check_many_runs,
    every_split,
    fit_words,
    plan_lines,
    requested_record,
    threads_of_each,
)
from atft.crossval.run_state import RunState
from atft.errors import InputError

FOLDS = "{period: [2015-03-26, 2015-04-24], every: 8, val_days: 8}"


@pytest.fixture(scope="module")
def cli(tiny_run: Any) -> Any:
    """A run of the tiny configuration with folds, which is built and not trained."""
    return build("fit", ["--config", str(tiny_run.config), "--data.split.folds", FOLDS])


def test_a_run_is_told_its_fold_seed_and_folder(tmp_path: Path) -> None:
    words = fit_words(tmp_path, 2, FoldRun(3, 7), RunState(), None)
    assert words == [
        *("fit", "--config", str(tmp_path / "config.yaml"), "--trainer.default_root_dir", str(tmp_path)),
        *("--name", "fold_3_seed_7", "--seed_everything", "7", "--threads", "2"),
        *("--baselines", "[]", "--data.split.fold", "3"),
    ]
    assert "--data.split.fold" not in fit_words(tmp_path, 2, FoldRun(None, 7), RunState(), None)


def test_an_interrupted_run_goes_on_and_takes_no_other_weights(tmp_path: Path) -> None:
    before = RunState(tmp_path / "fold_0_seed_7" / "version_1", None, Receipt("completed"))
    new = fit_words(tmp_path, 1, FoldRun(1, 7), RunState(), before)
    assert new[-2:] == [
        "--init_from",
        str(tmp_path / "fold_0_seed_7" / "version_1" / "best_model.ckpt"),
    ]
    going_on = fit_words(tmp_path, 1, FoldRun(1, 7), RunState(None, tmp_path / "last.ckpt"), before)
    assert going_on[-2:] == ["--ckpt_path", str(tmp_path / "last.ckpt")]
    assert "--init_from" not in going_on


def test_cores_are_divided_among_the_workers(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli.config, "threads", 7)
    assert [threads_of_each(cli, workers) for workers in (1, 2, 3, 20)] == [7, 3, 2, 1]
    monkeypatch.setattr(cli.config, "threads", None)
    monkeypatch.setattr("atft.crossval.request.core_count", lambda: 6)
    assert threads_of_each(cli, 2) == 3


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        (
            "ckpt_path",
            "last",
            "--ckpt_path is the checkpoint of one run, leave it out; crossval --resume DIR goes on",
        ),
        ("seed_everything", True, "seed_everything is True; give a number, from which the seeds count"),
    ],
)
def test_what_only_one_run_may_have_is_an_error(
    key: str, value: object, message: str, cli: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_many_runs(cli)
    monkeypatch.setattr(cli.config, key, value)
    with pytest.raises(InputError, match=message):
        check_many_runs(cli)


def test_several_devices_are_an_error(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(cli.trainer), "world_size", 2)
    with pytest.raises(InputError, match="each run trains on one device, got 2"):
        check_many_runs(cli)


def test_every_fold_has_its_days_and_the_lines_say_them(cli: Any, tmp_path: Path) -> None:
    splits = every_split(cli.datamodule, plain=False)
    assert list(every_split(cli.datamodule, plain=True)) == [None]
    assert list(splits) == [0, 1, 2] and all(split.causal for split in splits.values())
    assert sum(len(split.test) for split in splits.values()) == 22
    record = requested_record(cli, CrossvalOptions(seeds=2), None, 3)
    assert record == CrossvalRecord(3, [3, 4], False, cli.datamodule.digest)
    lines = plan_lines(record, splits, 2, 1, tmp_path)
    assert lines[0] == "runs      3 folds x 2 seeds, 2 at a time, 1 thread each"
    assert lines[1] == f"fold 0    train {len(splits[0].train)}, val 8, test 8 days"
    assert lines[-1] == f"watch     tensorboard --logdir {tmp_path}"


@pytest.mark.parametrize(
    ("folds", "message"),
    [
        (
            ["--data.split.folds", FOLDS, "--data.split.fold", "1"],
            "data.split.fold is 1, crossval trains every fold",
        ),
        ([], "crossval needs data.split.folds, for instance --data.split.folds '{every: 252}'"),
        (["--data.split.folds", "{val_days: null}"], "val_days is null, so no fold has test days"),
    ],
)
def test_without_folds_to_test_there_is_an_error(folds: list[str], message: str, tiny_run: Any) -> None:
    single = build("fit", ["--config", str(tiny_run.config), *folds])
    with pytest.raises(InputError, match=message):
        every_split(single.datamodule, plain=False)


def test_a_warm_start_needs_folds_that_walk_forward(tiny_run: Any, cli: Any) -> None:
    assert requested_record(cli, CrossvalOptions(warm_start=True), None, 3).warm_start
    folds = FOLDS.replace("every: 8", "scheme: k_fold, n: 3")
    other = build("fit", ["--config", str(tiny_run.config), "--data.split.folds", folds])
    for built, count in ((other, 3), (cli, None)):
        with pytest.raises(
            InputError, match=r"--warm_start needs data.split.folds of the scheme walk_forward"
        ):
            requested_record(built, CrossvalOptions(warm_start=True), None, count)


def test_what_a_resume_does_not_say_is_as_it_was(cli: Any) -> None:
    former = CrossvalRecord(3, [3, 4, 5], True, "")
    record = requested_record(cli, CrossvalOptions(), former, 3)
    assert (record.seeds, record.warm_start) == ([3, 4, 5], True)
    record = requested_record(cli, CrossvalOptions(seeds=4, warm_start=False), former, 3)
    assert (record.seeds, record.warm_start) == ([3, 4, 5, 6], False)
