"""Options of the trainer that this task cannot serve are one line before anything is made."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from atft.callbacks.record.receipt import read_receipt
from atft.errors import InputError
from atft.runs.trainer_options import ALLOWED, MINIMUMS, check_seed, check_trainer_options

DEFAULTS = {
    "accumulate_grad_batches": 1,
    "overfit_batches": 0.0,
    "max_steps": -1,
    "limit_train_batches": None,
    "check_val_every_n_epoch": 1,
    "num_sanity_val_steps": 0,
    "use_distributed_sampler": False,
    "enable_checkpointing": None,
}


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("accumulate_grad_batches", 4, "data.loader.batch_size"),
        ("accumulate_grad_batches", 0, "data.loader.batch_size"),
        ("gradient_clip_val", 0.5, "model.gradient_clip"),
        ("gradient_clip_algorithm", "value", "model.gradient_clip"),
        ("overfit_batches", 1, "limit_train_batches"),
        ("overfit_batches", 0.5, "limit_train_batches"),
        ("limit_val_batches", 0, "at least 1"),
        ("limit_val_batches", 0.5, "at least 1"),
        ("limit_train_batches", 0, "at least 1"),
        ("limit_train_batches", 0.0001, "a whole number of blocks"),
        ("limit_train_batches", -1, "at least 1"),
        ("limit_test_batches", 1.5, "at least 1"),
        ("check_val_every_n_epoch", 0, "at least 1"),
        ("max_epochs", -2, "number of epochs"),
        ("max_steps", 0, "at least 1"),
        ("max_steps", -2, "at least 1"),
        ("num_sanity_val_steps", 2, "leave it out"),
        ("log_every_n_steps", 0, "at least 1"),
        ("reload_dataloaders_every_n_epochs", 1, "leave it out"),
        ("use_distributed_sampler", True, "leave it out"),
        ("enable_checkpointing", False, "leave it out"),
        ("barebones", True, "leave it out"),
        ("enable_autolog_hparams", False, "the settings are in hparams.yaml"),
        ("model_registry", "mine", "checkpoints stay in the run's directory"),
    ],
)
def test_an_option_that_the_task_does_not_serve_names_the_key_that_does(
    key: str, value: Any, said: str
) -> None:
    with pytest.raises(InputError) as raised:
        check_trainer_options({**DEFAULTS, key: value})
    line = str(raised.value)
    assert line.startswith(f"trainer.{key} ") and said in line and len(line) < 187


@pytest.mark.parametrize("value", [1, 0.5, 3])
def test_a_limit_that_a_command_ignores_is_an_error_there(value: Any) -> None:
    for command in ("fit", "predict", "validate"):
        for key in ("limit_test_batches", "limit_predict_batches"):
            with pytest.raises(
                InputError, match=rf"^trainer\.{key} is {value}: .*(leave it out|set data\.predict)"
            ):
                check_trainer_options({**DEFAULTS, key: value}, command)
    check_trainer_options({**DEFAULTS, "limit_test_batches": 3}, "test")
    check_trainer_options(
        {"limit_test_batches": 3, "limit_predict_batches": 3}
    )  # a trainer of Python has both
    for every in (None, 1.0):
        check_trainer_options({"limit_test_batches": every, "limit_predict_batches": every}, "fit")


def test_what_the_task_serves_passes() -> None:
    check_trainer_options(DEFAULTS)
    check_trainer_options({"limit_train_batches": 1, "limit_val_batches": 1.0})
    check_trainer_options({"max_epochs": -1, "max_steps": 5, "check_val_every_n_epoch": None})
    check_trainer_options({"enable_checkpointing": True})
    assert set(DEFAULTS) <= {*ALLOWED, *MINIMUMS}


def test_nothing_is_made_before_the_line(tiny_run: Any, atft: Callable[..., Any], tmp_path: Path) -> None:
    option = ["--trainer.accumulate_grad_batches", "4"]
    outcome = atft("fit", "--config", tiny_run.config, "--trainer.default_root_dir", tmp_path, *option)
    assert outcome.code == 2 and "data.loader.batch_size" in outcome.error_line
    assert list(tmp_path.iterdir()) == []


def test_steps_that_end_within_the_first_epoch_leave_what_they_have_trained(
    tiny_run: Any, atft: Callable[..., Any], tmp_path: Path
) -> None:
    limit = ["--trainer.default_root_dir", tmp_path, "--trainer.max_steps", "2"]
    assert atft("fit", "--config", tiny_run.config, *limit).code == 0
    (best,) = tmp_path.rglob("best_model.ckpt")
    assert torch.load(best)["global_step"] == 2
    receipt = read_receipt(best.parent)
    assert (receipt.status, receipt.reason, receipt.steps) == ("limited", "max_steps=2", 2)


def test_training_does_not_go_on_from_weights_alone(
    tiny_run: Any, atft: Callable[..., Any], tmp_path: Path
) -> None:
    from atft.files.checkpoint_file import read_checkpoint
    from atft.files.checkpoint_io import AtomicCheckpointIO

    whole = read_checkpoint(tiny_run.directory / "last.ckpt")
    kept = {k: v for k, v in whole.items() if k not in ("optimizer_states", "lr_schedulers")}
    AtomicCheckpointIO().save_checkpoint(kept, tmp_path / "weights.ckpt")
    more = ["--trainer.max_epochs", "3", "--trainer.default_root_dir", tmp_path / "logs"]
    outcome = atft("fit", "--config", tiny_run.config, "--ckpt_path", tmp_path / "weights.ckpt", *more)
    assert outcome.error_line.endswith("train with checkpoint.save_weights_only: false") and outcome.code == 2
    assert not (tmp_path / "logs").exists()


def test_a_seed_is_what_every_generator_takes() -> None:
    for seed in (0, 2**32 - 1, True, False):
        check_seed(seed)
    for seed in (-1, 2**32):
        with pytest.raises(InputError, match=f"seed_everything must be 0 to 4294967295, got {seed}"):
            check_seed(seed)
