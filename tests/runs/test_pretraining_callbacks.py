"""A pretraining keeps what watches training, and serves no key that needs a validation."""

from pathlib import Path

import pytest
from lightning.pytorch.callbacks import EarlyStopping

from atft.callbacks.figures.validation import ValidationFigures
from atft.callbacks.guards.collapse import CollapseGuard
from atft.callbacks.guards.spike import SpikeGuard
from atft.callbacks.record.epoch_progress import EpochProgress
from atft.callbacks.record.run_checkpoint import RunCheckpoint
from atft.callbacks.record.run_record import RunRecord
from atft.errors import InputError
from atft.runs.pretraining_callbacks import PretrainedCheckpoint, check_pretraining, pretraining_callbacks


def test_what_watches_training_stays_and_what_reads_a_validation_goes(tmp_path: Path) -> None:
    spike, record = SpikeGuard(7.0), RunRecord("", tmp_path)
    built = [EarlyStopping("val/rank_ic"), spike, CollapseGuard(), ValidationFigures(), RunCheckpoint()]
    callbacks = pretraining_callbacks(built, record, quiet=True)
    assert callbacks[0] is record and spike in callbacks and record.to_write == ()
    assert not any(isinstance(c, EarlyStopping | CollapseGuard | ValidationFigures) for c in callbacks)
    assert [type(c) for c in callbacks if isinstance(c, RunCheckpoint)] == [PretrainedCheckpoint]
    assert not any(isinstance(c, EpochProgress) for c in callbacks)
    assert any(isinstance(c, EpochProgress) for c in pretraining_callbacks(built, record, quiet=False))


def test_phases_a_checkpoint_to_go_on_from_and_no_epochs_are_errors() -> None:
    check_pretraining(2, [], None)
    with pytest.raises(InputError, match=r"no phases; add --curriculum.phases null"):
        check_pretraining(2, ["Baseline"], None)
    with pytest.raises(InputError, match=r"leave ckpt_path out, or begin with weights by --init_from"):
        check_pretraining(2, [], "last")
    for epochs in (None, -1, 0):
        with pytest.raises(InputError, match=r"set a number of epochs, at least 1"):
            check_pretraining(epochs, [], None)
