"""Speeds count what went through the network, each day once, and appear every epoch."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from atft.callbacks.record.throughput import gpu_figures
from atft.tasks.day_data import DayData
from atft.tasks.ranking import RankingTask

SPEEDS = ["speed/days_per_second", "speed/stock_days_per_second", "speed/waiting_share"]


def test_without_a_gpu_nothing_is_said_of_one() -> None:
    assert gpu_figures(torch.device("cpu")) == {}


@pytest.mark.parametrize(("library", "names"), [(None, 1), (object(), 2)])
def test_with_a_gpu_memory_is_told_and_use_where_the_library_is(
    monkeypatch: pytest.MonkeyPatch, library: Any, names: int
) -> None:
    monkeypatch.setattr("torch.cuda.max_memory_allocated", lambda device: 3_500_000_000)
    monkeypatch.setattr("torch.cuda.utilization", lambda device: 87)
    monkeypatch.setattr("atft.callbacks.record.throughput.find_spec", lambda name: library)
    figures = gpu_figures(torch.device("cuda", 0))
    assert figures == dict([("speed/gpu_memory_gb", 3.5), ("speed/gpu_use", 0.87)][:names])


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
    class Clock:
        """A clock that only the loader and the network move."""

        now = 0.0

        @classmethod
        def perf_counter(cls) -> float:
            return cls.now

    def taking(seconds: float, kind: type, name: str) -> None:
        former = getattr(kind, name)

        def slow(self: Any, *arguments: Any) -> Any:
            Clock.now += seconds
            return former(self, *arguments)

        monkeypatch.setattr(kind, name, slow)

    for module in ("run_record", "throughput"):
        monkeypatch.setattr(f"atft.callbacks.record.{module}.time", Clock)
    taking(1.0, DayData, "on_after_batch_transfer")
    taking(3.0, RankingTask, "training_step")
    taking(50.0, RankingTask, "validation_step")
    elsewhere = ["--trainer.max_epochs", "1", "--trainer.default_root_dir", tmp_path]
    assert atft("fit", "--config", tiny_run.config, *elsewhere).code == 0
    (epoch,) = json.loads((tmp_path / "tiny" / "version_0" / "metrics.json").read_text())["epochs"]
    receipt = json.loads((tmp_path / "tiny" / "version_0" / "receipt.json").read_text())
    trained = receipt["rows"]["train"]["seen"] / epoch["speed/stock_days_per_second"]
    blocks = receipt["seconds"]["waiting_for_data"]  # a second each
    assert epoch["speed/waiting_share"] == pytest.approx(1 / 4) and trained == pytest.approx(4 * blocks)
    assert epoch["seconds"] > trained + 50
