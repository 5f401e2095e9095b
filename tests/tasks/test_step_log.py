"""Each due step's loss and terms are in the loggers, and their mean is the epoch's."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from atft.batch import DayBatch
from atft.commands.train import build
from recorder import Recorder
from small_task import IN_MEMORY, fit, small_task

pytestmark = [IN_MEMORY, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


def test_every_due_step_is_logged_and_the_steps_mean_is_the_epochs_value(
    tiny_run: Any, tiny_config: Callable[..., Path], atft: Callable[..., Any], tmp_path: Path
) -> None:
    config = tiny_config(tmp_path, tiny_run.panel)
    assert atft("fit", "--config", config, "--trainer.log_every_n_steps", "1").code == 0
    events = EventAccumulator(str(tmp_path / "logs" / "tiny" / "version_0")).Reload()
    for name in ("loss", "term/ic", "term/rank_ic"):
        steps = [e.value for e in events.Scalars(f"train/step/{name}")]
        (mean,) = [e.value for e in events.Scalars(f"train/{name}")]
        assert len(steps) > 3 and len(set(steps)) > 3
        assert sum(steps) / len(steps) == pytest.approx(mean, rel=1e-5)


def test_steps_between_are_not(tiny_run: Any) -> None:
    events = EventAccumulator(str(tiny_run.directory)).Reload()
    assert len(events.Scalars("train/step/loss")) == 1, "16 steps, every tenth"


def test_quantile_heads_never_cross_and_the_run_says_so(
    tiny_run: Any, tiny_config: Callable[..., Path], atft: Callable[..., Any], tmp_path: Path
) -> None:
    config = tiny_config(tmp_path, tiny_run.panel)
    levels = [
        "--model.network.quantiles",
        "[0.1, 0.5, 0.9]",
        "--model.objective.terms",
        "{pinball: 1.0, ic: 0.5}",
    ]
    assert atft("fit", "--config", config, *levels).code == 0
    events = EventAccumulator(str(tmp_path / "logs" / "tiny" / "version_0")).Reload()
    assert [e.value for e in events.Scalars("val/quantile_crossing")] == [0.0]


@pytest.fixture(scope="module")
def logged(tiny_run: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Recorder, Any]:
    """What a run of two epochs, whose steps are several blocks each, gives a logger; and its trainer."""
    config = json.loads(tiny_run.config.read_text())
    config["trainer"] |= {"log_every_n_steps": 1, "max_epochs": 2}
    config["data"]["loader"] |= {"batch_size": 100, "block_days": 2}
    config["gradient_monitor"] = {"every": 1}
    cli = build("fit", config, tmp_path_factory.mktemp("logged"), quiet=True)
    recorder = Recorder()
    cli.trainer.loggers = [recorder]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("atft.tasks.term_shares.MEASURED_EVERY_STEPS", 2)
        cli.trainer.fit(cli.model, datamodule=cli.datamodule)
    return recorder, cli.trainer


def test_all_values_lie_on_the_optimiser_steps_taken_and_the_axis_never_goes_back(
    logged: tuple[Recorder, Any],
) -> None:
    recorder, trainer = logged
    taken, epoch = trainer.global_step, trainer.global_step // 2
    assert trainer.fit_loop.epoch_loop.total_batch_idx + 1 > taken, "steps of several blocks each"
    steps = [step for step, _ in recorder.calls]
    assert steps == sorted(steps) and steps[-1] == taken
    everyone = list(range(1, taken + 1))
    for name in ("train/step/loss", "train/learning_rate", "health/gradient_norm/all"):
        assert [step for step, _ in recorder.points(name)] == everyone, name
    assert [step for step, _ in recorder.points("train/gradient_share/ic")] == everyone[::2]
    for name in ("train/loss", "val/rank_ic", "health/coverage_days", "speed/days_per_second"):
        assert [step for step, _ in recorder.points(name)] == [epoch, taken], name


def test_the_learning_rate_is_the_one_that_the_step_used(logged: tuple[Recorder, Any]) -> None:
    recorder, trainer = logged
    from atft.optim.schedules import WarmupCosine

    parameter = torch.nn.Parameter(torch.zeros(1))
    schedule = WarmupCosine(torch.optim.SGD([parameter], lr=0.01), warmup_epochs=0.5, epochs=4)
    schedule.bind(2)
    expected = []
    for step in range(trainer.global_step):
        schedule.advance(2 * step / trainer.global_step)
        expected.append(schedule.get_last_lr()[0])
    assert [rate for _, rate in recorder.points("train/learning_rate")] == pytest.approx(expected)


def test_no_step_is_logged_every_0_steps(make_batch: Callable[..., DayBatch], tmp_path: Path) -> None:
    recorder = Recorder()
    fit(small_task(), [make_batch()], tmp_path, logger=recorder, log_every_n_steps=0)
    names = {name for _, metrics in recorder.calls for name in metrics}
    assert "train/loss" in names and not any(name.startswith("train/step") for name in names)
