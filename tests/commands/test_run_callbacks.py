"""Every fit has its guards; a callback that would watch nothing is refused."""

import pytest
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint

from atft.commands.run_callbacks import FITTING, MONITORS, refuse_unknown_metrics
from atft.errors import InputError


def test_every_monitor_means_something_in_training_only() -> None:
    assert set(MONITORS.values()) < set(FITTING)


def test_a_metric_that_nothing_logs_is_refused_with_the_nearest() -> None:
    known = {"val/rank_ic", "train/loss"}
    refuse_unknown_metrics([EarlyStopping("val/rank_ic"), ModelCheckpoint()], known)
    with pytest.raises(
        InputError, match=r"early_stopping\.monitor: no metric 'val/rankic'; did you mean 'val/rank_ic'"
    ):
        refuse_unknown_metrics([EarlyStopping("val/rankic")], known)
    with pytest.raises(InputError, match=r"checkpoint\.monitor: no metric 'loss'"):
        refuse_unknown_metrics([ModelCheckpoint(monitor="loss")], known)
