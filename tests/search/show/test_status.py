"""What `sweep.py status` shows, and what its exit code says."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest

from atft.errors import InputError
from atft.search.question.options import SweepOptions
from atft.search.show.status import kilobytes, run
from atft.search.study.at_work import at_work
from atft.search.study.owner import this_process
from atft.search.study.storage import open_storage

MakeStudy = Callable[..., optuna.Study]
Write = Callable[..., Path]


@pytest.fixture
def stored(
    write_sweep: Write, make_sweep: Callable[..., SweepOptions], make_study: MakeStudy
) -> Callable[..., Path]:
    """Write a sweep whose study holds these trials: the sweep's path."""

    def make(n_trials: int = 4, **trials: Any) -> Path:
        sweep = make_sweep(n_trials=n_trials)
        make_study(storage=open_storage(sweep), **trials)
        return write_sweep(n_trials=n_trials)

    return make


def test_one_screen_shows_states_running_trials_the_best_and_failures(
    stored: Callable[..., Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    code = run(["--config", str(stored(values=[0.01, 0.03], running=1, failed=2))])
    shown = capsys.readouterr().out
    assert "study small: running, 2 of 4 trials finished" in shown
    assert "complete 2  failed 2  running 1" in shown
    assert f"{this_process()['pid']}" in shown and "preparing" in shown and "last update" in shown
    assert "best val/rank_ic +0.0300, trial 1" in shown
    assert (
        "after taking off what the best of" in shown
        and "by luck alone" in shown
        and re.search(r"model.network.init_args.hidden_size +8\n", shown)
    )
    assert "failures by class: 2 config" in shown
    assert "memory: trials here" in shown
    assert code == 3


@pytest.mark.parametrize("owner", [{}, {"host": "another"}])
def test_memory_is_that_of_this_machines_processes(
    stored: Callable[..., Path], owner: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    run(["--config", str(stored(running=1, owner=this_process() | owner))])
    shown = re.search(r"memory: trials here ([0-9.]+) GB", capsys.readouterr().out)
    assert shown is not None and (float(shown[1]) == 0) == bool(owner)


@pytest.mark.parametrize(
    ("trials", "code", "says"),
    [
        ({"values": [0.1, 0.2, 0.3, 0.4]}, 0, "done"),
        ({"pruned": 3, "failed": 1, "n_trials": 3}, 1, "none of 4 trials completed"),
        ({"values": [0.1]}, 4, "paused"),
        ({}, 4, "no trial has completed yet"),
    ],
)
def test_the_exit_code_tells_the_state(
    stored: Callable[..., Path],
    trials: dict[str, Any],
    code: int,
    says: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["--config", str(stored(**trials))]) == code
    shown = capsys.readouterr().out
    assert says in shown and "memory:" not in shown


def test_a_start_that_prepares_is_running(
    stored: Callable[..., Path], make_sweep: Callable[..., SweepOptions], capsys: pytest.CaptureFixture[str]
) -> None:
    path, folder = stored(n_trials=1, values=[0.1]), make_sweep(n_trials=1).directory
    with at_work(folder):
        assert run(["--config", str(path)]) == 3
        (folder / "study.db").unlink()
        assert run(["--config", str(path)]) == 3  # a new study is made after the checks
    said = capsys.readouterr().out
    assert "small: running, 1 of 1 trials finished" in said
    assert said.endswith("study small: running, its start checks it before the first trial\n")
    with pytest.raises(InputError, match="no study at"):
        run(["--config", str(path)])


def test_watching_ends_when_the_sweep_does(stored: Callable[..., Path]) -> None:
    assert run(["--config", str(stored(values=[0.1] * 4)), "--watch", "0.2"]) == 0


@pytest.mark.parametrize("seconds", ["nan", "inf", "0", "-3"])
def test_no_number_of_seconds_to_watch_is_one_line(seconds: str, write_sweep: Write) -> None:
    with pytest.raises(InputError, match=rf"^--watch takes a number of seconds above 0, got {seconds}$"):
        run(["--config", str(write_sweep()), "--watch", seconds])


def test_a_sweep_that_was_never_started_is_an_error(write_sweep: Write) -> None:
    with pytest.raises(InputError, match=r"no study at .*start it first"):
        run(["--config", str(write_sweep())])


def test_memory_is_read_from_the_kernels_tables() -> None:
    assert 1_000 < kilobytes(Path("/proc/self/status"), "VmRSS") < 100_000_000
    assert kilobytes(Path("/proc/self/no-such-table"), "VmRSS") == 0
    assert kilobytes(Path("/proc/meminfo"), "NoSuchKey") == 0
