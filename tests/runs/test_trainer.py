"""A trainer for Python: the guards, files and errors of ``fit``."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import polars
import pytest
import torch
from lightning.pytorch.callbacks import LambdaCallback
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger

from atft.callbacks.guards.collapse import CollapseGuard
from atft.callbacks.guards.non_finite import NonFiniteGuard
from atft.callbacks.record.receipt import read_receipt
from atft.data.split import SplitOptions
from atft.errors import InputError, NonFiniteLoss
from atft.files.checkpoint_file import read_checkpoint
from atft.losses.options import ObjectiveOptions
from atft.nn.atft_gat_fan import ATFTGATFAN
from atft.optim.schedules import WarmupCosine
from atft.runs.run_callbacks import MONITORS
from atft.runs.scores import predict
from atft.runs.trainer import Trainer
from atft.tasks.ranking import RankingTask
from small_task import SIZES
from tests.optim.test_trial_step import Still
from tests.runs.conftest import python_data, python_task

EARLIER = SplitOptions(
    train=["2015-01-05", "2015-02-06"],
    val=["2015-02-09", "2015-02-20"],
    test=["2015-02-23", "2015-04-24"],
    embargo_days=2,
)


def test_a_run_leaves_the_files_of_fit_but_for_the_scores(python_run: Any, tiny_run: Any) -> None:
    directory = python_run.trainer.directory
    names = {p.name.split(".tfevents")[0] for p in directory.iterdir()}
    of_fit = {p.name.split(".tfevents")[0] for p in tiny_run.directory.iterdir()}
    assert directory.name == "version_0"
    assert of_fit - names == {"predictions.parquet", "comparison.txt"} and names <= of_fit
    receipt = read_receipt(directory)
    assert (receipt.status, receipt.epochs, receipt.optimizer) == ("completed", 2, "AdamW")
    assert receipt.missing == [] and receipt.days["train"].seen == receipt.days["train"].planned > 0
    log = (directory / "run.log").read_text().splitlines()
    assert log[:-2] == python_run.data.lines_of("train") and all("epoch" in line for line in log[-2:])


def test_every_guard_and_monitor_of_fit_is_there(python_run: Any) -> None:
    kinds = {type(callback) for callback in python_run.trainer.callbacks}
    assert {*MONITORS.values(), NonFiniteGuard} <= kinds


def test_the_command_line_goes_on_with_a_checkpoint_of_python(
    python_run: Any, atft: Any, tmp_path: Path
) -> None:
    checkpoint = python_run.trainer.directory / "best_model.ckpt"
    out = tmp_path / "scores.parquet"
    where = ["--data.cache.dir", python_run.data.cache_options.dir, "--trainer.accelerator", "cpu"]
    outcome = atft("predict", "--ckpt_path", checkpoint, "--out", out, *where)
    assert outcome.code == 0, outcome
    best = RankingTask.load_from_checkpoint(checkpoint)
    assert polars.read_parquet(out).equals(predict(best, python_run.data, accelerator="cpu"))


def test_a_run_of_python_goes_on_where_it_stopped(python_run: Any, tmp_path: Path) -> None:
    trainer = Trainer(tmp_path, max_epochs=3, accelerator="cpu", quiet=True)
    last = python_run.trainer.directory / "last.ckpt"
    trainer.fit(python_task(python_run.data), python_run.data, ckpt_path=last)
    receipt = read_receipt(trainer.directory)
    assert (receipt.epochs, receipt.resumed_from) == (3, str(last))
    epochs = json.loads((trainer.directory / "metrics.json").read_text())["epochs"]
    assert [row["epoch"] for row in epochs] == [0, 1, 2]
    assert read_checkpoint(trainer.directory / "last.ckpt")["epoch"] == 2


@pytest.mark.parametrize(
    ("task_changes", "data_changes", "epochs", "message"),
    [
        ({}, {}, 2, r"last.ckpt: 2 epochs of trainer.max_epochs 2 done; raise it to go on"),
        ({}, {"split": EARLIER}, 3, r"trained on days to 2015-02-.*, this run scores days from 2015-02-"),
        ({"objective": ObjectiveOptions(terms={"ic": 1.0})}, {}, 3, r"trained with model.objective.terms"),
        ({}, {"seed": 5}, 3, "trained with seed_everything 0, now 5; put it back"),
        ({"network": partial(ATFTGATFAN, **{**SIZES, "hidden_size": 16})}, {}, 3, "network has other sizes"),
    ],
)
def test_a_run_of_python_goes_on_with_what_it_was_trained_for_only(
    task_changes: Any,
    data_changes: Any,
    epochs: int,
    message: str,
    python_run: Any,
    tiny_run: Any,
    tmp_path: Path,
) -> None:
    data = python_data(tmp_path, polars.read_parquet(tiny_run.panel), **data_changes)
    trainer = Trainer(tmp_path / "runs", max_epochs=epochs, accelerator="cpu", quiet=True)
    with pytest.raises(InputError, match=message):
        trainer.fit(
            python_task(data, **task_changes), data, ckpt_path=python_run.trainer.directory / "last.ckpt"
        )
    assert not (tmp_path / "runs").exists()


def test_a_run_of_python_goes_on_with_a_checkpoint_of_the_command(tiny_run: Any, tmp_path: Path) -> None:
    frame = polars.read_parquet(tiny_run.panel)
    data = python_data(tmp_path, frame, seed=3)
    written = tiny_run.directory / "last.ckpt"
    network = partial(ATFTGATFAN, hidden_size=8, gat_layers=1)
    task = python_task(
        data, network=network, gradient_clip=1.0, scheduler=partial(WarmupCosine, warmup_epochs=0.5, epochs=4)
    )
    trainer = Trainer(tmp_path / "runs", max_epochs=3, accelerator="cpu", quiet=True)
    trainer.fit(task, data, ckpt_path=written)
    assert read_receipt(trainer.directory).epochs == 3


@pytest.mark.parametrize("named", [False, True, "own"])
def test_a_logger_is_added_to_those_of_a_run_and_false_is_none(
    named: Any, python_run: Any, tmp_path: Path
) -> None:
    logger = CSVLogger(tmp_path / "elsewhere") if named == "own" else named
    trainer = Trainer(tmp_path / "runs", max_epochs=1, accelerator="cpu", quiet=True, logger=logger)
    trainer.fit(python_task(python_run.data), python_run.data)
    ours = [TensorBoardLogger, CSVLogger] if named else []
    assert [type(made) for made in trainer.loggers] == [*ours, *([CSVLogger] if named == "own" else [])]
    assert (trainer.directory / "metrics.csv").is_file() == bool(named)
    assert len(list(tmp_path.glob("elsewhere/*/*/metrics.csv"))) == (named == "own")


def test_a_loss_that_is_not_finite_ends_the_run(python_run: Any, tmp_path: Path) -> None:
    task = python_task(python_run.data)
    breaks = LambdaCallback(
        on_fit_start=lambda *_: torch.nn.init.constant_(next(task.network.heads.parameters()), torch.nan)
    )
    trainer = Trainer(tmp_path, max_epochs=1, accelerator="cpu", quiet=True, callbacks=[breaks])
    with pytest.raises(NonFiniteLoss):
        trainer.fit(task, python_run.data)
    assert read_receipt(trainer.directory).status == "failed"


@pytest.mark.parametrize("quiet", [False, True])
def test_what_the_calendar_left_out_is_a_line_when_a_run_starts(
    quiet: bool, python_run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    line = "left out, rows on weekdays that the market rarely trades: 1"
    monkeypatch.setattr(python_run.data, "lines_of", lambda period: [line, period])
    trainer = Trainer(tmp_path, max_epochs=1, accelerator="cpu", quiet=quiet)
    trainer.fit(python_task(python_run.data), python_run.data)
    assert (trainer.directory / "run.log").read_text().count(line) == 1
    printed = capsys.readouterr().out
    assert printed == "" if quiet else printed.startswith(f"{line}\ntrain\n")


def test_an_optimiser_that_does_not_step_is_an_error_before_the_run(python_run: Any, tmp_path: Path) -> None:
    task = python_task(python_run.data, optimizer=Still)
    with pytest.raises(InputError, match=r"Still\.step\(\) changes no weight"):
        Trainer(tmp_path, max_epochs=1, accelerator="cpu", quiet=True).fit(task, python_run.data)
    assert list(tmp_path.iterdir()) == []


def test_a_network_that_looks_ahead_is_an_error_before_the_run(python_run: Any, tmp_path: Path) -> None:
    task = python_task(python_run.data)
    task.network.heads.register_forward_hook(lambda _, __, out: (out[0] + out[0][-1:], out[1]))
    with pytest.raises(InputError, match=r"ATFTGATFAN: scores of a day change with rows of later days"):
        Trainer(tmp_path, max_epochs=1, accelerator="cpu", quiet=True).fit(task, python_run.data)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"accumulate_grad_batches": 2}, r"trainer\.accumulate_grad_batches is 2: steps are made by data"),
        ({"max_epochs": -7}, r"trainer\.max_epochs is -7: set a number of epochs"),
        ({"mode": "best"}, "mode"),
        ({"max_epochs": "3"}, r"Trainer\.max_epochs must be a whole number, got '3'"),
        ({"patience": "3"}, r"Trainer\.patience must be a whole number or null, got '3'"),
        ({"monitor": 5}, r"Trainer\.monitor must be a text, got 5"),
        ({"limit_train_batches": "2"}, r"trainer\.limit_train_batches is '2': set a whole number of blocks"),
        ({"accelerator": "gpuu"}, "trainer: You selected an invalid accelerator name"),
        ({"precision": "fp7"}, "trainer: Precision 'fp7' is invalid"),
    ],
)
def test_an_option_that_no_run_can_serve_is_an_error(options: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        Trainer(tmp_path, **{"max_epochs": 1, **options})


def test_what_cannot_train_leaves_no_directory(python_run: Any, tiny_run: Any, tmp_path: Path) -> None:
    data = python_run.data
    frame = polars.read_parquet(tiny_run.panel)
    cases: list[tuple[Any, Any, str, dict[str, Any]]] = [
        (python_task(data), frame, r"trainer\.fit\(task, data\)", {}),
        (pl.LightningModule(), data, r"trainer\.fit\(task, data\)", {}),
        (python_task(data), data, "no metric 'val/rankic'; did you mean", {"monitor": "val/rankic"}),
        (python_task(data, optimizer=None), data, r"model\.optimizer is missing", {}),
        (python_task(data), python_data(tmp_path, frame, graph=None), r"data\.graph is null", {}),
    ]
    for task, panel, message, options in cases:
        trainer = Trainer(tmp_path / "runs", **{"max_epochs": 1, "accelerator": "cpu", **options})
        with pytest.raises(InputError, match=message):
            trainer.fit(task, panel)
        with pytest.raises(InputError, match="no directory yet"):
            _ = trainer.directory
    assert not (tmp_path / "runs").exists()


def test_a_trainer_trains_once(python_run: Any) -> None:
    with pytest.raises(InputError, match=r"this trainer has trained \(.*version_0\); make another one"):
        python_run.trainer.fit(python_run.task, python_run.data)


def test_a_plain_trainer_of_lightning_trains_the_same_task(python_run: Any, tmp_path: Path) -> None:
    task = python_task(python_run.data)
    plain = pl.Trainer(
        max_epochs=1, accelerator="cpu", logger=False, default_root_dir=tmp_path, enable_progress_bar=False
    )
    with pytest.warns(Warning):  # Lightning's own, which `Trainer` keeps back
        plain.fit(task, python_run.data)
    assert not any(isinstance(callback, CollapseGuard) for callback in plain.callbacks)
    (path,) = (tmp_path / "checkpoints").glob("*.ckpt")
    back = RankingTask.load_from_checkpoint(path)
    assert all(torch.equal(a, b) for a, b in zip(task.parameters(), back.parameters(), strict=True))


def test_callbacks_of_the_user_are_called(python_run: Any, tmp_path: Path) -> None:
    class Counts(pl.Callback):
        epochs = 0

        def on_train_epoch_end(self, *_: Any) -> None:
            self.epochs += 1

    counts = Counts()
    network = partial(ATFTGATFAN, hidden_size=8, graph="none", encoder="none", window_norm="none")
    optimizer = partial(torch.optim.AdamW, lr=0.01)
    task = RankingTask.for_data(python_run.data, network, optimizer=optimizer)
    trainer = Trainer(
        tmp_path, max_epochs=1, patience=None, callbacks=[counts], accelerator="cpu", quiet=True
    )
    trainer.fit(task, python_run.data)
    assert counts.epochs == 1


def test_an_interrupt_is_an_interrupt_and_does_not_end_the_process(python_run: Any, tmp_path: Path) -> None:
    class Interrupts(pl.Callback):
        def on_train_batch_end(self, *_: Any) -> None:
            raise KeyboardInterrupt

    logger = CSVLogger(tmp_path / "own")
    options: dict[str, Any] = {"accelerator": "cpu", "quiet": True, "logger": logger}
    trainer = Trainer(tmp_path / "runs", max_epochs=1, callbacks=[Interrupts()], **options)
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(python_task(python_run.data), python_run.data)
    assert read_receipt(trainer.directory).status == "stopped"
    assert [type(each).__name__ for each in trainer.loggers] == [
        "TensorBoardLogger",
        "CSVLogger",
        "CSVLogger",
    ]
    assert trainer.loggers[-1] is logger
