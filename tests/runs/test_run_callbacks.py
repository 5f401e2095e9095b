"""Every fit has its guards; a callback that would watch nothing is an error."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
from lightning.pytorch.callbacks import (
    EarlyStopping,
    EMAWeightAveraging,
    ModelCheckpoint,
    StochasticWeightAveraging,
    WeightAveraging,
)

from atft.batch import DayBatch
from atft.callbacks.exponential_average import ExponentialAverage
from atft.callbacks.guards.early_stopping import EarlyStopping as RunEarlyStopping
from atft.callbacks.late_average import LateAverage
from atft.callbacks.record.run_checkpoint import RunCheckpoint
from atft.errors import InputError
from atft.runs.run_callbacks import (
    FITTING,
    MONITORS,
    check_averages,
    check_metrics,
    check_scores_are_current,
    checked_callbacks,
)
from small_task import IN_MEMORY, fit, small_task

pytestmark = IN_MEMORY


def test_every_monitor_means_something_in_training_only() -> None:
    assert set(MONITORS.values()) < set(FITTING)


def test_a_metric_that_nothing_logs_is_an_error_with_the_nearest() -> None:
    known = {"val/rank_ic", "train/loss"}
    other = pl.Callback()
    other.monitor, other.mode = "loss", "max"  # type: ignore[attr-defined]
    check_metrics([EarlyStopping("val/rank_ic"), ModelCheckpoint(), other], known)
    other.monitor = "train/loss"  # type: ignore[attr-defined]
    check_metrics([other], known)
    with pytest.raises(
        InputError,
        match=r"early_stopping\.monitor: no metric 'val/rankic'; did you mean 'val/rank_ic'\? "
        "If it is your own, add its function to model.metrics$",
    ):
        check_metrics([RunEarlyStopping("val/rankic")], known)
    with pytest.raises(InputError, match=r"^checkpoint\.monitor: no metric 'loss'"):
        check_metrics([RunCheckpoint(monitor="loss")], known)


def test_the_worst_value_of_a_metric_is_never_the_selected_one() -> None:
    known = {"train/loss", "train/term/ic", "val/quantile_crossing", "val/rank_ic"}
    for monitor in sorted(known - {"val/rank_ic"}):
        message = f"{monitor} is better where it is lower; set mode to min"
        with pytest.raises(InputError, match=rf"^checkpoint\.mode: {message}$"):
            check_metrics([RunCheckpoint(monitor=monitor, mode="max")], known)
        with pytest.raises(InputError, match=rf"^early_stopping\.mode: {message}$"):
            check_metrics([RunEarlyStopping(monitor, mode="max")], known)
        check_metrics([RunCheckpoint(monitor=monitor, mode="min"), EarlyStopping(monitor)], known)
    check_metrics([RunCheckpoint(monitor="val/rank_ic", mode="max")], known)


@pytest.mark.parametrize("callback", [ModelCheckpoint(monitor="val/foo"), EarlyStopping("val/foo")])
def test_a_callback_of_the_users_is_named_by_its_class(callback: Any) -> None:
    key = rf"^trainer\.callbacks: {type(callback).__name__}\.monitor: no metric 'val/foo'"
    with pytest.raises(InputError, match=key):
        check_metrics([callback], {"val/rank_ic"})


@pytest.mark.parametrize(
    ("callback", "message"),
    [
        (
            StochasticWeightAveraging(0.1),
            "sets its average after the last validation, no checkpoint would hold it",
        ),
        (EMAWeightAveraging(update_starting_at_step=9), "validation would measure the untrained network"),
        (EMAWeightAveraging(update_starting_at_epoch=2), "would hold other weights than were measured"),
    ],
)
def test_an_average_that_validation_would_not_measure_is_an_error(callback: Any, message: str) -> None:
    with pytest.raises(InputError, match=f"trainer.callbacks: {type(callback).__name__} .*{message}"):
        check_averages([callback], 5)


@pytest.mark.parametrize("epochs", [1000, -1])
def test_every_epoch_of_a_run_without_a_limit_is_looked_at(epochs: int) -> None:
    with pytest.raises(InputError, match="would hold other weights than were measured"):
        check_averages([EMAWeightAveraging(update_starting_at_epoch=9)], epochs)


def a_trainer(*callbacks: pl.Callback, **options: Any) -> pl.Trainer:
    return pl.Trainer(callbacks=list(callbacks), logger=False, accelerator="cpu", **options)


def test_validation_when_an_epoch_is_over_is_taken() -> None:
    for options in ({}, {"val_check_interval": 1.0}, {"check_val_every_n_epoch": 3}, {"fast_dev_run": True}):
        check_scores_are_current(a_trainer(EarlyStopping("val/rank_ic"), **options))
    check_scores_are_current(a_trainer(ModelCheckpoint(every_n_train_steps=5)))
    check_scores_are_current(a_trainer(ModelCheckpoint(every_n_train_steps=5, monitor="train/learning_rate")))
    check_scores_are_current(
        a_trainer(ModelCheckpoint(monitor="val/ic"), RunCheckpoint(every_n_train_steps=5))
    )
    on_loss = EarlyStopping("train/loss", check_on_train_epoch_end=True)
    check_scores_are_current(a_trainer(on_loss, ModelCheckpoint(monitor="val/ic"), check_val_every_n_epoch=3))


@pytest.mark.parametrize("interval", [4, 1, 0.5, "00:00:10:00"])
def test_validation_within_an_epoch_is_one_line_that_names_what_to_use(interval: Any) -> None:
    with pytest.raises(InputError, match=r"trainer\.val_check_interval: .* trainer\.check_val_every_n_epoch"):
        check_scores_are_current(a_trainer(val_check_interval=interval))


def test_a_callback_that_would_read_a_score_of_other_weights_is_an_error() -> None:
    within = ModelCheckpoint(every_n_train_steps=5, monitor="val/rank_ic")
    with pytest.raises(InputError, match=r"saves within an epoch, where val/rank_ic is not measured"):
        check_scores_are_current(a_trainer(within))
    for timed in (
        ModelCheckpoint(train_time_interval=timedelta(minutes=9), monitor=m) for m in (None, "val/ic")
    ):
        with pytest.raises(
            InputError,
            match=r"^trainer\.callbacks: ModelCheckpoint\.train_time_interval: .*every_n_train_steps",
        ):
            check_scores_are_current(a_trainer(timed))
    stopping = EarlyStopping("val/rank_ic", check_on_train_epoch_end=True)
    check_scores_are_current(a_trainer(stopping))
    with pytest.raises(InputError, match=r"EarlyStopping\.check_on_train_epoch_end: not every epoch"):
        check_scores_are_current(a_trainer(stopping, check_val_every_n_epoch=2))


def test_lightning_saves_nothing_by_the_clock_within_an_epoch_where_steps_are_made_by_hand(
    make_batch: Callable[..., DayBatch], tmp_path: Path
) -> None:
    timed = ModelCheckpoint(tmp_path / "kept", train_time_interval=timedelta(0), save_top_k=-1)
    fit(small_task(), [make_batch(seed=s) for s in range(3)], tmp_path, timed, enable_checkpointing=True)
    assert not (
        tmp_path / "kept"
    ).exists()  # else the option can be taken, once NonFiniteGuard reads before it


def test_a_training_metric_stops_early_also_where_not_every_epoch_is_validated(
    make_batch: Callable[..., DayBatch], tmp_path: Path
) -> None:
    stopping = EarlyStopping("train/loss", patience=1, min_delta=100.0)
    check_scores_are_current(a_trainer(stopping, check_val_every_n_epoch=3))
    blocks = [make_batch()]
    run = fit(
        small_task(), blocks, tmp_path, stopping, val_blocks=blocks, max_epochs=5, check_val_every_n_epoch=3
    )
    assert run.current_epoch == 2 and stopping.stopped_epoch == 1


def test_an_average_that_would_begin_after_the_last_epoch_is_an_error() -> None:
    for epochs in (3, 9, -1):
        check_averages([LateAverage(3)], epochs)
    for epochs in (0, 2):
        said = rf"^trainer\.callbacks: LateAverage begins in epoch 3 of {epochs}, nothing would"
        with pytest.raises(InputError, match=said):
            check_averages([pl.Callback(), LateAverage(3)], epochs)


def test_averages_from_the_first_step_on_are_taken() -> None:
    ours = [ExponentialAverage(), LateAverage(3)]
    check_averages([*ours, EMAWeightAveraging(), EMAWeightAveraging(use_buffers=False), WeightAveraging()], 5)


@pytest.mark.parametrize(
    ("callbacks", "message"),
    [
        ([LateAverage], r"LateAverage'> is no callback; write LateAverage\(\)$"),
        (LateAverage, r"LateAverage'> is no callback; write LateAverage\(\)$"),
        ("LateAverage", r"^callbacks: 'LateAverage' is no callback; derive it from Lightning's Callback$"),
        ([object()], r"object .* is no callback; derive it from Lightning's Callback$"),
    ],
)
def test_what_is_no_callback_is_an_error_of_one_line(callbacks: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        checked_callbacks(callbacks)
    average = LateAverage(3)
    assert checked_callbacks(average) == checked_callbacks((average,)) == [average]
