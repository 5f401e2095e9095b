"""One seed is one run: repeated, interrupted and resumed, or read by worker processes, to the last bit."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import polars
import pytest
import torch

from atft.batch import DayBatch
from atft.callbacks.record.messages import EpochLine
from atft.callbacks.record.receipt import read_receipt
from atft.tasks.ranking import RankingTask

OPTIMIZERS = {
    "AdamW": {"class_path": "torch.optim.AdamW", "init_args": {"lr": 0.01}},
    "AdaBelief": {"class_path": "atft.optim.adabelief.AdaBelief", "init_args": {"lr": 0.01}},
}


def weights(run: Path, name: str = "last.ckpt") -> dict[str, torch.Tensor]:
    held: dict[str, torch.Tensor] = torch.load(run / name)["state_dict"]
    return held


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[n], b[n]) for n in a)


def test_two_runs_with_one_seed_are_equal_to_the_last_bit_and_another_seed_is_not(
    tiny_run: Any, atft: Callable[..., Any], tmp_path: Path
) -> None:
    elsewhere = ["--trainer.default_root_dir", str(tmp_path)]
    assert atft("fit", "--config", tiny_run.config, *elsewhere).code == 0
    assert atft("fit", "--config", tiny_run.config, *elsewhere, "--seed_everything", "4").code == 0
    again, other = (tmp_path / "tiny" / f"version_{v}" for v in (0, 1))
    assert same(weights(again), weights(tiny_run.directory))
    assert not same(weights(other), weights(tiny_run.directory))
    scores = [polars.read_parquet(run / "predictions.parquet") for run in (tiny_run.directory, again)]
    assert scores[0].equals(scores[1])


@pytest.mark.parametrize("optimizer", [pytest.param("AdamW", marks=pytest.mark.slow), "AdaBelief"])
def test_an_interrupted_and_resumed_run_equals_the_uninterrupted_one(
    optimizer: str, tiny_run: Any, tiny_config: Callable[..., Path], atft: Callable[..., Any], tmp_path: Path
) -> None:
    """With dropout, a schedule in the middle of its fall, running moments in the loss, and a best epoch."""
    config = tiny_config(tmp_path, tiny_run.panel, model__optimizer=OPTIMIZERS[optimizer])
    cache = ["--data.cache.dir", str(tiny_run.folder / "cache")]
    assert atft("fit", "--config", config, *cache, "--name", "whole", "--trainer.max_epochs", "3").code == 0
    assert atft("fit", "--config", config, *cache, "--trainer.max_epochs", "1").code == 0
    resumed = atft("fit", "--config", config, *cache, "--trainer.max_epochs", "3", "--ckpt_path=last")
    assert resumed.code == 0 and "epoch   2/3" in resumed.err and "epoch   1/3" not in resumed.err
    whole, second = tmp_path / "logs" / "whole" / "version_0", tmp_path / "logs" / "tiny" / "version_1"
    for name in ("last.ckpt", "best_model.ckpt"):
        assert same(weights(whole, name), weights(second, name))
    one, other = torch.load(whole / "last.ckpt"), torch.load(second / "last.ckpt")
    assert one["lr_schedulers"][0]["_last_lr"] == other["lr_schedulers"][0]["_last_lr"]
    assert one["global_step"] == other["global_step"]
    histories = [json.loads((run / "metrics.json").read_text())["epochs"] for run in (whole, second)]
    assert [e["val/rank_ic"] for e in histories[0]] == [e["val/rank_ic"] for e in histories[1]]
    scores = [polars.read_parquet(run / "predictions.parquet") for run in (whole, second)]
    assert scores[0].equals(scores[1])


@pytest.mark.slow  # a resumed run with one of them is compared below, what two deliver in tests/data/test_loader.py
@pytest.mark.filterwarnings("ignore:.*does not have many workers.*")
def test_two_spawned_workers_train_the_same_weights_as_none(
    tiny_run: Any, atft: Callable[..., Any], tmp_path: Path
) -> None:
    workers = ["--data.loader.num_workers", "2", "--trainer.default_root_dir", str(tmp_path)]
    outcome = atft("fit", "--config", tiny_run.config, *workers)
    assert outcome.code == 0, outcome
    assert same(weights(tmp_path / "tiny" / "version_0"), weights(tiny_run.directory))


def test_a_run_that_a_stop_cut_off_within_an_epoch_goes_on_to_the_bits_of_an_uninterrupted_one(
    tiny_run: Any,
    tiny_config: Callable[..., Path],
    atft: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With a schedule of torch's, which steps where an epoch ends; as a time limit stops it, after any block."""
    config = tiny_config(
        tmp_path,
        tiny_run.panel,
        trainer__max_epochs=3,
        model__scheduler={
            "class_path": "torch.optim.lr_scheduler.ExponentialLR",
            "init_args": {"gamma": 0.5},
        },
    )
    cache = ["--data.cache.dir", str(tiny_run.folder / "cache")]
    assert atft("fit", "--config", config, *cache, "--name", "whole").code == 0
    ends = EpochLine.on_train_batch_end

    def stop(self: EpochLine, trainer: pl.Trainer, *arguments: Any) -> None:
        ends(self, trainer, *arguments)
        trainer.should_stop = trainer.should_stop or trainer.global_step == 7

    with monkeypatch.context() as patch:
        patch.setattr(EpochLine, "on_train_batch_end", stop)
        assert atft("fit", "--config", config, *cache).code == 0
    whole, cut, resumed = (
        tmp_path / "logs" / name for name in ("whole/version_0", "tiny/version_0", "tiny/version_1")
    )
    assert (read_receipt(cut).status, read_receipt(cut).epochs, read_receipt(cut).steps) == ("stopped", 2, 7)
    assert atft("fit", "--config", config, *cache, "--ckpt_path=last").code == 0
    assert same(weights(whole), weights(resumed))
    one, other = (json.loads((run / "metrics.json").read_text())["epochs"] for run in (whole, resumed))
    assert [(e["epoch"], e["step"], e["val/rank_ic"]) for e in one] == [
        (e["epoch"], e["step"], e["val/rank_ic"]) for e in other
    ]
    assert read_receipt(resumed).status == "completed"
    assert read_receipt(resumed).rows["train"].seen == read_receipt(resumed).rows["train"].planned
    steps = ["--name", "steps", "--trainer.max_steps", "7"]
    assert atft("fit", "--config", config, *cache, *steps).code == 0
    limited = tmp_path / "logs" / "steps" / "version_0"
    assert (read_receipt(limited).status, read_receipt(limited).reason) == ("limited", "max_steps=7")
    assert same(weights(cut), weights(limited))


AVERAGE = {
    "class_path": "atft.callbacks.exponential_average.ExponentialAverage",
    "init_args": {"decay": 0.9},
}
PHASES = [
    {"name": "first", "epochs": 1, "parts": {"window_norm": False, "graph": False}},
    {"name": "second", "epochs": 1, "train": ["graph", "heads"], "lr_factor": 0.5},
]


@pytest.fixture(scope="module")
def interrupted(
    tiny_run: Any,
    tiny_config: Callable[..., Path],
    atft: Callable[..., Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A run in phases, with dropout and averaged weights, that left a checkpoint after each step and after each
    block inside a step."""
    folder = tmp_path_factory.mktemp("interrupted")
    config = tiny_config(
        folder,
        tiny_run.panel,
        trainer__max_epochs=2,
        trainer__callbacks=[AVERAGE],
        curriculum={"phases": PHASES},
    )

    ends = RankingTask.on_train_batch_end

    def save(task: RankingTask, outputs: Any, batch: DayBatch, index: int) -> None:
        ends(task, outputs, batch, index)
        where = "after" if batch.closes_step else "inside"
        name = f"{where}_{task.current_epoch}_{batch.position}_{task.trainer.is_last_batch}.ckpt"
        task.trainer.save_checkpoint(folder / "steps" / name)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RankingTask, "on_train_batch_end", save)
        cache = ["--data.cache.dir", tiny_run.folder / "cache"]
        assert atft("fit", "--config", config, *cache, "--name", "whole").code == 0
    return folder


@pytest.mark.filterwarnings("ignore:.*does not have many workers.*")
@pytest.mark.parametrize(
    ("where", "workers", "residency"),
    [
        pytest.param("after_0_*_False", 0, "auto", marks=pytest.mark.slow),
        pytest.param("after_1_*_False", 1, "auto", marks=pytest.mark.slow),
        ("inside_1_*", 0, "auto"),
        ("inside_0_0_*", 0, "device"),
        ("after_0_*_True", 0, "auto"),
    ],
)
def test_a_run_that_goes_on_from_the_middle_of_an_epoch_equals_the_uninterrupted_one(
    where: str,
    workers: int,
    residency: str,
    interrupted: Path,
    tiny_run: Any,
    atft: Callable[..., Any],
    tmp_path: Path,
) -> None:
    found = sorted((interrupted / "steps").glob(f"{where}.ckpt"))
    checkpoint = found[len(found) // 2]
    options = ["--data.cache.dir", tiny_run.folder / "cache", "--trainer.default_root_dir", tmp_path]
    options += ["--data.loader.num_workers", workers, "--data.loader.residency", residency]
    options += ["--ckpt_path", checkpoint]
    resumed = atft("fit", "--config", interrupted / "tiny.yaml", *options)
    assert resumed.code == 0, resumed
    whole, run = interrupted / "logs" / "whole" / "version_0", tmp_path / "tiny" / "version_0"
    assert same(weights(whole), weights(run))
    seen, of_whole = read_receipt(run), read_receipt(whole)
    assert (seen.days, seen.rows) == (of_whole.days, of_whole.rows)
    one, other = torch.load(whole / "last.ckpt"), torch.load(run / "last.ckpt")
    assert same(one["current_model_state"], other["current_model_state"])
    assert one["global_step"] == other["global_step"]
    assert one["lr_schedulers"][0]["_last_lr"] == other["lr_schedulers"][0]["_last_lr"]
    if "True" not in where:  # that checkpoint is of before a validation, whose epoch the whole run may select
        scores = [polars.read_parquet(folder / "predictions.parquet") for folder in (whole, run)]
        assert scores[0].equals(scores[1])
