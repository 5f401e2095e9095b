"""A process that has died or is silent is named; whole runs are in tests/test_two_processes.py."""

import signal
import subprocess
import sys
import time
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from atft.callbacks.guards.lost_process import (
    FAILED,
    OVER,
    SILENT_SECONDS,
    Counts,
    Launcher,
    LostProcessGuard,
    connection_errors,
    failed_child,
)
from atft.errors import LostProcess
from atft.runs.run_trainer import RunTrainer


class Store:
    """A store in memory."""

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}

    def set(self, key: str, value: str) -> None:
        self.values[key] = value.encode()

    def multi_get(self, keys: list[str]) -> list[bytes]:
        return [self.values[key] for key in keys]


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def three(clock: Clock) -> list[Counts]:
    """The counts of three processes, after the first of each."""
    store = Store()
    counts = [Counts(store, rank, 3, clock) for rank in range(3)]
    for each in counts:
        each.add()
    for each in counts:
        each.read()
    return counts


def after(seconds: float, clock: Clock, counting: list[Counts], reading: Counts) -> str:
    clock.now += seconds
    for counts in counting:
        counts.add()
    reading.read()
    return reading.lost()


def test_a_process_is_lost_after_half_a_minute_of_silence_and_not_before(
    three: list[Counts], clock: Clock
) -> None:
    first, second, third = three
    assert after(SILENT_SECONDS, clock, [first, third], first) == ""
    line = after(1, clock, [first, third], first)
    assert line.startswith("process 2 of 3 has not answered for 31 s; ckpt_path resumes")
    assert after(1, clock, [first, second, third], first) == "", "it answers again"
    assert third.lost().startswith("process 1 of 3"), "whose store it could not read"


def test_a_failed_process_is_named_at_once_and_one_that_is_over_never(
    three: list[Counts], clock: Clock
) -> None:
    first, second, third = three
    second.add(OVER)
    assert after(10 * SILENT_SECONDS, clock, [first, third], first) == ""
    third.add(FAILED)
    assert after(0, clock, [], first).startswith("process 3 of 3 has failed; ")
    assert after(0, clock, [], third) == "", "itself"


def test_a_child_that_fails_is_named_with_its_signal_or_status() -> None:
    fine, broken = (subprocess.Popen([sys.executable, "-c", f"raise SystemExit({n})"]) for n in (0, 3))
    killed = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    fine.wait()
    assert failed_child([fine, killed]) == ""
    killed.kill()
    killed.wait()
    broken.wait()
    line = failed_child([fine, killed])
    assert line.startswith("process 3 of 3 was ended by SIGKILL, as by a machine that runs out of memory; ")
    assert failed_child([broken]).startswith("process 2 of 2 has failed with status 3; ")


def trainer(world_size: int) -> Any:
    return SimpleNamespace(world_size=world_size, strategy=SimpleNamespace(launcher=None))


def test_only_an_error_between_processes_becomes_a_line() -> None:
    text = (
        "[/a/third_party/gloo/transport/tcp/pair.cc:537] Read error [127.0.0.1]:1: Connection reset. It may"
    )
    with pytest.raises(LostProcess) as caught, connection_errors(trainer(2)):
        raise RuntimeError(text)
    said = "the connection to another of 2 processes broke (Read error [127.0.0.1]:1: Connection reset); "
    assert str(caught.value).startswith(said)
    with pytest.raises(LostProcess, match="broke"), connection_errors(trainer(2)):
        raise torch.distributed.DistStoreError("timed out")
    for count, error in ((1, text), (2, "mat1 and mat2 shapes cannot be multiplied")):
        with pytest.raises(RuntimeError) as plain, connection_errors(trainer(count)):
            raise RuntimeError(error)
        assert not isinstance(plain.value, LostProcess)


def test_a_trainer_of_several_devices_is_guarded_and_shares_the_cores() -> None:
    options: dict[str, Any] = {"logger": False, "accelerator": "cpu", "enable_checkpointing": False}
    options |= {"enable_progress_bar": False, "enable_model_summary": False}
    alone, two = RunTrainer(devices=1, **options), RunTrainer(devices=2, **options)
    assert not any(isinstance(c, LostProcessGuard) for c in alone.callbacks)
    assert isinstance(two.callbacks[0], LostProcessGuard)
    assert isinstance(two.strategy.launcher, Launcher) and alone.strategy.launcher is None
    assert torch.get_num_threads() == 1


def test_the_launcher_reports_a_child_instead_of_killing_its_own_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Lightning's observer would end this process by SIGKILL."""
    options: dict[str, Any] = {"logger": False, "accelerator": "cpu", "enable_checkpointing": False}
    two = RunTrainer(devices=2, enable_progress_bar=False, enable_model_summary=False, **options)
    launcher: Any = two.strategy.launcher
    lines: list[str] = []
    monkeypatch.setattr(LostProcessGuard, "_lose", lambda self, line: lines.append(line))
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    monkeypatch.setattr(Launcher, "_call_children_scripts", lambda self: self.procs.append(child))

    def train() -> str:
        child.send_signal(signal.SIGKILL)
        child.wait()
        while not lines:
            time.sleep(0.01)
        return "done"

    assert launcher.launch(train, trainer=two) == "done"
    assert lines[0].startswith("process 2 of 2 was ended by SIGKILL")
    two.callbacks[0].teardown(two, two, "fit")
