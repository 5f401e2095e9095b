"""Each block's gradient norm is what it was before clipping, and lands in TensorBoard."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from atft.batch import DayBatch
from atft.callbacks.record.gradient_monitor import GradientMonitor, gradient_health, gradient_parts
from atft.errors import InputError
from atft.nn.atft_gat_fan import ATFTGATFAN
from networks import small_atft

PARTS = {"variable_selection", "window_norm", "encoder", "graph", "heads", "input"}


def stepped(batch: DayBatch, **switches: bool) -> ATFTGATFAN:
    torch.manual_seed(0)
    network = small_atft()
    network.set_parts(**switches)
    network(batch).score.square().sum().backward()
    return network


def test_every_gradient_belongs_to_exactly_one_block(make_batch: Callable[..., DayBatch]) -> None:
    network = stepped(make_batch())
    parts = gradient_parts(network)
    assert set(parts) == PARTS
    ids = [id(g) for part in parts.values() for g in part]
    assert len(ids) == len(set(ids)) == sum(p.grad is not None for p in network.parameters())


def test_a_block_that_is_off_has_no_norm(make_batch: Callable[..., DayBatch]) -> None:
    assert set(gradient_parts(stepped(make_batch(), graph=False, window_norm=False))) == PARTS - {
        "graph",
        "window_norm",
    }


def test_norms_are_those_of_the_blocks_and_add_up_to_the_whole() -> None:
    parts = {"encoder": [torch.tensor([3.0, 0.0]), torch.tensor([[4.0]])], "graph": [torch.tensor([12.0])]}
    assert gradient_health(parts) == {
        "health/gradient_norm/encoder": 5.0,
        "health/gradient_norm/graph": 12.0,
        "health/gradient_norm/all": 13.0,
        "health/gradient_non_finite": 0.0,
    }


def test_the_share_that_is_not_finite_counts_numbers() -> None:
    parts = {"encoder": [torch.tensor([1.0, math.nan])], "graph": [torch.tensor([math.inf, 0.0])]}
    assert gradient_health(parts)["health/gradient_non_finite"] == 0.5


def test_a_negative_number_of_steps_is_an_error() -> None:
    with pytest.raises(InputError, match=r"gradient_monitor.every must be at least 0, got -1"):
        GradientMonitor(every=-1)


def test_a_run_logs_norms_and_histograms_before_the_clip(
    tiny_run: Any, atft: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("atft.callbacks.record.gradient_monitor.HISTOGRAM_EVERY", 2)
    asked = ["--gradient_monitor.every", "2", "--model.gradient_clip", "1e-6", "--trainer.max_epochs", "1"]
    asked += ["--data.loader.batch_size", "40", "--trainer.default_root_dir", tmp_path]
    assert atft("fit", "--config", tiny_run.config, *asked).code == 0
    events = EventAccumulator(str(tmp_path / "tiny" / "version_0")).Reload()
    tags = {f"health/gradient_norm/{name}" for name in PARTS | {"all"}} | {"health/gradient_non_finite"}
    assert tags <= set(events.Tags()["scalars"])
    assert {f"health/gradient/{name}" for name in PARTS} <= set(events.Tags()["histograms"])
    norms = [e.value for e in events.Scalars("health/gradient_norm/all")]
    assert len(norms) > 3 and min(norms) > 1e-4
    assert len(events.Histograms("health/gradient/encoder")) < len(norms)


def test_a_gradient_too_large_for_a_histogram_is_left_to_the_guard_that_names_it(
    tiny_run: Any, atft: Callable[..., Any], tmp_path: Path
) -> None:
    asked = ["--model.objective.terms", "{ic: 1, mse: 1.0e+30}", "--trainer.default_root_dir", tmp_path]
    outcome = atft("fit", "--config", tiny_run.config, *asked)
    assert outcome.code != 0 and "gradient not finite" in outcome.err, outcome


def test_a_run_that_asks_for_none_logs_none(tiny_run: Any, atft: Callable[..., Any], tmp_path: Path) -> None:
    asked = [
        "--gradient_monitor.every",
        "0",
        "--trainer.max_epochs",
        "1",
        "--trainer.default_root_dir",
        tmp_path,
    ]
    assert atft("fit", "--config", tiny_run.config, *asked).code == 0
    tags = EventAccumulator(str(tmp_path / "tiny" / "version_0")).Reload().Tags()
    assert not [t for t in tags["scalars"] + tags["histograms"] if "gradient_norm" in t or "gradient/" in t]
