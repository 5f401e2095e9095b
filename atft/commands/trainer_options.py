"""Options of the trainer that this task cannot serve: one line each, before anything is built.

Steps are planned by the day data and applied by the task, each epoch is measured and kept whole: what Lightning
would do about it by itself contradicts that, or is ignored. A line names the key that does it here.
"""

import math
from collections.abc import Callable, Mapping
from functools import reduce
from operator import or_
from typing import Any

import lightning.pytorch as pl
from jsonargparse import ArgumentParser

from atft.callbacks.record.atomic_checkpoint import read_checkpoint
from atft.commands.key_tree import alternatives
from atft.errors import InputError, clip
from atft.tasks.day_data import DayData

MAX_SEED = 2**32 - 1
"""The largest that numpy takes."""


def _zero(value: Any) -> bool:
    return value in (None, 0)


def _number_of_blocks(value: Any) -> bool:
    """A whole number, or all of them: 1.0 is all, 1 is one."""
    return value is None or (value == 1.0 if isinstance(value, float) else value >= 1)


def _at_least(least: int) -> Callable[[Any], bool]:
    return lambda value: value is None or value >= least


BLOCKS_OR_ALL = (_number_of_blocks, "set a whole number of blocks, at least 1, or leave it out")

SERVED: dict[str, tuple[Callable[[Any], bool], str]] = {
    "accumulate_grad_batches": (
        lambda v: v in (None, 1),
        "steps are made by data.loader.batch_size; set that",
    ),
    "gradient_clip_val": (lambda v: v is None, "set model.gradient_clip"),
    "gradient_clip_algorithm": (
        lambda v: v is None,
        "gradients are clipped by their norm; set model.gradient_clip",
    ),
    "limit_val_batches": (
        _number_of_blocks,
        "epochs are compared on them; set a number of blocks, at least 1",
    ),
    "limit_train_batches": BLOCKS_OR_ALL,
    "limit_test_batches": BLOCKS_OR_ALL,
    "limit_predict_batches": BLOCKS_OR_ALL,
    "overfit_batches": (_zero, "set trainer.limit_train_batches for a short run"),
    "check_val_every_n_epoch": (_at_least(1), "set a number of epochs, at least 1"),
    "max_epochs": (_at_least(-1), "set a number of epochs"),
    "min_epochs": (_at_least(0), "set a number of epochs"),
    "max_steps": (lambda v: v in (None, -1) or v >= 1, "set a number of steps, at least 1, or leave it out"),
    "num_sanity_val_steps": (_zero, "the checks of a run come before its first step; leave it out"),
    "log_every_n_steps": (_at_least(1), "set a number of steps, at least 1"),
    "reload_dataloaders_every_n_epochs": (_zero, "each epoch is planned again anyway; leave it out"),
    "use_distributed_sampler": (lambda v: not v, "blocks of days are divided by the data; leave it out"),
    "enable_checkpointing": (lambda v: v is not False, "nothing would be left to compare; leave it out"),
    "barebones": (lambda v: not v, "nothing would be measured or kept; leave it out"),
}
"""Key of ``trainer`` -> whether a value can be served, and what to do instead."""


def read_whole_numbers_as_such(parser: ArgumentParser) -> None:
    """Let ``3`` be 3 where an option takes whole numbers and fractions, and not 3.0.

    ``Union[int, float]`` and ``Union[float, int]`` are one entry in Python's cache of types: which order the parser
    tries depends on what was imported first, and ``limit_train_batches 1`` would be all batches, not one.
    """
    for action in parser._actions:
        kinds = alternatives(getattr(action, "_typehint", None))
        if int in kinds and float in kinds:
            others = [kind for kind in kinds if kind not in (int, float)]
            action._typehint = reduce(or_, [int, float, *others])  # type: ignore[attr-defined]


def check_trainer_options(trainer: Mapping[str, Any]) -> None:
    """Check that the task serves every option of the parsed ``trainer`` section.

    Raises:
        InputError: the first one that it does not serve, and the key that does it here.
    """
    for key, (served, instead) in SERVED.items():
        value = trainer.get(key)
        if isinstance(value, float) and not math.isfinite(value):
            raise InputError(f"trainer.{key} must be a finite number, got {value}")
        if not served(value):
            raise InputError(f"trainer.{key} is {clip(repr(value), 40)}: {instead}")


def check_seed(seed: int) -> None:
    """Check that every random generator takes the seed; ``true`` draws one, ``false`` sets none.

    Raises:
        InputError: it is negative or too large.
    """
    if not isinstance(seed, bool) and not 0 <= seed <= MAX_SEED:
        raise InputError(f"seed_everything must be 0 to {MAX_SEED}, got {seed}")


def check_start(trainer: pl.Trainer, data: DayData, resumed: str | None) -> None:
    """Check that training can begin, or go on, and that ``max_steps`` lets its first epoch end.

    Args:
        trainer: built, not started.
        data: its cache is open.
        resumed: checkpoint to go on from; None begins.

    Raises:
        InputError: the checkpoint has weights only; or nothing would be kept, since that is done at the end of an
            epoch.
    """
    if resumed is not None:
        if not read_checkpoint(resumed).get("optimizer_states"):
            raise InputError(
                f"{resumed}: holds weights only, training cannot go on from it; train with "
                f"checkpoint.save_weights_only: false"
            )
        return
    if trainer.max_steps < 1 or trainer.fast_dev_run:  # type: ignore[attr-defined]
        return
    data.trainer = trainer  # its limits count in the plan
    steps = sum(block.closes_step for block in data.train_dataloader().plan.plan(0))
    if trainer.max_steps < steps:
        raise InputError(
            f"trainer.max_steps is {trainer.max_steps}: the first epoch has {steps} steps, nothing is kept before "
            f"its end; raise it, or set trainer.limit_train_batches"
        )
