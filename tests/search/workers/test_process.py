import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from optuna.exceptions import StorageInternalError

from atft.search.question.options import SweepOptions
from atft.search.workers.process import WorkerProcess, run_child


def ended(worker: WorkerProcess) -> int:
    while (code := worker.exit_status()) is None:  # the test's own limit of time ends one that hangs
        time.sleep(0.01)
    return code


def test_a_worker_runs_in_its_place_and_writes_into_its_log(tmp_path: Path) -> None:
    code = "import sys, os; print(sys.argv[1:], os.getsid(0) == os.getpid()); sys.exit(3)"
    worker = WorkerProcess(1, [sys.executable, "-c", code], tmp_path / "logs" / "worker.log")
    assert worker.pid is None and worker.ready
    worker.start()
    assert worker.pid is not None and not worker.ready
    assert ended(worker) == 3
    assert worker.pid is None
    assert worker.last_line() == "[] True"


def test_crashes_without_progress_are_counted_and_pause_the_place_ever_longer(tmp_path: Path) -> None:
    worker = WorkerProcess(0, [sys.executable, "-c", "pass"], tmp_path / "worker.log")
    worker.crashed(progressed=False)
    assert (worker.crashes, worker.ready) == (1, True)
    worker.crashed(progressed=False)
    assert (worker.crashes, worker.ready) == (2, False)
    worker.crashed(progressed=True)
    assert (worker.crashes, worker.ready) == (1, True)


def test_a_database_that_is_lost_ends_a_process_with_one_line(
    toy_sweep: Callable[..., SweepOptions], capsys: pytest.CaptureFixture[str]
) -> None:
    def work(sweep: SweepOptions) -> None:
        raise StorageInternalError("the connection is lost")

    assert run_child(["--sweep", toy_sweep().as_json()], work, lambda: None) == 1
    said = capsys.readouterr().err
    assert said.startswith("atft: error: storage sqlite:///") and said.count("\n") == 1
    assert "the connection is lost; nothing is lost, the same command goes on" in said


def test_a_killed_worker_is_reported_once(tmp_path: Path) -> None:
    worker = WorkerProcess(0, [sys.executable, "-c", "input()"], tmp_path / "worker.log")
    worker.start()
    worker.kill()
    assert worker.exit_status() == -9 or worker.exit_status() is None
    assert worker.exit_status() is None
    assert worker.last_line() in ("nothing", "EOFError: EOF when reading a line")
