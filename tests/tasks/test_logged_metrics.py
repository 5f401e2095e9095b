"""Nobody but the task logs its metrics; other names are free."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest

from atft.batch import DayBatch
from atft.errors import InputError
from small_task import IN_MEMORY, fit
from small_task import small_task as task

pytestmark = IN_MEMORY


class Logs(pl.Callback):
    """Logs a 1 by a name, alone or among others, at one of a validation's hooks."""

    def __init__(self, name: str, hook: str, many: bool = False) -> None:
        self.name, self.many = name, many
        setattr(self, hook, self.write)

    def write(self, trainer: pl.Trainer, module: pl.LightningModule, *_: Any) -> None:
        if self.many:
            module.log_dict({"mine/first": 0.0, self.name: 1.0})
        else:
            module.log(self.name, 1.0)


HOOKS = ["on_validation_epoch_end", "on_validation_batch_end", "on_train_batch_end", "on_train_epoch_end"]


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("name", ["val/rank_ic", "val/ic_1d", "train/loss", "test/rank_ic"])
def test_a_metric_of_the_task_is_logged_by_nobody_else(
    name: str, hook: str, make_batch: Callable[..., DayBatch], tmp_path: Path
) -> None:
    blocks = [make_batch()]
    for many in (False, True):
        with pytest.raises(
            InputError, match=f"^{name} is a metric of atft's, and something else logs it too"
        ):
            fit(task(), blocks, tmp_path, Logs(name, hook, many), val_blocks=blocks)


def test_a_class_derived_from_the_task_may_not_log_them_again(
    make_batch: Callable[..., DayBatch], tmp_path: Path
) -> None:
    derived = task()
    blocks = [make_batch()]

    def logs_twice() -> None:
        type(derived).on_validation_epoch_end(derived)
        derived.log("val/rank_ic", 1.0)

    derived.on_validation_epoch_end = logs_twice  # type: ignore[method-assign]
    with pytest.raises(InputError, match="val/rank_ic is a metric of atft's"):
        fit(derived, blocks, tmp_path, val_blocks=blocks)


@pytest.mark.parametrize("hook", HOOKS)
def test_other_names_are_free_and_change_nothing(
    hook: str, make_batch: Callable[..., DayBatch], tmp_path: Path
) -> None:
    blocks = [make_batch()]
    alone = fit(task(), blocks, tmp_path / "alone", val_blocks=blocks).callback_metrics
    beside = fit(
        task(), blocks, tmp_path / "beside", Logs("val/rank_ic_of_mine", hook), val_blocks=blocks
    ).callback_metrics
    assert float(beside["val/rank_ic_of_mine"]) == 1
    assert alone == {name: value for name, value in beside.items() if name != "val/rank_ic_of_mine"}
