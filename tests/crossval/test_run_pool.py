"""Every run is brought to its end, whatever ends its process; what is finished is kept."""

import os
import re
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from atft.callbacks.record.receipt import Receipt
from atft.crossval import run_pool
from atft.crossval.child_run import LOCK, ChildRun
from atft.crossval.cross_validate import finish_runs
from atft.crossval.plan import FoldRun, planned_runs
from atft.crossval.request import fit_words
from atft.crossval.run_pool import RunPool, receipt_figures
from atft.crossval.run_state import RunState, read_state
from atft.errors import InputError, RunFailed
from atft.files.file_lock import take_lock
from atft.process.termination import Terminated

Starts = Callable[[Path], list[dict[str, str]]]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_pool, "TICK_SECONDS", 0.01)


@pytest.fixture
def make_pool(tmp_path: Path, stub: Any) -> Callable[..., RunPool]:
    """A pool of runs of the stub, in the folder ``pool``."""

    def make(runs: Sequence[FoldRun], **options: Any) -> RunPool:
        directory = tmp_path / "pool"
        directory.mkdir(exist_ok=True)

        def command(run: FoldRun, state: RunState, before: RunState | None) -> list[str]:
            return [*stub.program, *fit_words(directory, 1, run, state, before)]

        return RunPool(directory, runs, command, **{"report": lambda _: None, **options})

    return make


def test_every_run_is_finished_once_and_then_kept(
    make_pool: Callable[..., RunPool], starts: Starts, tmp_path: Path
) -> None:
    runs, lines = planned_runs(2, [1, 2]), list[str]()
    states = make_pool(runs, workers=2, report=lines.append).finish()
    assert list(states) == runs and all(state.finished for state in states.values())
    assert sorted(start["name"] for start in starts(tmp_path / "pool")) == sorted(run.name for run in runs)
    assert [re.split("  +", line)[1:4] for line in lines] == [
        ["completed", "val RankIC +0.0312", "test RankIC +0.0287"]
    ] * 4
    assert re.search(r"3 of 4 runs, about 0:00:0\d left$", lines[2]) and lines[3].endswith("4 of 4 runs")
    lines.clear()
    assert make_pool(runs, report=lines.append).finish() == states
    assert len(starts(tmp_path / "pool")) == 4
    assert lines == ["4 of 4 runs are finished and kept, 0 go on from a checkpoint"]


def test_the_time_left_shrinks_while_runs_are_at_work(make_pool: Callable[..., RunPool]) -> None:
    now = 0.0
    runs = planned_runs(None, range(6))
    pool = make_pool(runs, workers=2, clock=lambda: now)
    assert pool.standing() == "0 of 6 runs"
    pool._finished, pool._seconds = dict.fromkeys(runs[:1], RunState()), [100.0]
    assert pool.standing() == "1 of 6 runs, about 0:04:10 left"
    pool._children, pool._began = dict.fromkeys(runs[1:3]), dict.fromkeys(runs[1:3], 0.0)  # type: ignore[assignment]
    now = 30.0
    assert pool.standing() == "1 of 6 runs, about 0:03:40 left"
    now = 9000.0
    assert pool.standing() == "1 of 6 runs, about 0:02:30 left"


def test_a_killed_run_goes_on_from_its_last_checkpoint(
    make_pool: Callable[..., RunPool], stub: Any, starts: Starts, tmp_path: Path
) -> None:
    stub.end(fold_0_seed_1=["killed"], fold_1_seed_1=["killed early"])
    lines: list[str] = []
    make_pool(planned_runs(2, [1]), report=lines.append).finish()
    first, second, third, fourth = starts(tmp_path / "pool")
    assert (first["name"], second["name"]) == ("fold_0_seed_1", "fold_0_seed_1")
    assert "--ckpt_path" not in first
    assert second["--ckpt_path"] == str(tmp_path / "pool" / "fold_0_seed_1" / "version_0" / "last.ckpt")
    assert third["name"] == fourth["name"] == "fold_1_seed_1" and "--ckpt_path" not in fourth
    assert (
        lines[0] == "fold_0_seed_1 ended (signal 9); it is tried once more from its last checkpoint"
        and "from the beginning" in lines[2]
    )


def test_a_run_that_has_no_disk_to_write_to_ends_all_and_is_not_tried_again(tmp_path: Path) -> None:
    begun: list[str] = []

    def command(run: FoldRun, state: RunState, before: RunState | None) -> list[str]:
        begun.append(run.name)
        return [sys.executable, "-c", "raise SystemExit(2)"]

    pool = RunPool(tmp_path, planned_runs(2, [1]), command, report=lambda _: None)
    with pytest.raises(
        InputError, match=r"^fold_0_seed_1: no reason in output.log; is the disk full\?; .*goes on tries"
    ):
        finish_runs(pool, "what goes on")
    assert begun == ["fold_0_seed_1"]


def test_a_run_that_fails_twice_is_reported_once_the_others_have_finished(
    make_pool: Callable[..., RunPool], stub: Any, starts: Starts, tmp_path: Path
) -> None:
    stub.end(fold_0_seed_1=["failed", "failed"])
    runs = planned_runs(2, [1])
    with pytest.raises(RunFailed, match="fold_0_seed_1 failed: exit status 1, VarianceCollapse: one score"):
        make_pool(runs).finish()
    assert [start["name"] for start in starts(tmp_path / "pool")] == [
        runs[0].name,
        runs[0].name,
        runs[1].name,
    ]
    assert not any("--ckpt_path" in start for start in starts(tmp_path / "pool"))
    # The next start tries it again, and keeps the other.
    assert all(state.finished for state in make_pool(runs).finish().values())
    assert [start["name"] for start in starts(tmp_path / "pool")][3:] == [runs[0].name]


def test_a_run_that_dies_before_it_has_a_folder_is_not_reported_with_the_reason_of_its_last_try(
    make_pool: Callable[..., RunPool], stub: Any
) -> None:
    stub.end(seed_1=["failed", "killed before its folder"])
    lines: list[str] = []
    with pytest.raises(RunFailed, match="seed_1 failed: signal 9; its output: "):
        make_pool(planned_runs(None, [1]), report=lines.append).finish()
    assert [line.partition(" (")[2] for line in lines] == [
        "exit status 1, VarianceCollapse: one score for all); it is tried once more from the beginning",
        "signal 9)",
    ]


def test_an_error_of_the_input_ends_all_at_once_since_every_run_would_have_it(
    make_pool: Callable[..., RunPool], stub: Any, starts: Starts, tmp_path: Path
) -> None:
    stub.end(seed_1=["waits"], seed_2=["input"])
    with pytest.raises(InputError, match=r"^seed_2: unknown key 'x'; did you mean 'y'\?"):
        make_pool(planned_runs(None, [1, 2, 3]), workers=2).finish()
    assert len(starts(tmp_path / "pool")) == 2
    assert read_state(tmp_path / "pool" / "seed_1").checkpoint is not None


def test_a_warm_start_takes_the_weights_of_the_fold_before_of_the_same_seed(
    make_pool: Callable[..., RunPool], starts: Starts, tmp_path: Path
) -> None:
    make_pool(planned_runs(3, [1, 2]), workers=4, warm_start=True).finish()
    begun: dict[str, int] = {}
    for number, start in enumerate(starts(tmp_path / "pool")):
        begun[start["name"]] = number
        fold, seed = re.findall(r"\d", start["name"])
        before = f"fold_{int(fold) - 1}_seed_{seed}"
        weights = tmp_path / "pool" / before / "version_0" / "best_model.ckpt"
        assert start.get("--init_from") == (None if fold == "0" else str(weights))
        assert fold == "0" or begun[before] < number


def test_a_warm_start_ends_where_a_fold_has_failed(
    make_pool: Callable[..., RunPool], stub: Any, starts: Starts, tmp_path: Path
) -> None:
    stub.end(fold_0_seed_1=["failed", "failed"])
    with pytest.raises(RunFailed, match="fold_0_seed_1 failed"):
        make_pool(planned_runs(3, [1]), warm_start=True).finish()
    assert {start["name"] for start in starts(tmp_path / "pool")} == {"fold_0_seed_1"}


@pytest.mark.parametrize("stop", [KeyboardInterrupt, Terminated])
def test_a_signal_stops_the_children_so_that_they_go_on(
    stop: type[BaseException], make_pool: Callable[..., RunPool], stub: Any, tmp_path: Path
) -> None:
    number = signal.SIGINT if stop is KeyboardInterrupt else signal.SIGTERM
    stub.end(seed_1=["waits"], seed_2=["waits"])
    before = signal.getsignal(number)
    runs, lines = planned_runs(None, [1, 2, 3]), list[str]()
    pool = make_pool(runs, workers=2, report=lines.append)
    tick = pool._tick

    def stop_once_both_wait() -> bool:
        if not pool._signals and all((tmp_path / "pool" / f"seed_{s}" / "waits").exists() for s in (1, 2)):
            os.kill(os.getpid(), number)
        return tick()

    pool._tick = stop_once_both_wait  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt) as stopped:
        pool.finish()
    assert type(stopped.value) is stop and signal.getsignal(number) is before
    assert lines == ["stopping 2 runs; Ctrl-C again kills them"]
    assert [read_state(tmp_path / "pool" / run.name).checkpoint is not None for run in runs] == [
        True,
        True,
        False,
    ]
    assert len(make_pool(runs).finish()) == 3


def test_a_second_signal_kills_the_children_which_go_on_too(
    make_pool: Callable[..., RunPool], stub: Any, tmp_path: Path
) -> None:
    stub.end(seed_1=["ignores"])
    (run,) = planned_runs(None, [1])
    pool = make_pool([run])
    tick = pool._tick

    def stop_twice() -> bool:
        if len(pool._signals) < 2 and (tmp_path / "pool" / run.name / "waits").exists():
            os.kill(os.getpid(), signal.SIGINT)
        return tick()

    pool._tick = stop_twice  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        pool.finish()
    assert read_state(tmp_path / "pool" / run.name).checkpoint is not None


def test_a_run_that_a_killed_start_left_at_work_is_waited_for_and_not_trained_twice(
    make_pool: Callable[..., RunPool], stub: Any, starts: Starts, tmp_path: Path
) -> None:
    stub.end(seed_1=["waits"])
    (run,) = planned_runs(None, [1])
    lines: list[str] = []
    pool = make_pool([run], report=lines.append)
    folder = tmp_path / "pool" / run.name
    lock = take_lock(folder / LOCK)
    assert lock is not None
    orphan = ChildRun(pool.command(run, RunState(), None), folder, lock)
    while not (folder / "waits").exists():
        time.sleep(0.01)

    def let_it_end(line: str) -> None:
        lines.append(line)
        (folder / "go").touch()

    pool = make_pool([run], report=let_it_end)
    assert pool.finish()[run].finished and len(starts(tmp_path / "pool")) == 1
    assert lines[0] == "seed_1: still at work for a start that was killed; waiting for its end"
    orphan.wait(60)


def test_the_figures_of_a_run_are_of_the_days_that_it_has() -> None:
    measured = {"val/rank_ic": 0.0312, "test/rank_ic": None}
    assert (
        receipt_figures(Receipt("completed", metrics=measured)) == "val RankIC +0.0312  test RankIC unknown"
    )
    assert receipt_figures(Receipt("completed", metrics={"val/rank_ic": 0.0312})) == "val RankIC +0.0312"
