"""Float16's skipped steps are counted, and a scaler that skips for ever ends the run; other precisions rest."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from lightning.pytorch.plugins import MixedPrecision

from atft.batch import DayBatch
from atft.callbacks.guards.loss_scale import LossScaleGuard
from atft.callbacks.record.run_record import RunRecord
from atft.errors import LossScaleCollapse
from atft.tasks.ranking import RankingTask
from small_task import IN_MEMORY, fit, small_task

pytestmark = IN_MEMORY
Blocks = Callable[..., DayBatch]
SGD = partial(torch.optim.SGD, lr=1.0)


def plugins(scale: float | None) -> list[MixedPrecision]:
    """The real plugin and scaler of 16-mixed, which Lightning's own flag offers on GPUs only."""
    if scale is None:
        return []
    return [MixedPrecision("16-mixed", "cpu", torch.amp.GradScaler("cpu", init_scale=scale))]  # type: ignore[attr-defined]


def spoil(module: RankingTask, steps: set[int]) -> None:
    """Make the gradient of these steps overflow, as float16 does."""

    def overflow(gradient: torch.Tensor) -> torch.Tensor:
        return gradient * (torch.inf if module.global_step in steps else 1.0)

    next(module.network.heads.parameters()).register_hook(overflow)


def test_skipped_steps_are_counted_in_receipt_and_metrics_and_move_nothing(
    make_batch: Blocks, tmp_path: Path
) -> None:
    blocks = [make_batch(seed=s) for s in range(5)]
    disturbed, guard = small_task(optimizer=SGD), LossScaleGuard()
    spoil(disturbed, {1, 3})
    record = RunRecord("", tmp_path)
    record.on_fit_start = record.on_train_batch_end = lambda *_: None  # type: ignore[assignment, method-assign]
    record.on_train_epoch_end = record.on_fit_end = lambda *_: None  # type: ignore[assignment, method-assign]
    run = fit(disturbed, blocks, tmp_path, record, guard, plugins=plugins(256.0))
    assert guard.skipped == 2 and record.receipt.skipped_steps == {"loss_scale": 2}
    assert float(run.callback_metrics["health/loss_scale"]) == 64
    assert float(run.callback_metrics["health/skipped_steps/loss_scale"]) == 2
    plain = small_task(optimizer=SGD)
    fit(plain, [blocks[i] for i in (0, 2, 4)], tmp_path, plugins=plugins(256.0))
    # Up to the last bits of float16, whose gradients were scaled otherwise.
    torch.testing.assert_close(list(disturbed.parameters()), list(plain.parameters()), atol=1e-3, rtol=1e-3)


def test_a_scale_below_one_stops_the_run_and_says_why(make_batch: Blocks, tmp_path: Path) -> None:
    module = small_task(optimizer=SGD)
    spoil(module, set(range(1, 99)))
    with pytest.raises(LossScaleCollapse) as caught:
        fit(module, [make_batch(seed=s) for s in range(9)], tmp_path, LossScaleGuard(), plugins=plugins(4.0))
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


def test_without_a_scaler_the_guard_rests(make_batch: Blocks, tmp_path: Path) -> None:
    guard = LossScaleGuard()
    run = fit(small_task(optimizer=SGD), [make_batch()], tmp_path, guard)
    assert guard.skipped == 0 and not [n for n in run.callback_metrics if n.startswith("health/")]


def test_the_count_goes_on_after_a_resume() -> None:
    guard, later = LossScaleGuard(), LossScaleGuard()
    guard.skipped = 7
    later.load_state_dict(guard.state_dict())
    assert later.skipped == 7
