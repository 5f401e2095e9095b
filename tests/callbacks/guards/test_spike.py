"""A step whose loss jumps moves nothing and is counted; a healthy run is left alone; a resume judges the same."""

import random
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import lightning.pytorch as pl
import pytest
import torch

from atft.batch import DayBatch, Forecast
from atft.callbacks.guards.spike import (
    MAX_IN_A_ROW,
    MAX_SPIKE_WARNINGS,
    MIN_STEPS,
    WINDOW_STEPS,
    SpikeGuard,
)
from atft.callbacks.record.receipt import read_receipt
from atft.errors import InputError
from atft.losses.objective import DayObjective, ObjectiveValue
from atft.optim.adabelief import AdaBelief
from atft.optim.schedules import WarmupCosine
from atft.tasks.ranking import RankingTask
from small_task import IN_MEMORY, fit, small_task

pytestmark = IN_MEMORY
Blocks = Callable[..., DayBatch]
SPIKE_DAY = 999


def task(optimizer: Any = torch.optim.AdamW, scheduler: Any = None) -> RankingTask:
    return small_task(optimizer=partial(optimizer, lr=0.001, weight_decay=0.1), scheduler=scheduler)


@pytest.fixture
def spike(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loss, and the gradient, of one day is a million times its own."""
    former = DayObjective.forward

    def forward(self: DayObjective, forecast: Forecast, batch: DayBatch) -> ObjectiveValue:
        value = former(self, forecast, batch)
        return value._replace(loss=value.loss * torch.where(batch.day == SPIKE_DAY, 1e6, 1.0))

    monkeypatch.setattr(DayObjective, "forward", forward)


class WeightsByStep(pl.Callback):
    """Weights after each block."""

    def __init__(self) -> None:
        self.seen: list[torch.Tensor] = []

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        self.seen.append(torch.cat([p.detach().ravel().clone() for p in pl_module.parameters()]))


def noisy_blocks(make_batch: Blocks, spikes: tuple[int, ...] = ()) -> list[DayBatch]:
    blocks = [make_batch(days=1, stocks=8, lookback=3, seed=s) for s in range(MIN_STEPS + 6)]
    return [b._replace(day=torch.tensor([SPIKE_DAY])) if s in spikes else b for s, b in enumerate(blocks)]


@pytest.mark.usefixtures("spike")
@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.AdamW, AdaBelief])
def test_a_spike_moves_no_weight_and_no_moment_while_step_and_schedule_go_on(
    optimizer: Any, make_batch: Blocks, tmp_path: Path
) -> None:
    place = MIN_STEPS + 2
    blocks = noisy_blocks(make_batch, (place,))
    weights, guard = WeightsByStep(), SpikeGuard()
    run = fit(task(optimizer, partial(WarmupCosine, warmup_epochs=0.5)), blocks, tmp_path, guard, weights)
    moved = [not torch.equal(a, b) for a, b in pairwise(weights.seen)]
    assert [i + 1 for i, m in enumerate(moved) if not m] == [place]
    assert guard.skipped == 1 and run.global_step == len(blocks)
    # Without the spike's block, the same weights: nothing of it is left in moments or decay.
    without, plain = WeightsByStep(), [b for i, b in enumerate(blocks) if i != place]
    fit(task(optimizer), plain, tmp_path, SpikeGuard(), without)
    with_it = WeightsByStep()
    fit(task(optimizer), blocks, tmp_path, SpikeGuard(), with_it)
    assert torch.equal(with_it.seen[-1], without.seen[-1])


@pytest.mark.usefixtures("spike")
def test_a_spike_in_one_block_of_a_step_skips_the_step(make_batch: Blocks, tmp_path: Path) -> None:
    blocks = noisy_blocks(make_batch)
    pairs = [b for pair in pairwise(blocks) for b in pair]
    pairs = [b._replace(weight=b.weight / 2, closes_step=i % 2 == 1) for i, b in enumerate(pairs)]
    pairs[-4] = pairs[-4]._replace(day=torch.tensor([SPIKE_DAY]))
    weights, guard = WeightsByStep(), SpikeGuard()
    fit(task(), pairs, tmp_path, guard, weights)
    assert guard.skipped == 1
    assert torch.equal(weights.seen[-3], weights.seen[-5]) and not torch.equal(
        weights.seen[-1], weights.seen[-3]
    )


@pytest.mark.parametrize("draw", ["gauss", "student_5"])
def test_noise_around_a_falling_loss_is_never_taken_for_a_spike(draw: str) -> None:
    rng = random.Random(0)

    def noise() -> float:
        wide = 1.0 if draw == "gauss" else (rng.gammavariate(2.5, 2.0) / 5) ** -0.5
        return rng.gauss(0, 0.05) * wide

    for seed in range(5):
        rng.seed(seed)
        guard = SpikeGuard()
        assert not any(guard.judge(1 - 1e-4 * step + noise()) for step in range(4_000))


@pytest.mark.parametrize("level", [1.0, -1.0])
def test_a_loss_that_hardly_varies_makes_no_spike_of_a_rounding(level: float) -> None:
    for rise, spike in ((0.0099, False), (0.011, True)):
        guard = SpikeGuard()
        assert not any(guard.judge(level) for _ in range(60)) and guard.judge(level + rise) == spike


def test_a_spike_is_more_than_ten_standard_deviations_above_the_mean_of_the_last_hundred_steps() -> None:
    for loss, spike in ((1.99, False), (2.01, True)):
        guard = SpikeGuard()
        for step in range(250):
            # Only the first 150 steps are wild; then the mean is 1 and the standard deviation 0.1.
            guard.judge(1 + (2.0 if step < 150 else 0.1) * (-1) ** step)
        assert guard.judge(loss) == spike


def test_a_resumed_guard_goes_on_with_its_range_where_the_terms_weights_are_those_of_before() -> None:
    def step(loss: float, weight: float) -> Any:
        sums = {"train/loss": torch.tensor(loss)}
        return SimpleNamespace(
            step=SimpleNamespace(closes=True, sums=sums),
            objective=SimpleNamespace(term_weights={"ic": weight}),
        )

    first, same, other = SpikeGuard(), SpikeGuard(), SpikeGuard()
    for number in range(MIN_STEPS):
        first.on_before_backward(Mock(), step(1.0, 0.5), torch.tensor(0.0))
        first.judge(1.0 + 0.01 * (number % 3))
    for guard, weight in ((same, 0.5), (other, 0.6)):
        guard.load_state_dict(first.state_dict())
        guard.on_before_backward(Mock(), step(9.0, weight), torch.tensor(0.0))
    assert same.judge(9.0) and not other.judge(9.0)


def test_early_steps_and_losses_that_are_not_finite_are_left_to_others() -> None:
    guard = SpikeGuard()
    assert not guard.judge(1.0) and not guard.judge(100.0)
    for value in (float("nan"), float("inf")):
        assert not guard.judge(value)
    assert guard.skipped == 0


def test_a_loss_that_stays_high_is_a_new_level_after_five_steps() -> None:
    guard = SpikeGuard()
    rng = random.Random(1)
    assert not any(guard.judge(rng.gauss(1, 0.1)) for _ in range(50))
    answers = [guard.judge(rng.gauss(9, 0.1)) for _ in range(60)]
    assert answers == [True] * MAX_IN_A_ROW + [False] * (60 - MAX_IN_A_ROW)
    assert guard.skipped == MAX_IN_A_ROW
    assert guard.judge(12.0), "the range is that of the new level alone"


def test_a_spike_does_not_widen_the_range_that_it_was_measured_against() -> None:
    guard = SpikeGuard()
    rng = random.Random(2)
    for _ in range(50):
        guard.judge(rng.gauss(1, 0.1))
    assert guard.judge(1e6) and not guard.judge(1.0) and guard.judge(4.0)


def test_an_interrupted_row_of_losses_is_judged_as_the_uninterrupted_one() -> None:
    rng = random.Random(3)
    losses = [rng.gauss(1, 0.1) + (9 if i % 37 > 34 else 0) for i in range(3 * WINDOW_STEPS)]
    whole, first = SpikeGuard(), SpikeGuard()
    expected = [whole.judge(x) for x in losses]
    answers = [first.judge(x) for x in losses[:173]]
    second = SpikeGuard()
    second.load_state_dict(first.state_dict())
    answers += [second.judge(x) for x in losses[173:]]
    assert answers == expected and any(expected) and second.state_dict() == whole.state_dict()


def test_a_loss_of_other_weights_is_measured_against_a_range_of_its_own(
    make_batch: Blocks, tmp_path: Path
) -> None:
    class Heavier(pl.Callback):
        def on_train_batch_start(self, trainer: pl.Trainer, pl_module: Any, *_: Any) -> None:
            if trainer.global_step == MIN_STEPS + 2:
                pl_module.objective.set_weights({"ic": 1e6})

    guard = SpikeGuard()
    fit(task(), noisy_blocks(make_batch), tmp_path, Heavier(), guard)
    assert guard.skipped == 0 and len(guard.state_dict()["losses"]) == 4
    assert guard.state_dict()["weights"] == [1e6]


def test_null_applies_every_step_and_watches_nothing(make_batch: Blocks, tmp_path: Path) -> None:
    module = task()
    guard = SpikeGuard(sigmas=None)
    fit(module, noisy_blocks(make_batch)[:3], tmp_path, guard)
    assert not any(guard.judge(x) for x in [1.0] * 60 + [1e9])


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"sigmas": 0.0}, "spike_guard.sigmas must be a number above 0, or null, got 0.0"),
        ({"sigmas": float("nan")}, "spike_guard.sigmas must be a number above 0, or null, got nan"),
        ({"sigmas": float("inf")}, "spike_guard.sigmas must be a number above 0, or null, got inf"),
    ],
)
def test_options_out_of_range_are_errors(given: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError, match=text):
        SpikeGuard(**given)


@pytest.mark.usefixtures("spike")
def test_a_run_counts_its_spikes_in_receipt_alarms_and_metrics(
    tiny_run: Any, atft: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import json

    former = RankingTask.training_step

    def training_step(self: RankingTask, batch: DayBatch, batch_index: int) -> None:
        late = self.global_step >= MIN_STEPS and self.global_step % 3 == 0
        former(
            self, batch._replace(day=torch.full_like(batch.day, SPIKE_DAY)) if late else batch, batch_index
        )

    monkeypatch.setattr(RankingTask, "training_step", training_step)
    options = ["--trainer.default_root_dir", tmp_path, "--data.loader.batch_size", "20"]
    outcome = atft("fit", "--config", tiny_run.config, *options)
    assert outcome.code == 0, outcome.err
    run = tmp_path / "tiny" / "version_0"
    receipt = read_receipt(run)
    spikes = sum(step >= MIN_STEPS and step % 3 == 0 for step in range(receipt.steps))
    assert receipt.skipped_steps == {"loss_spike": spikes} and spikes > MAX_SPIKE_WARNINGS
    assert len(receipt.alarms) == MAX_SPIKE_WARNINGS and "only counted" in receipt.alarms[-1]
    assert receipt.alarms[0].startswith(f"step {MIN_STEPS + 1} was not applied: its loss")
    epochs = json.loads((run / "metrics.json").read_text())["epochs"]
    assert epochs[-1]["health/skipped_steps/loss_spike"] == spikes
    monkeypatch.undo()  # no spike is left to come
    options += ["--trainer.max_epochs", 3, "--ckpt_path", "last"]
    assert atft("fit", "--config", tiny_run.config, *options).code == 0
    assert read_receipt(tmp_path / "tiny" / "version_1").skipped_steps == {"loss_spike": spikes}


def test_a_guard_that_forgets_takes_the_next_losses_for_its_range() -> None:
    guard = SpikeGuard()
    assert not any(guard.judge(1.0 + 0.01 * (i % 3)) for i in range(40))
    guard.forget()
    assert not any(guard.judge(9.0) for _ in range(40)) and guard.judge(90.0)
