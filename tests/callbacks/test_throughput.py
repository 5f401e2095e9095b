"""Speeds count what went through the network, each day once, and appear every epoch."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from atft.callbacks.throughput import gpu_figures
from atft.tasks.day_data import DayData

SPEEDS = ["speed/days_per_second", "speed/stock_days_per_second", "speed/waiting_share"]


def test_without_a_gpu_nothing_is_said_of_one() -> None:
    assert gpu_figures(torch.device("cpu")) == {}


@pytest.mark.parametrize(("library", "names"), [(None, 1), (object(), 2)])
def test_with_a_gpu_memory_is_told_and_use_where_the_library_is(
    monkeypatch: pytest.MonkeyPatch, library: Any, names: int
) -> None:
    monkeypatch.setattr("torch.cuda.max_memory_allocated", lambda device: 3_500_000_000)
    monkeypatch.setattr("torch.cuda.utilization", lambda device: 87)
    monkeypatch.setattr("atft.callbacks.throughput.find_spec", lambda name: library)
    told = gpu_figures(torch.device("cuda", 0))
    assert told == dict([("speed/gpu_memory_gb", 3.5), ("speed/gpu_use", 0.87)][:names])


def test_every_epoch_tells_its_speed_in_tensorboard_and_in_the_metrics_file(tiny_run: Any) -> None:
    epochs = json.loads((tiny_run.directory / "metrics.json").read_text())["epochs"]
    events = EventAccumulator(str(tiny_run.directory)).Reload()
    receipt = json.loads((tiny_run.directory / "receipt.json").read_text())
    for name in SPEEDS:
        assert [e.value for e in events.Scalars(name)] == pytest.approx([e[name] for e in epochs])
    ratio = receipt["rows"]["train"]["seen"] / receipt["days"]["train"]["seen"]
    for epoch in epochs:
        assert epoch[SPEEDS[1]] / epoch[SPEEDS[0]] == pytest.approx(ratio, rel=1e-4)
        assert 0 < epoch[SPEEDS[2]] < 1


def test_a_slow_loader_shows_as_waiting_and_a_slow_validation_does_not(
    tiny_run: Any, atft: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    former = DayData.on_after_batch_transfer

    def slow(self: DayData, batch: Any, index: int) -> Any:
        time.sleep(0.1 if self.trainer is not None and self.trainer.training else 0.05)
        return former(self, batch, index)

    monkeypatch.setattr(DayData, "on_after_batch_transfer", slow)
    elsewhere = ["--trainer.max_epochs", "1", "--trainer.default_root_dir", tmp_path]
    assert atft("fit", "--config", tiny_run.config, *elsewhere).code == 0
    (epoch,) = json.loads((tmp_path / "tiny" / "version_0" / "metrics.json").read_text())["epochs"]
    receipt = json.loads((tmp_path / "tiny" / "version_0" / "receipt.json").read_text())
    trained = receipt["rows"]["train"]["seen"] / epoch["speed/stock_days_per_second"]
    assert epoch["speed/waiting_share"] > 0.3 and trained < epoch["seconds"] - 0.05
