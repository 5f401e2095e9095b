"""A loss or gradient that is not finite stops the run, with its days and terms, and the weights stay clean."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from atft.batch import DayBatch, Forecast
from atft.callbacks.guards.non_finite import NonFiniteGuard
from atft.callbacks.record.atomic_checkpoint import read_checkpoint
from atft.callbacks.record.receipt import read_receipt
from atft.errors import InputError, NonFiniteLoss
from atft.losses.objective import DayObjective, ObjectiveOptions, ObjectiveValue
from atft.tasks.ranking import RankingTask
from small_task import IN_MEMORY, fit, small_task

pytestmark = IN_MEMORY
TERMS = {"huber": 0.5, "ic": 0.5}
Blocks = Callable[..., DayBatch]


def task() -> RankingTask:
    return small_task(objective=ObjectiveOptions(terms=TERMS), gradient_clip=1.0)


def weights(module: RankingTask) -> dict[str, torch.Tensor]:
    return {n: p.detach().clone() for n, p in module.named_parameters()}


@pytest.fixture
def spoilt_huber(monkeypatch: pytest.MonkeyPatch) -> None:
    """The Huber term of day 205 is NaN, in value and gradient; everything else is as it was."""
    former = DayObjective.forward

    def forward(self: DayObjective, forecast: Forecast, batch: DayBatch) -> ObjectiveValue:
        value = former(self, forecast, batch)
        spoilt = torch.where(batch.day == 205, torch.nan, 1.0)
        huber = value.terms["huber"] * spoilt
        return ObjectiveValue(value.loss * spoilt, {**value.terms, "huber": huber})

    monkeypatch.setattr(DayObjective, "forward", forward)


def on(batch: DayBatch, first: int) -> DayBatch:
    return batch._replace(day=torch.arange(first, first + len(batch.day)))


@pytest.mark.usefixtures("spoilt_huber")
def test_a_loss_that_is_not_finite_stops_the_run_with_its_days_and_terms(
    make_batch: Blocks, tmp_path: Path
) -> None:
    blocks = [on(make_batch(seed=s), 200 + 3 * s) for s in range(4)]
    with pytest.raises(NonFiniteLoss) as caught:
        fit(task(), blocks, tmp_path, NonFiniteGuard(every=1))
    text = str(caught.value)
    assert text.startswith("loss not finite on 205 (terms huber), step 2, epoch 1; the weights did not")
    assert "last good checkpoint: none yet" in text and "\n" not in text


@pytest.mark.usefixtures("spoilt_huber")
def test_the_weights_of_a_stopped_run_are_those_before_the_bad_step(
    make_batch: Blocks, tmp_path: Path
) -> None:
    good, bad = on(make_batch(seed=0), 200), on(make_batch(seed=1), 203)
    undisturbed, stopped = task(), task()
    fit(undisturbed, [good], tmp_path, NonFiniteGuard())
    # Read at the epoch's last block only: the bad step's update has been made by then, with an empty gradient.
    with pytest.raises(NonFiniteLoss, match="step 2"):
        fit(stopped, [good, bad], tmp_path, NonFiniteGuard(every=100))
    torch.testing.assert_close(weights(stopped), weights(undisturbed), rtol=0, atol=0)


def test_a_gradient_that_is_not_finite_under_a_finite_loss_stops_the_run(
    make_batch: Blocks, tmp_path: Path
) -> None:
    module = task()
    weight = next(module.network.heads.parameters())
    weight.register_hook(lambda gradient: gradient * torch.inf)
    before = weights(module)
    with pytest.raises(NonFiniteLoss, match=r"gradient not finite, loss finite, days 100, 101, 102, step 1"):
        fit(module, [make_batch()], tmp_path, NonFiniteGuard())
    torch.testing.assert_close(weights(module), before, rtol=0, atol=0)


def test_a_healthy_run_trains_the_same_with_the_guard_and_leaves_no_hook(
    make_batch: Blocks, tmp_path: Path
) -> None:
    blocks = [make_batch(seed=s) for s in range(3)]
    with_guard, without = task(), task()
    fit(with_guard, blocks, tmp_path, NonFiniteGuard(every=2))
    switched_off = NonFiniteGuard()
    switched_off.on_after_backward = lambda *_: None  # type: ignore[assignment, method-assign]
    fit(without, blocks, tmp_path, switched_off)
    torch.testing.assert_close(weights(with_guard), weights(without), rtol=0, atol=0)
    assert not with_guard.objective._forward_hooks


def test_reading_less_often_than_every_step_is_asked_for_in_whole_steps() -> None:
    with pytest.raises(InputError, match=r"non_finite_guard.every must be at least 1, got 0"):
        NonFiniteGuard(every=0)


def test_a_run_names_dates_fails_and_keeps_its_last_good_checkpoint(
    tiny_run: Any, atft: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    former = RankingTask.forward

    def forward(self: RankingTask, batch: DayBatch) -> Forecast:
        forecast = former(self, batch)
        # Calendar days 10 and 11: Monday 19 and Tuesday 20 January 2015.
        spoilt = self.training & (self.current_epoch == 1) & ((batch.day == 10) | (batch.day == 11))
        return Forecast(torch.where(spoilt[:, None, None], torch.nan, forecast.score))

    monkeypatch.setattr(RankingTask, "forward", forward)
    outcome = atft("fit", "--config", tiny_run.config, "--trainer.default_root_dir", tmp_path)
    run = tmp_path / "tiny" / "version_0"
    receipt = read_receipt(run)
    last = outcome.err.strip().splitlines()[-1]
    assert outcome.code == 1 and last.startswith("atft: error: loss not finite on 2015-01-")
    assert ("2015-01-19" in last or "2015-01-20" in last) and "rank_ic" in last
    assert f"last good checkpoint: {run / 'last.ckpt'}" in last
    assert receipt.status == "failed" and receipt.reason.startswith("NonFiniteLoss: loss not finite")
    assert len(receipt.alarms) == 1 and receipt.epochs == 1
    for name in ("last.ckpt", "best_model.ckpt"):
        held = read_checkpoint(run / name)
        assert held["epoch"] == 0
        assert all(v.isfinite().all() for v in held["state_dict"].values())
