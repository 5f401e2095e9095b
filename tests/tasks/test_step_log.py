"""Each due step's loss and terms are in the loggers, and their mean is the epoch's."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


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
