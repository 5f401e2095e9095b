"""A loss, gradient or loss scale that is not usable stops the run with its days; the weights stay clean."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.plugins import MixedPrecision
from lightning.pytorch.strategies import Strategy

from atft.batch import DayBatch, Forecast
from atft.callbacks.guards import non_finite
from atft.callbacks.guards.non_finite import NonFiniteGuard
from atft.callbacks.record.receipt import read_receipt
from atft.callbacks.record.run_checkpoint import RunCheckpoint
from atft.errors import LossScaleCollapse, NonFiniteLoss
from atft.files.checkpoint_file import read_checkpoint
from atft.losses.objective import DayObjective, ObjectiveOptions, ObjectiveValue
from atft.tasks.ranking import RankingTask
from small_task import IN_MEMORY, StopsAfter, fit, small_task

pytestmark = IN_MEMORY
SGD = partial(torch.optim.SGD, lr=1.0)
TERMS = {"huber": 0.5, "ic": 0.5}
Blocks = Callable[..., DayBatch]


def task() -> RankingTask:
    return small_task(objective=ObjectiveOptions(terms=TERMS), gradient_clip=1.0)


def weights(module: RankingTask) -> dict[str, torch.Tensor]:
    return {n: p.detach().clone() for n, p in module.named_parameters()}


@pytest.fixture
def broken_huber(monkeypatch: pytest.MonkeyPatch) -> None:
    """The Huber term of day 205 is NaN, in value and gradient; everything else is as it was."""
    former = DayObjective.forward

    def forward(self: DayObjective, forecast: Forecast, batch: DayBatch) -> ObjectiveValue:
        value = former(self, forecast, batch)
        broken = torch.where(batch.day == 205, torch.nan, 1.0)
        huber = value.terms["huber"] * broken
        return ObjectiveValue(value.loss * broken, {**value.terms, "huber": huber})

    monkeypatch.setattr(DayObjective, "forward", forward)


def on(batch: DayBatch, first: int) -> DayBatch:
    return batch._replace(day=torch.arange(first, first + len(batch.day)))


@pytest.mark.usefixtures("broken_huber")
def test_a_loss_that_is_not_finite_stops_the_run_with_its_days_and_terms(
    make_batch: Blocks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(non_finite, "READ_EVERY_STEPS", 1)
    blocks = [on(make_batch(seed=s), 200 + 3 * s) for s in range(4)]
    with pytest.raises(NonFiniteLoss) as caught:
        fit(task(), blocks, tmp_path, NonFiniteGuard())
    text = str(caught.value)
    assert text.startswith(
        "loss not finite on 205 (terms huber), step 2, epoch 1; last good checkpoint: none yet"
    )
    assert "\n" not in text


@pytest.mark.usefixtures("broken_huber")
@pytest.mark.filterwarnings("ignore:Using ModelCheckpoint with manual optimization")
@pytest.mark.parametrize("kind", [RunCheckpoint, ModelCheckpoint])
def test_a_checkpoint_within_an_epoch_is_not_written_after_a_loss_that_is_not_finite(
    kind: type[ModelCheckpoint], make_batch: Blocks, tmp_path: Path
) -> None:
    blocks = [on(make_batch(seed=s), 197 + 3 * s) for s in range(8)]  # the third has day 205
    saves = kind(every_n_train_steps=2, save_last=True)
    saves.dirpath = str(tmp_path / "kept")
    with pytest.raises(NonFiniteLoss, match=r"step 3, epoch 1; last good checkpoint: "):
        fit(task(), blocks, tmp_path, NonFiniteGuard(), saves, enable_checkpointing=True)
    assert read_checkpoint(tmp_path / "kept" / "last.ckpt")["global_step"] == 2


@pytest.mark.usefixtures("broken_huber")
@pytest.mark.parametrize("options", [{}, {"save_weights_only": True}])
def test_a_loss_that_is_not_finite_in_the_last_step_before_a_stop_fails_the_run_and_is_in_no_checkpoint(
    options: dict[str, Any], make_batch: Blocks, tmp_path: Path
) -> None:
    blocks = [on(make_batch(seed=s), 197 + 3 * s) for s in range(8)]  # the third has day 205
    saves = RunCheckpoint(save_last=True, **options)
    saves.dirpath = str(tmp_path / "kept")
    with pytest.raises(NonFiniteLoss, match=r"step 3, epoch 1; last good checkpoint: none yet"):
        fit(task(), blocks, tmp_path, NonFiniteGuard(), StopsAfter(3), saves, enable_checkpointing=True)
    assert not list(tmp_path.glob("kept/*"))


@pytest.mark.usefixtures("broken_huber")
def test_no_checkpoint_is_written_whoever_asks_for_it_after_a_loss_that_is_not_finite(
    make_batch: Blocks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each device decides by itself, since not all of them may be asked in the same step."""
    monkeypatch.setattr(Strategy, "reduce_boolean_decision", Mock(side_effect=AssertionError))

    class Save(pl.Callback):
        def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
            trainer.save_checkpoint(tmp_path / f"{trainer.global_step}.ckpt", weights_only=False)

    blocks = [on(make_batch(seed=s), 197 + 3 * s) for s in range(8)]
    with pytest.raises(NonFiniteLoss, match=r"step 3, epoch 1; "):
        fit(task(), blocks, tmp_path, NonFiniteGuard(), Save())
    assert sorted(path.name for path in tmp_path.glob("*.ckpt")) == ["1.ckpt", "2.ckpt"]


@pytest.mark.usefixtures("broken_huber")
def test_a_bad_gradient_moves_no_weight_of_an_optimiser_without_momentum_and_decay(
    make_batch: Blocks, tmp_path: Path
) -> None:
    good, bad = on(make_batch(seed=0), 200), on(make_batch(seed=1), 203)
    undisturbed, stopped = task(), task()
    fit(undisturbed, [good], tmp_path, NonFiniteGuard())
    # Read at the epoch's last block only: the bad step's update has been made by then, with a gradient of 0.
    with pytest.raises(NonFiniteLoss, match="step 2"):
        fit(stopped, [good, bad], tmp_path, NonFiniteGuard())
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


def test_of_several_steps_that_are_read_together_the_days_of_the_first_bad_one_are_named(
    make_batch: Blocks, tmp_path: Path
) -> None:
    module = task()
    overflow_at(module, {1, 2})
    blocks = [on(make_batch(seed=s), 200 + 3 * s) for s in range(4)]
    with pytest.raises(NonFiniteLoss, match=r"loss finite, days 203, 204, 205, step 2, epoch 1"):
        fit(module, blocks, tmp_path, NonFiniteGuard())


def test_a_device_whose_own_loss_is_finite_stops_with_the_one_whose_is_not(
    make_batch: Blocks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def decided(self: Strategy, decision: bool, all: bool = True) -> bool:
        other_is_broken = True
        return decision and other_is_broken if all else decision or other_is_broken

    monkeypatch.setattr(Strategy, "reduce_boolean_decision", decided)
    with pytest.raises(NonFiniteLoss, match=r"^loss not finite on another device, epoch 1; last good"):
        fit(task(), [make_batch()], tmp_path, NonFiniteGuard())


def test_a_healthy_run_trains_the_same_with_the_guard(make_batch: Blocks, tmp_path: Path) -> None:
    blocks = [make_batch(seed=s) for s in range(3)]
    with_guard, without = task(), task()
    fit(with_guard, blocks, tmp_path, NonFiniteGuard())
    fit(without, blocks, tmp_path)
    torch.testing.assert_close(weights(with_guard), weights(without), rtol=0, atol=0)


def test_a_run_names_dates_fails_and_keeps_its_last_good_checkpoint(
    tiny_run: Any, atft: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    former = RankingTask.forward

    def forward(self: RankingTask, batch: DayBatch) -> Forecast:
        forecast = former(self, batch)
        # Calendar days 10 and 11: Monday 19 and Tuesday 20 January 2015.
        broken = self.training & (self.current_epoch == 1) & ((batch.day == 10) | (batch.day == 11))
        return Forecast(torch.where(broken[:, None, None], torch.nan, forecast.score))

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
        content = read_checkpoint(run / name)
        assert content["epoch"] == 0
        assert all(v.isfinite().all() for v in content["state_dict"].values())


def plugins(scale: float | None) -> list[MixedPrecision]:
    """The real plugin and scaler of 16-mixed, which Lightning's own flag offers on GPUs only."""
    if scale is None:
        return []
    return [MixedPrecision("16-mixed", "cpu", torch.amp.GradScaler("cpu", init_scale=scale))]  # type: ignore[attr-defined]


def overflow_at(module: RankingTask, steps: set[int]) -> None:
    """Make the gradient of these steps overflow, as float16 does."""

    def overflow(gradient: torch.Tensor) -> torch.Tensor:
        return gradient * (torch.inf if module.global_step in steps else 1.0)

    next(module.network.heads.parameters()).register_hook(overflow)


def test_skipped_steps_are_counted_by_the_task_and_in_metrics_and_move_nothing(
    make_batch: Blocks, tmp_path: Path
) -> None:
    blocks = [make_batch(seed=s) for s in range(5)]
    disturbed, guard = small_task(optimizer=SGD), NonFiniteGuard()
    overflow_at(disturbed, {1, 3})
    run = fit(disturbed, blocks, tmp_path, guard, plugins=plugins(256.0))
    assert guard.skipped == 2 and disturbed.skipped_steps == {"loss_scale": 2}
    assert float(run.callback_metrics["health/loss_scale"]) == 64
    assert float(run.callback_metrics["health/skipped_steps/loss_scale"]) == 2
    plain = small_task(optimizer=SGD)
    fit(plain, [blocks[i] for i in (0, 2, 4)], tmp_path, plugins=plugins(256.0))
    # Up to the last bits of float16, whose gradients were scaled otherwise.
    torch.testing.assert_close(list(disturbed.parameters()), list(plain.parameters()), atol=1e-3, rtol=1e-3)


def test_a_scale_below_one_stops_the_run_and_says_why(make_batch: Blocks, tmp_path: Path) -> None:
    module = small_task(optimizer=SGD)
    overflow_at(module, set(range(1, 99)))
    with pytest.raises(LossScaleCollapse) as caught:
        fit(module, [make_batch(seed=s) for s in range(9)], tmp_path, NonFiniteGuard(), plugins=plugins(4.0))
    text = str(caught.value)
    assert text.startswith(
        "the loss scale fell to 0.5 in step 4: gradients overflow float16 even unscaled, 3 steps"
    )
    assert "bf16-mixed" in text and "\n" not in text
    assert all(p.isfinite().all() for p in module.parameters())


def test_the_gradient_is_clipped_by_its_own_norm_not_by_that_of_the_scaled_loss(
    make_batch: Blocks, tmp_path: Path
) -> None:
    moved = {}
    for scale in (None, 256.0):
        module = small_task(optimizer=SGD, gradient_clip=1e-2)
        before = torch.cat([p.detach().ravel().clone() for p in module.parameters()])
        fit(module, [make_batch()], tmp_path, plugins=plugins(scale))
        moved[scale] = float((torch.cat([p.detach().ravel() for p in module.parameters()]) - before).norm())
    assert moved[256.0] == pytest.approx(1e-2, rel=1e-2) == moved[None]


def test_without_a_scaler_no_scale_is_logged(make_batch: Blocks, tmp_path: Path) -> None:
    guard = NonFiniteGuard()
    run = fit(small_task(optimizer=SGD), [make_batch()], tmp_path, guard)
    assert guard.skipped == 0 and not [n for n in run.callback_metrics if n.startswith("health/")]


def test_the_count_of_skipped_steps_continues_after_a_resume() -> None:
    guard, later = NonFiniteGuard(), NonFiniteGuard()
    guard.skipped = 7
    later.load_state_dict(guard.state_dict())
    resumed = small_task()
    later.on_fit_start(Mock(), resumed)
    assert later.skipped == 7 and resumed.skipped_steps == {"loss_scale": 7}
