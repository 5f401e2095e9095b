"""Options of the trainer that this task cannot serve: one line each, before anything is built.

Steps are planned by the day data and applied by the task, each epoch is measured and kept whole: what Lightning
would do about it by itself contradicts that, or is ignored. A line names the key that does it here.
"""

import math
from collections.abc import Mapping
from numbers import Integral
from typing import Any

from atft.errors import InputError, clip

MAX_SEED = 2**32 - 1
"""The largest that numpy takes."""


ALLOWED: dict[str, tuple[tuple[Any, ...], str]] = {
    "accumulate_grad_batches": ((None, 1), "steps are made by data.loader.batch_size; set that"),
    "gradient_clip_val": ((None,), "set model.gradient_clip"),
    "gradient_clip_algorithm": ((None,), "gradients are clipped by their norm; set model.gradient_clip"),
    "overfit_batches": ((None, 0), "set trainer.limit_train_batches for a short run"),
    "num_sanity_val_steps": ((None, 0), "the checks of a run come before its first step; leave it out"),
    "reload_dataloaders_every_n_epochs": ((None, 0), "each epoch is planned again anyway; leave it out"),
    "use_distributed_sampler": ((None, False), "blocks of days are divided by the data; leave it out"),
    "enable_checkpointing": ((None, True), "nothing would be left to compare; leave it out"),
    "enable_autolog_hparams": ((None, True), "the settings are in hparams.yaml of every run; leave it out"),
    "model_registry": ((None,), "checkpoints stay in the run's directory; leave it out"),
    "barebones": ((None, False), "nothing would be measured or kept; leave it out"),
}
"""Key of ``trainer`` -> the values that can be served, and what to do instead of another one."""

A_NUMBER_OF_BLOCKS = "set a whole number of blocks, at least 1, or leave it out"
MINIMUMS: dict[str, tuple[int, str]] = {
    "limit_train_batches": (1, A_NUMBER_OF_BLOCKS),
    "limit_val_batches": (1, "epochs are compared on them; set a number of blocks, at least 1"),
    "limit_test_batches": (1, A_NUMBER_OF_BLOCKS),
    "limit_predict_batches": (1, A_NUMBER_OF_BLOCKS),
    "check_val_every_n_epoch": (1, "set a number of epochs, at least 1"),
    "max_epochs": (-1, "set a number of epochs"),
    "min_epochs": (0, "set a number of epochs"),
    "max_steps": (1, "set a number of steps, at least 1, or leave it out"),
    "log_every_n_steps": (1, "set a number of steps, at least 1"),
}
"""Key of ``trainer`` -> the least whole number that can be served, and what to do instead of a smaller one."""

IGNORED: dict[str, tuple[tuple[str, ...], str]] = {
    "limit_test_batches": (("test",), "the command `test` alone reads it; leave it out"),
    "limit_predict_batches": ((), "every day that is asked for is scored; set data.predict: [from, to]"),
}
"""Key of ``trainer`` -> the commands that read it, and what to do where another one would ignore it."""


def check_trainer_options(trainer: Mapping[str, Any], command: str | None = None) -> None:
    """Check that the task serves every option of the parsed ``trainer`` section.

    Args:
        command: that builds the trainer; None in Python, where a trainer also tests and predicts.
    """
    for key, value in trainer.items():
        readers, instead = IGNORED.get(key, ((command,), ""))
        every = value is None or (isinstance(value, float) and value == 1.0)  # 1 is one block
        if command is not None and command not in readers and not every:
            raise InputError(f"trainer.{key} is {clip(repr(value), 40)}: {instead}")
        if isinstance(value, float) and not math.isfinite(value):
            raise InputError(f"trainer.{key} must be a finite number, got {value}")
        allowed, instead = ALLOWED.get(key, ((value,), ""))
        served = value in allowed
        if key in MINIMUMS and value is not None and not (key == "max_steps" and value == -1):  # all steps
            least, instead = MINIMUMS[key]
            # Of a number of blocks 1.0 means all and 1 means one; no other fraction can be served.
            whole = isinstance(value, Integral)
            served = value == 1.0 if isinstance(value, float) else whole and value >= least
        if not served:
            raise InputError(f"trainer.{key} is {clip(repr(value), 40)}: {instead}")


def check_seed(seed: int) -> None:
    """Check that every random generator takes the seed; ``true`` draws one, ``false`` sets none."""
    if not isinstance(seed, bool) and not 0 <= seed <= MAX_SEED:
        raise InputError(f"seed_everything must be 0 to {MAX_SEED}, got {seed}")
