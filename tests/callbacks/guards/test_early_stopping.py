"""Early stopping: no better score where the best epoch is scored, a diverged one where the last epoch is."""

from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.callbacks import early_stopping as lightning

from atft.callbacks.guards.early_stopping import EarlyStopping
from atft.callbacks.record.run_checkpoint import RunCheckpoint
from atft.callbacks.record.run_end import stop_reason


def stopped_at(select: Any, scores: list[float], **options: Any) -> tuple[int | None, EarlyStopping]:
    """The epoch, from 1, after which a run with these validations ends; None where it does not."""
    callback, checkpoint = EarlyStopping(**{"patience": 2, **options}), RunCheckpoint(select)
    trainer = Mock(spec=pl.Trainer, callbacks=[checkpoint], val_check_interval=1.0, check_val_every_n_epoch=1)
    callback.setup(trainer, Mock(spec=pl.LightningModule), "fit")
    for epoch, score in enumerate(scores, start=1):
        if callback._evaluate_stopping_criteria(torch.tensor(score))[0]:
            return epoch, callback
    return None, callback


def test_where_the_best_epoch_is_scored_it_is_lightnings() -> None:
    assert stopped_at("best", [0.06, 0.058, 0.059, 0.061])[0] == 3
    ours, theirs = EarlyStopping("val/ic", patience=3), lightning.EarlyStopping("val/ic", mode="max")
    assert ours.state_key == theirs.state_key and ours.state_dict() == theirs.state_dict()


@pytest.mark.parametrize(
    ("scores", "epoch", "options"),
    [
        ([0.06, 0.058, 0.04, 0.031, 0.031, 0.031], None, {}),  # worse, and not half as good
        ([0.06, 0.029, 0.02], 3, {}),
        ([0.06, 0.029, 0.031, 0.029, 0.03], None, {}),  # not in a row
        ([0.06, 0.029, 0.031, 0.029, 0.029], 5, {}),
        ([0.02, 0.06, 0.029, 0.029], 4, {}),  # of the best, which comes later
        ([0.06, float("nan"), float("nan")], 3, {}),
        ([float("nan"), 0.06, 0.05, 0.05], None, {}),
        ([-0.02, -0.03, -0.031, -0.031], 4, {}),
        ([0.06, 0.05, 0.04], None, {"patience": 0}),
        ([0.06, 0.01], 2, {"patience": 0}),
        ([1.0, 1.4, 1.4, 1.6, 1.6], 5, {"mode": "min"}),
        ([0.06, 0.055, 0.0601, 0.0602], None, {"min_delta": 0.01}),
        ([0.06, 0.05, 0.09], 3, {"stopping_threshold": 0.08}),
        ([0.06, 0.04, 0.05], 2, {"divergence_threshold": 0.045}),
    ],
)
def test_where_the_last_epoch_is_scored_only_a_diverged_score_ends_a_run(
    scores: list[float], epoch: int | None, options: dict[str, Any]
) -> None:
    assert stopped_at("last", scores, **options)[0] == epoch


def test_the_reason_of_a_run_that_diverged_names_the_rule() -> None:
    epoch, callback = stopped_at("last", [0.06, 0.01, 0.02])
    assert epoch == 3
    assert stop_reason(SimpleNamespace(callbacks=[], stopped_by=callback)) == (
        "val/rank_ic was worse than its best, 0.0600, by over half of it for 2 epochs"
    )
