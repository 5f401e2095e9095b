"""Shares while a run trains: a dead term ends it, balanced weights are logged and survive a resume."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from atft.batch import DayBatch
from atft.errors import DeadTerm
from atft.losses.objective import ObjectiveOptions, measure_shares
from recorder import Recorder
from small_task import IN_MEMORY, StopsAfter, fit
from small_task import small_task as task

pytestmark = [IN_MEMORY, pytest.mark.usefixtures("measured_at_every_step")]


@pytest.fixture
def measured_at_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("atft.tasks.term_shares.MEASURED_EVERY_STEPS", 1)


def test_a_term_that_never_pulls_fails_the_run_with_its_name(
    make_batch: Callable[..., DayBatch], tmp_path: Path
) -> None:
    # A block of one day has no yesterday: its turnover is 0 whatever the scores.
    single = [make_batch(days=1, seed=s) for s in range(2)]
    given = ObjectiveOptions(terms={"ic": 1.0, "turnover": 0.5})
    with pytest.raises(DeadTerm, match=r"model\.objective\.terms\.turnover: .* all of epoch 1"):
        fit(task(objective=given), single, tmp_path)
    paired = [make_batch(days=2, seed=s) for s in range(2)]
    fit(task(objective=given), paired, tmp_path)
    # A bound that the scores keep has no gradient, and is not dead.
    kept = ObjectiveOptions(terms={"ic": 1.0, "scale_floor": {"weight": 0.5, "floor": 1e-6}})
    fit(task(objective=kept), paired, tmp_path)


def test_a_term_that_first_pulls_between_two_measurements_is_not_dead(
    make_batch: Callable[..., DayBatch], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("atft.tasks.term_shares.MEASURED_EVERY_STEPS", 50)
    given = ObjectiveOptions(terms={"ic": 1.0, "turnover": 0.5})
    # Only the second block, of two days, has a yesterday.
    fit(task(objective=given), [make_batch(days=days) for days in (1, 2)], tmp_path)


def test_the_blocks_of_an_epoch_that_is_cut_off_or_resumed_in_its_middle_make_no_term_dead(
    make_batch: Callable[..., DayBatch], tmp_path: Path
) -> None:
    given = ObjectiveOptions(terms={"ic": 1.0, "turnover": 0.5})
    # Only the blocks of two days have a yesterday: the first and the last one have not.
    blocks = [make_batch(days=days) for days in (1, 2, 1)]
    fit(task(objective=given), blocks, tmp_path, StopsAfter(1))
    resumed = task(objective=given)
    begins = resumed.on_train_epoch_start
    resumed.on_train_epoch_start = lambda: None  # type: ignore[method-assign]  # Lightning calls none there
    fit(resumed, blocks[2:], tmp_path)
    resumed.on_train_epoch_start = begins  # type: ignore[method-assign]
    with pytest.raises(DeadTerm, match="turnover"):
        fit(resumed, blocks[2:], tmp_path)


def test_shares_are_measured_every_so_many_steps_and_while_a_term_has_had_no_gradient(
    make_batch: Callable[..., DayBatch], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[int] = []

    def counting(*arguments: Any) -> torch.Tensor:
        measured.append(module.global_step)
        return measure_shares(*arguments)

    monkeypatch.setattr("atft.tasks.term_shares.MEASURED_EVERY_STEPS", 4)
    monkeypatch.setattr("atft.tasks.term_shares.measure_shares", counting)
    days = (1, 1, 1, 2, 2, 2, 2, 2, 2, 2)  # from the fourth step on turnover has a gradient
    module = task(objective=ObjectiveOptions(terms={"ic": 1.0, "turnover": 0.5}))
    blocks, recorder = [make_batch(days=n, seed=s) for s, n in enumerate(days)], Recorder()
    fit(module, blocks, tmp_path, logger=recorder, log_every_n_steps=1)
    assert measured == [0, 1, 2, 3, 4, 8]
    assert [step for step, _ in recorder.points("train/gradient_share/turnover")] == [1, 5, 9]


BALANCED = {
    "objective": ObjectiveOptions(
        terms={"huber": 0.5, "ic": 0.5, "rank_ic": 0.1}, gradient_shares={"huber": 0.3, "ic": 0.7}
    ),
}


def test_balanced_weights_are_logged_and_a_resumed_run_goes_on_with_them_bit_for_bit(
    make_batch: Callable[..., DayBatch], tmp_path: Path
) -> None:
    blocks = [make_batch(seed=s, stocks=30) for s in range(3)]
    torch.manual_seed(0)
    whole, halves = task(**BALANCED), task(**BALANCED)
    halves.load_state_dict(whole.state_dict())
    run = fit(whole, blocks, tmp_path, max_epochs=2)
    weights = whole.objective.term_weights
    for name, weight in weights.items():
        assert run.callback_metrics[f"train/weight/{name}"].item() == pytest.approx(weight)
    assert weights["rank_ic"] == 0.1 and abs(weights["huber"] - 0.5) > 0.05
    first = fit(halves, blocks, tmp_path)
    first.save_checkpoint(tmp_path / "half.ckpt", weights_only=False)
    second = task(**BALANCED)
    fit(second, blocks, tmp_path, max_epochs=2, ckpt_path=tmp_path / "half.ckpt")
    assert second.objective.term_weights == weights
    for name, value in whole.state_dict().items():
        assert torch.equal(second.state_dict()[name], value), name
    fixed = task(objective=ObjectiveOptions(terms={"ic": 1.0}))
    fixed.on_load_checkpoint(torch.load(tmp_path / "half.ckpt"))
    assert fixed.objective.term_weights == {"ic": 1.0}, (
        "balanced terms of another objective are none of its own"
    )
