"""What averages share: buffers are the task's own, validation measures the average, and any checkpoint has it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.callbacks import EMAWeightAveraging, WeightAveraging

from atft.batch import DayBatch
from atft.callbacks.exponential_average import ExponentialAverage
from atft.callbacks.late_average import LateAverage
from atft.callbacks.weight_average import WeightAverage
from atft.losses.objective import ObjectiveOptions
from small_task import IN_MEMORY, fit, small_task
from tests.support.stepped_weights import stepped

pytestmark = IN_MEMORY


@pytest.mark.parametrize("average", [ExponentialAverage(0.5), LateAverage(2)])
def test_buffers_are_those_of_the_last_step_and_of_the_task_while_it_is_validated(
    average: WeightAverage,
) -> None:
    module, averaged = stepped(average, [1.0, 2.0, 4.0])
    assert averaged.edges.tolist() == [-torch.inf, 0, torch.inf] and averaged.count == 3
    mean = averaged.first.tolist()
    module.count.fill_(7)
    average.on_validation_epoch_start(Mock(), module)
    assert module.first.tolist() == mean and averaged.first.tolist() == [4, 4] and module.count == 7
    average.on_validation_epoch_end(Mock(), module)
    assert module.first.tolist() == [4, 4] and averaged.first.tolist() == mean
    average.on_train_end(Mock(), module)
    assert module.first.tolist() == mean and module.count == 7


@pytest.mark.parametrize("average", [ExponentialAverage(0.5), LateAverage(1)])
def test_the_average_goes_with_the_task_to_its_device_and_its_count_stays_on_the_cpu(
    average: WeightAverage,
) -> None:
    """Lightning makes it before it moves the task: each step would copy all weights to the CPU."""
    module = small_task()
    average.setup(Mock(), module, "fit")
    module.to("meta")
    average.on_fit_start(Mock(), module)
    model = average._average_model
    assert model is not None
    assert {x.device.type for x in (*model.module.parameters(), *model.module.buffers())} == {"meta"}
    assert model.n_averaged.device.type == "cpu"


def test_an_average_of_a_task_that_learns_its_days_when_it_begins_is_of_that_task(
    make_batch: Callable[..., DayBatch], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lightning copies the task before it has seen the data: what it learns there has its final shape."""
    options = ObjectiveOptions(
        terms={"ic": 1.0}, recency_half_life_days=50, regime_weights={"b": 0.1}, neutral_to=["sector", "size"]
    )
    task, average, blocks = small_task(objective=options), ExponentialAverage(0.9), [make_batch(seed=1)]

    def setup(stage: str) -> None:
        task.objective.day_weights.fit(torch.arange(60, 103), torch.randn(43, 2), ("a", "b"))
        task.objective.neutral_targets.set_columns(["beta", "size"])

    monkeypatch.setattr(task, "setup", setup)
    fit(task, blocks, tmp_path, average, val_blocks=blocks)
    assert average._average_model is not None
    averaged = dict(average._average_model.module.named_buffers())
    assert averaged["objective.day_weights.newest"] == 102
    assert all(torch.equal(value, averaged[name]) for name, value in task.named_buffers())


@pytest.mark.parametrize("kind", [ExponentialAverage, EMAWeightAveraging])
def test_a_checkpoint_of_weights_alone_has_the_averaged_ones_that_validation_measures(
    kind: type[WeightAveraging], make_batch: Callable[..., DayBatch], tmp_path: Path
) -> None:
    task, average, blocks = small_task(), kind(decay=0.9), [make_batch(seed=s) for s in range(3)]
    files: dict[bool, dict[str, Any]] = {}

    class Save(pl.Callback):
        def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
            for alone in (False, True):
                trainer.save_checkpoint(tmp_path / "kept.ckpt", weights_only=alone)
                files[alone] = torch.load(tmp_path / "kept.ckpt")

    fit(task, blocks, tmp_path, average, Save(), val_blocks=blocks[:1])
    whole, alone = files[False], files[True]
    assert not same(whole["state_dict"], whole["current_model_state"])
    assert same(alone["state_dict"], whole["state_dict"])
    assert alone.keys() < whole.keys() and "current_model_state" not in alone


def same(weights: dict[str, torch.Tensor], others: dict[str, torch.Tensor]) -> bool:
    return weights.keys() == others.keys() and all(torch.equal(weights[n], others[n]) for n in weights)


@pytest.mark.parametrize("alone", [False, True])
def test_a_checkpoint_of_the_middle_of_a_validation_names_the_average_and_the_present_weights_as_any_other(
    alone: bool, make_batch: Callable[..., DayBatch], tmp_path: Path
) -> None:
    average, blocks = ExponentialAverage(0.9), [make_batch(seed=s) for s in range(3)]
    files = []

    class Save(pl.Callback):
        def on_validation_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
            trainer.save_checkpoint(tmp_path / "kept.ckpt", weights_only=alone)
            files.append(torch.load(tmp_path / "kept.ckpt"))

        def on_validation_end(self, trainer: pl.Trainer, *_: Any) -> None:
            self.on_validation_batch_end(trainer)

    fit(small_task(), blocks, tmp_path, average, Save(), val_blocks=blocks[:1], num_sanity_val_steps=0)
    inside, after = files
    for part in ("state_dict",) if alone else ("state_dict", "current_model_state", "averaging_state"):
        assert same(inside[part], after[part]), part


def test_a_callback_that_averages_a_second_training_begins_again(
    make_batch: Callable[..., DayBatch], tmp_path: Path
) -> None:
    blocks, averages = [make_batch(seed=s) for s in range(3)], [ExponentialAverage(0.9) for _ in range(2)]

    class Interrupts(pl.Callback):
        def on_validation_batch_end(self, *_: Any) -> None:
            raise RuntimeError("interrupted")

    with pytest.raises(RuntimeError, match="interrupted"):
        fit(
            small_task(),
            blocks,
            tmp_path,
            averages[0],
            Interrupts(),
            val_blocks=blocks,
            num_sanity_val_steps=0,
        )
    kept = []
    for average in averages:
        run = fit(small_task(), blocks, tmp_path, average)
        run.save_checkpoint(tmp_path / "kept.ckpt", weights_only=False)
        kept.append(torch.load(tmp_path / "kept.ckpt"))
    assert all(same(kept[0][part], kept[1][part]) for part in ("state_dict", "averaging_state"))
