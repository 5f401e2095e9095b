"""Averaged weights: measured by validation, kept in the checkpoint, scored afterwards, resumed exactly."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import lightning.pytorch as pl
import pytest
import torch

from atft.callbacks.late_average import LateAverage
from atft.callbacks.record.receipt import read_receipt
from atft.errors import InputError

AVERAGES = {
    "exponential": {
        "class_path": "atft.callbacks.exponential_average.ExponentialAverage",
        "init_args": {"decay": 0.9},
    },
    "late": {"class_path": "atft.callbacks.late_average.LateAverage", "init_args": {"from_epoch": 2}},
}


class Weights(pl.LightningModule):
    """One weight that each step sets to its number: 1, 2, 3 …"""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))


def stepped(average: LateAverage, epochs: list[int]) -> float:
    """The average after one step in each of the epochs, the n-th of which leaves the weight n."""
    module = Weights()
    average.setup(Mock(spec=pl.Trainer), module, "fit")
    for step, epoch in enumerate(epochs, start=1):
        module.weight.data.fill_(step)
        trainer = Mock(spec=pl.Trainer, current_epoch=epoch - 1, global_step=step)
        average.on_train_batch_end(trainer, module, None, None, step)
    assert average._average_model is not None
    return float(next(average._average_model.module.parameters()).detach())


def test_the_average_is_the_plain_mean_from_its_first_epoch_on_and_follows_before() -> None:
    assert stepped(LateAverage(3), [1, 1, 2]) == 3
    assert stepped(LateAverage(3), [1, 1, 2, 3, 3, 4]) == pytest.approx((4 + 5 + 6) / 3)
    assert stepped(LateAverage(1), [1, 1, 2]) == pytest.approx(2)


def test_an_epoch_below_1_is_an_error() -> None:
    with pytest.raises(InputError, match=r"LateAverage\.from_epoch must be at least 1, got 0"):
        LateAverage(0)


@pytest.mark.parametrize(
    ("name", "select"), [pytest.param("exponential", "last", marks=pytest.mark.slow), ("late", "best")]
)
def test_the_selected_checkpoint_holds_the_weights_that_validation_measured(
    name: str,
    select: str,
    tiny_run: Any,
    tiny_config: Callable[..., Path],
    atft: Callable[..., Any],
    tmp_path: Path,
) -> None:
    cache = {"dir": str(tiny_run.folder / "cache")}
    config = tiny_config(
        tmp_path,
        tiny_run.panel,
        trainer__max_epochs=3,
        trainer__callbacks=[AVERAGES[name]],
        data__cache=cache,
        checkpoint={"select": select},
    )
    assert atft("fit", "--config", config, "--name", "whole").code == 0
    whole = tmp_path / "logs" / "whole" / "version_0"
    best, last = (torch.load(whole / f"{n}.ckpt") for n in ("best_model", "last"))
    epochs = json.loads((whole / "metrics.json").read_text())["epochs"]
    if select == "last":
        assert best["epoch"] == 2 and read_receipt(whole).select == "last"
        assert "weights of epoch 3 of 3, the last" in (whole / "comparison.txt").read_text()
        # Ten epochs of patience end no training of three.
        assert "weights   the last epoch's are scored\n" in (whole / "run.log").read_text()
    where = ["--data.cache.dir", cache["dir"]]
    outcome = atft("validate", "--ckpt_path", whole / "best_model.ckpt", *where)
    said = dict(line.split() for line in outcome.out.splitlines())
    assert float(said["val/rank_ic"]) == pytest.approx(epochs[best["epoch"]]["val/rank_ic"], abs=1e-4)
    # The control: the weights that stepped are others than the average that was measured.
    differ = [n for n, v in last["state_dict"].items() if not torch.equal(v, last["current_model_state"][n])]
    assert differ
    assert atft("fit", "--config", config, "--trainer.max_epochs", "2").code == 0
    assert atft("fit", "--config", config, "--ckpt_path=last").code == 0
    resumed = torch.load(tmp_path / "logs" / "tiny" / "version_1" / "last.ckpt")
    for part in ("state_dict", "current_model_state", "averaging_state"):
        assert all(torch.equal(v, resumed[part][n]) for n, v in last[part].items()), part
