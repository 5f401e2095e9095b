"""A metric belongs to the weights that it was measured with: it is gone once they change, and travels with them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch

from atft.batch import DayBatch
from atft.callbacks.record.measured import Measured, measured_now, measured_of
from atft.errors import InputError
from small_task import IN_MEMORY, fit, small_task
from tests.support.checkpoints import small_checkpoint

pytestmark = IN_MEMORY


def test_a_metric_is_known_from_its_validation_until_the_weights_change_and_stands_in_every_checkpoint(
    make_batch: Callable[..., DayBatch], tmp_path: Path
) -> None:
    blocks = [make_batch(seed=s) for s in range(2)]
    seen: list[Measured] = []

    class Look(pl.Callback):
        def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
            assert not measured_now(trainer).validation()

        def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
            seen.append(measured_now(trainer))
            path = tmp_path / f"{len(seen)}.ckpt"
            trainer.save_checkpoint(path, weights_only=False)
            assert measured_of(path) == seen[-1]

    module = small_task()
    fit(module, blocks, tmp_path, Look(), val_blocks=blocks, max_epochs=4, check_val_every_n_epoch=2)
    assert [(m.step, m.epoch) for m in seen] == [(2, 0), (4, 1), (6, 2), (8, 3)]
    assert ["val/rank_ic" in m.validation() for m in seen] == [False, True, False, True]
    assert all("train/loss" in m.metrics and "train/loss" not in m.validation() for m in seen)
    # The weights in the file are those that were measured.
    module.load_state_dict(torch.load(tmp_path / "2.ckpt")["state_dict"])
    trainer = pl.Trainer(
        **dict.fromkeys(
            ("logger", "enable_progress_bar", "enable_model_summary", "enable_checkpointing"), False
        ),
        accelerator="cpu",
    )
    loader = torch.utils.data.DataLoader(blocks, batch_size=None)  # type: ignore[arg-type]
    (again,) = trainer.validate(module, loader, verbose=False)
    assert again["val/rank_ic"] == seen[1].metrics["val/rank_ic"]


def test_a_checkpoint_that_says_nothing_was_not_measured(tmp_path: Path) -> None:
    torch.save(small_checkpoint(global_step=3, epoch=1), tmp_path / "old.ckpt")
    assert measured_of(tmp_path / "old.ckpt") == Measured(3, 1, {})
    with pytest.raises(InputError, match="no such file"):
        measured_of(tmp_path / "none.ckpt")
