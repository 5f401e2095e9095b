"""Every fit has its guards; a callback that would watch nothing is refused."""

from typing import Any

import pytest
from lightning.pytorch.callbacks import (
    EarlyStopping,
    EMAWeightAveraging,
    ModelCheckpoint,
    StochasticWeightAveraging,
    WeightAveraging,
)

from atft.callbacks.late_average import LateAverage
from atft.commands.run_callbacks import (
    FITTING,
    MONITORS,
    refuse_unknown_metrics,
    refuse_unmeasured_averages,
)
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


@pytest.mark.parametrize(
    ("callback", "message"),
    [
        (
            StochasticWeightAveraging(0.1),
            "sets its average after the last validation, no checkpoint would hold it",
        ),
        (EMAWeightAveraging(use_buffers=False), "would never learn the features' scaling"),
        (EMAWeightAveraging(update_starting_at_step=9), "validation would measure the untrained network"),
        (EMAWeightAveraging(update_starting_at_epoch=2), "would hold other weights than were measured"),
    ],
)
def test_an_average_that_validation_would_not_measure_is_refused(callback: Any, message: str) -> None:
    with pytest.raises(InputError, match=f"trainer.callbacks: {type(callback).__name__} .*{message}"):
        refuse_unmeasured_averages([callback], 5)


def test_averages_from_the_first_step_on_are_taken() -> None:
    refuse_unmeasured_averages([EMAWeightAveraging(), WeightAveraging(), LateAverage(3)], 5)
