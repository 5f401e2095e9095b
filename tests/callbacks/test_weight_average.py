"""What averages share: buffers are the task's own, and validation measures the average."""

from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch

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
