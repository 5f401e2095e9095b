"""A run that is killed, terminated or stopped says what is missing, and goes on from there."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import atft.commands.after_fit as after_fit
from atft.callbacks.record.receipt import read_receipt
from atft.callbacks.record.run_record import RunRecord
from atft.commands.after_fit import AFTER_TRAINING

KILLED = """
import os, signal, sys
import atft.commands.after_fit as after_fit

after_fit.write_predictions_of = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
from atft.cli import main
sys.exit(main())
"""


def killed(*arguments: Any) -> subprocess.CompletedProcess[str]:
    """Train in a process of its own, which gets a real signal before the table."""
    words = [sys.executable, "-W", "ignore", "-c", KILLED, "fit", *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, check=False)


@pytest.fixture
def interrupts_restored() -> Iterator[None]:
    """After SIGTERM Lightning ignores SIGINT from here on."""
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)


def epochs_of(run: Path) -> list[int]:
    return [epoch["epoch"] for epoch in json.loads((run / "metrics.json").read_text())["epochs"]]


def weights(run: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = torch.load(run / "last.ckpt")["state_dict"]
    return state


def test_a_run_killed_between_its_last_epoch_and_the_table_says_so_and_is_concluded_by_a_resume(
    tiny_run: Any, atft: Callable[..., Any], tmp_path: Path
) -> None:
    options = ["--config", tiny_run.config, "--trainer.default_root_dir", tmp_path]
    assert killed(*options).returncode == -signal.SIGKILL
    first, second = (tmp_path / "tiny" / f"version_{v}" for v in (0, 1))
    before = read_receipt(first)
    assert (before.status, before.missing) == ("running", list(AFTER_TRAINING))
    assert before.reason.startswith("training is over; not written yet: predictions.parquet")

    outcome = atft("fit", *options, "--ckpt_path", "last")
    after = read_receipt(second)
    assert outcome.code == 0 and "epoch " not in outcome.err
    assert (after.status, after.missing, after.steps) == ("completed", [], before.steps)
    assert after.resumed_from == str(first / "last.ckpt")
    whole = read_receipt(tiny_run.directory)
    # Trained by another process, whose threads add up in another order.
    # An error of few days is unknown.
    ours, theirs = ({n: v for n, v in of.metrics.items() if v is not None} for of in (after, whole))
    assert len(ours) > 10 and after.metrics.keys() == whole.metrics.keys()
    assert ours == pytest.approx(theirs, rel=1e-3, abs=1e-4)
    assert after.last_epoch == pytest.approx(whole.last_epoch, rel=1e-3, abs=1e-4)
    assert after.selected_step == whole.selected_step
    assert (after.days, after.rows) == (whole.days, whole.rows) and after.terms.keys() == whole.terms.keys()
    assert epochs_of(second) == epochs_of(tiny_run.directory) == [0, 1]
    assert all((second / name).is_file() for name in ("comparison.txt", "predictions.parquet"))
    again = atft("fit", *options, "--ckpt_path", "last")
    assert "2 epochs of trainer.max_epochs 2 done" in again.error_line


@pytest.mark.usefixtures("interrupts_restored")
def test_sigterm_is_a_stop_that_a_resume_goes_on_from(
    tiny_run: Any, atft: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def terminate(record: RunRecord, trainer: Any, module: Any) -> None:
        if trainer.current_epoch == 1:
            os.kill(os.getpid(), signal.SIGTERM)

    options = ["--config", tiny_run.config, "--trainer.default_root_dir", tmp_path]
    with monkeypatch.context() as patch:
        patch.setattr(RunRecord, "on_validation_epoch_start", terminate)
        stopped = atft("fit", *options)
    run = tmp_path / "tiny" / "version_0"
    assert stopped.code == 143
    line = stopped.err.strip().splitlines()[-1]
    assert line == "atft: stopped by SIGTERM; the same command with --ckpt_path last goes on"
    assert "Traceback" not in stopped.err
    assert (read_receipt(run).status, read_receipt(run).reason) == ("stopped", "stopped by SIGTERM")
    assert atft("fit", *options, "--ckpt_path", "last").code == 0
    resumed = tmp_path / "tiny" / "version_1"
    whole = weights(tiny_run.directory)
    assert all(torch.allclose(w, whole[n], atol=1e-4) for n, w in weights(resumed).items())
    assert epochs_of(resumed) == [0, 1] and read_receipt(resumed).status == "completed"


@pytest.mark.usefixtures("interrupts_restored")
def test_a_stop_before_the_first_epoch_is_over_has_nothing_to_go_on_from(
    tiny_run: Any, atft: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = tmp_path / "tiny" / "version_0" / "last.ckpt"
    older.parent.mkdir(parents=True)
    shutil.copyfile(tiny_run.directory / "last.ckpt", older)
    monkeypatch.setattr(RunRecord, "on_train_epoch_start", lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    options = ["--config", tiny_run.config, "--trainer.default_root_dir", tmp_path, "--trainer.max_epochs", 3]
    outcome = atft("fit", *options)
    assert outcome.code == 143
    assert outcome.err == "atft: stopped by SIGTERM; no epoch was finished, start again\n"
    resumed = atft("fit", *options, "--ckpt_path", older)
    assert resumed.err == "atft: stopped by SIGTERM; the same command with --ckpt_path last goes on\n"


def stop_in_the_second_epoch(record: RunRecord, trainer: Any, module: Any) -> None:
    if trainer.current_epoch == 1:
        os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.usefixtures("interrupts_restored")
@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("save_last", "the same command with --ckpt_path {run}/best_model.ckpt goes on"),
        ("save_weights_only", "checkpoint.save_weights_only keeps nothing to go on from, start again"),
    ],
)
def test_a_stop_names_the_file_that_the_run_keeps(
    option: str, said: str, tiny_run: Any, atft: Callable[..., Any], tmp_path: Path, monkeypatch: Any
) -> None:
    words = ["--config", tiny_run.config, "--trainer.default_root_dir", tmp_path]
    words += [f"--checkpoint.{option}", "false" if option == "save_last" else "true"]
    with monkeypatch.context() as patch:
        patch.setattr(RunRecord, "on_train_epoch_start", stop_in_the_second_epoch)
        stopped = atft("fit", *words)
    run = tmp_path / "tiny" / "version_0"
    assert stopped.err.splitlines()[-1] == f"atft: stopped by SIGTERM; {said.format(run=run)}"
    if option == "save_last":
        assert atft("fit", *words, "--ckpt_path", run / "best_model.ckpt").code == 0
        assert epochs_of(tmp_path / "tiny" / "version_1") == [0, 1]


@pytest.mark.usefixtures("interrupts_restored")
def test_a_stopped_pretraining_names_its_weights(
    tiny_run: Any, atft: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["--config", tiny_run.config, "--trainer.default_root_dir", tmp_path]
    with monkeypatch.context() as patch:
        patch.setattr(RunRecord, "on_train_epoch_start", stop_in_the_second_epoch)
        stopped = atft("pretrain", *words)
    weights = tmp_path / "tiny_pretrain" / "version_0" / "pretrained.ckpt"
    assert stopped.err.splitlines()[-1] == (
        f"atft: stopped by SIGTERM; pretrain does not resume; fit --init_from {weights} begins with the weights "
        f"of epoch 1"
    )
    assert atft("fit", *words, "--init_from", weights, "--trainer.max_epochs", 1).code == 0
    monkeypatch.setattr(RunRecord, "on_train_epoch_start", lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    assert atft("pretrain", *words).err.endswith("no epoch was finished, start again\n")


@pytest.mark.usefixtures("interrupts_restored")
def test_without_patience_a_run_stopped_after_a_better_epoch_trains_on(
    tiny_run: Any, atft: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [
        "--config",
        tiny_run.config,
        "--trainer.default_root_dir",
        tmp_path,
        "--early_stopping.patience",
        0,
    ]
    with monkeypatch.context() as patch:
        patch.setattr(RunRecord, "on_train_epoch_start", stop_in_the_second_epoch)
        assert atft("fit", *words).code == 143
    assert atft("fit", *words, "--ckpt_path", "last").code == 0
    assert epochs_of(tmp_path / "tiny" / "version_1") == [0, 1]


def test_a_run_that_early_stopping_ended_is_concluded_and_not_trained_on(
    tiny_run: Any, atft: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ["--config", tiny_run.config, "--trainer.default_root_dir", tmp_path]
    options += ["--model.optimizer.init_args.lr", "1e-12", "--model.scheduler", "null"]
    options += ["--early_stopping.patience", "1", "--trainer.max_epochs", "9"]
    with monkeypatch.context() as patch:
        patch.setattr(after_fit, "compare_with_baselines", lambda *_: os.kill(os.getpid(), signal.SIGTERM))
        stopped = atft("fit", *options)
    first, second = (read_receipt(tmp_path / "tiny" / f"version_{v}") for v in (0, 0))
    assert stopped.code == 143 and (first.status, first.epochs) == ("stopped", 2)
    assert first.missing and "stopped by SIGTERM" in first.reason
    outcome = atft("fit", *options, "--ckpt_path", "last")
    second = read_receipt(tmp_path / "tiny" / "version_1")
    assert outcome.code == 0 and (second.status, second.epochs) == ("stopped", 2)
    assert second.reason.startswith("no better val/rank_ic than") and second.missing == []


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (["--trainer.max_epochs", "0"], "no optimiser step was taken; max_epochs=0"),
        (
            ["--trainer.max_time", "00:00:00:00"],
            "no optimiser step was taken; trainer.max_time: 0:00:00 were over",
        ),
    ],
)
def test_a_fit_that_did_nothing_fails(
    option: list[str], said: str, tiny_run: Any, atft: Callable[..., Any], tmp_path: Path
) -> None:
    options = ["--config", tiny_run.config, "--trainer.default_root_dir", tmp_path]
    outcome = atft("fit", *options, *option)
    receipt = read_receipt(tmp_path / "tiny" / "version_0")
    assert outcome.code == 1 and said in outcome.out
    assert (receipt.status, receipt.reason) == ("failed", said)
