"""A collapsed run warns, then fails with its figures; a healthy one is left alone."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from atft.batch import DayBatch
from atft.callbacks.guards.collapse import CollapseGuard
from atft.callbacks.record.receipt import read_receipt
from atft.callbacks.record.run_record import RunRecord
from atft.errors import InputError
from atft.losses.objective import DayObjective, ObjectiveOptions
from atft.metrics.cross_section_metrics import CrossSectionMetrics
from atft.tasks.ranking import RankingTask
from networks import small_atft

NAN = math.nan


def answers(guard: CollapseGuard, *seen: tuple[float, float]) -> list[bool]:
    return [guard.observe(scale, rank_ic) is not None for scale, rank_ic in seen]


def test_a_row_of_collapsed_validations_is_counted_and_a_healthy_one_ends_it() -> None:
    guard = CollapseGuard(floor=0.01)
    assert answers(guard, (0.002, 0.1), (0.0, NAN), (0.5, 0.1), (0.009, 0.1)) == [True, True, False, True]
    assert guard.collapsed == ["0.009"]
    assert answers(guard, (0.01, 0.1)) == [False], "the floor is healthy"


def test_a_rank_ic_that_is_no_number_is_a_collapse_whatever_the_scale() -> None:
    guard = CollapseGuard(floor=0.0)
    assert "val/scale 0.4 (rank_ic NaN) (floor 0)" in str(guard.observe(0.4, NAN))
    assert answers(guard, (0.4, 0.0), (0.0, 0.0)) == [False, False]


def test_scores_that_are_not_finite_are_a_collapse() -> None:
    assert answers(CollapseGuard(), (NAN, NAN), (NAN, 0.1)) == [True, True]


def test_twenty_healthy_seeds_give_no_warning(make_batch: Callable[..., DayBatch]) -> None:
    warnings = []
    for seed in range(20):
        torch.manual_seed(seed)
        network = small_atft()
        objective = DayObjective(ObjectiveOptions(), [1, 5])
        optimizer = torch.optim.AdamW(network.parameters(), lr=0.01)
        guard, batch = CollapseGuard(), make_batch(seed=seed)
        for _ in range(4):
            metrics = CrossSectionMetrics([1, 5])
            with torch.no_grad():
                metrics.update(network.eval()(batch).score, batch.target, batch.valid, batch.day)
            values = metrics.compute()
            warnings.append(guard.observe(float(values["scale"]), float(values["rank_ic"])))
            loss = objective(network.train()(batch), batch).loss.mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    assert warnings == [None] * 80


def test_a_run_that_resumes_goes_on_counting() -> None:
    before, after = CollapseGuard(), CollapseGuard()
    before.observe(0.001, 0.1)
    after.load_state_dict(before.state_dict())
    assert "0.001, 0.002 (floor 0.01)" in str(after.observe(0.002, 0.1))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"floor": -0.1}, "collapse_guard.floor must be a number >= 0, got -0.1"),
        ({"floor": NAN}, "collapse_guard.floor must be a number >= 0, got nan"),
        ({"floor": math.inf}, "collapse_guard.floor must be a number >= 0, got inf"),
    ],
)
def test_an_option_out_of_range_is_an_error(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        CollapseGuard(**options)


def test_a_run_whose_heads_collapse_warns_fails_and_says_so(
    tiny_run: Any, atft: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    former = RankingTask.validation_step

    def constant(self: RankingTask, batch: DayBatch, index: int) -> None:
        if self.current_epoch > 0:
            with torch.no_grad():
                for parameter in self.network.heads.parameters():
                    parameter.zero_()
        former(self, batch, index)

    monkeypatch.setattr(RankingTask, "validation_step", constant)
    elsewhere = ["--trainer.max_epochs", "9", "--trainer.default_root_dir", tmp_path]
    outcome = atft("fit", "--config", tiny_run.config, *elsewhere)
    run = tmp_path / "tiny" / "version_0"
    receipt = read_receipt(run)
    assert outcome.code == 1
    last = outcome.err.strip().splitlines()[-1]
    assert last.startswith("atft: error: the scores have collapsed: val/scale 0, 0 (floor 0.01)")
    assert "lower the learning rate" in last
    assert outcome.err.count("warning: the scores have collapsed") == 2
    assert receipt.status == "failed" and receipt.reason.startswith("VarianceCollapse: the scores have")
    assert len(receipt.alarms) == 2 and "validation 1 of the 2 that fail" in receipt.alarms[0]
    assert "warning: the scores have collapsed" in (run / "run.log").read_text()
    assert (run / "best_model.ckpt").exists() and receipt.epochs == 2


def test_a_healthy_run_has_the_guard_and_no_warning(
    tiny_run: Any, atft: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    present = []

    def look(self: RunRecord, trainer: Any, module: Any) -> None:
        present.extend(c for c in trainer.callbacks if isinstance(c, CollapseGuard))

    monkeypatch.setattr(RunRecord, "on_train_start", look)
    options = ["--collapse_guard.floor", "0.005", "--trainer.max_epochs", "1"]
    assert (
        atft("fit", "--config", tiny_run.config, *options, "--trainer.default_root_dir", tmp_path).code == 0
    )
    assert [c.floor for c in present] == [0.005]
    assert read_receipt(tmp_path / "tiny" / "version_0").alarms == []
