"""SIGTERM is a stop like Ctrl-C; a real process is terminated in tests/commands/test_resume.py."""

import contextlib
import importlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from atft.cli import guarded
from atft.process.allocator import has_glibc
from atft.process.termination import Terminated, how_stopped, on_parent_exit, terminable


def terminate() -> int:
    os.kill(os.getpid(), signal.SIGTERM)
    raise AssertionError("the signal did not end the block")


def test_sigterm_ends_a_command_with_one_line_and_the_status_of_a_shell(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert guarded(terminate, debug=False) == 143
    assert capsys.readouterr().err == "atft: stopped by SIGTERM\n"


def test_ctrl_c_ends_it_with_130(capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt() -> int:
        raise KeyboardInterrupt

    assert guarded(interrupt, debug=False) == 130
    assert capsys.readouterr().err == "atft: stopped by Ctrl-C\n"


def test_a_second_sigterm_does_not_disturb_the_end_and_the_handler_is_put_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Terminated), terminable():
        try:
            terminate()
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before


SWALLOWS = """
import os
try:
    for _ in range({times}):
        os.kill(os.getpid(), {number})
    caught = False
except BaseException:
    caught = True
"""


@pytest.fixture(autouse=True)
def _ctrl_c_counts() -> Iterator[None]:
    """A job in the background inherits an ignored Ctrl-C; these tests are those of a terminal."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("times", [1, 3])
def test_a_signal_during_an_import_ends_the_command_when_the_import_is_over(
    number: int, status: int, times: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"swallows_{number}_{times}"
    (tmp_path / f"{name}.py").write_text(SWALLOWS.format(number=int(number), times=times))
    monkeypatch.syspath_prepend(tmp_path)
    imported = []

    def action() -> int:
        imported.append(importlib.import_module(name))
        time.sleep(60)
        raise AssertionError("the signal is lost")

    before = signal.getsignal(number)
    assert guarded(action, debug=False) == status
    assert [module.caught for module in imported] == [False]
    assert signal.getsignal(number) is before


def test_an_import_that_does_not_end_is_interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "endless.py").write_text("import os, time\nos.kill(os.getpid(), 2)\ntime.sleep(60)\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("atft.process.termination.LONGEST_IMPORT_S", 0.2)
    with pytest.raises(KeyboardInterrupt), terminable():
        importlib.import_module("endless")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_error_after_a_signal_that_a_library_has_swallowed_is_the_stop(
    number: int, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    def action() -> int:
        with contextlib.suppress(KeyboardInterrupt):
            os.kill(os.getpid(), number)
            time.sleep(60)
        raise AttributeError("module 'numpy' has no attribute 'minimum'")

    assert guarded(action, debug=False) == status
    assert capsys.readouterr().err.startswith("atft: stopped by ")


def test_an_error_without_a_signal_stays_an_error() -> None:
    with pytest.raises(AttributeError), terminable():
        raise AttributeError("a bug")


def test_an_ignored_ctrl_c_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with terminable():
            os.kill(os.getpid(), signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_stop_says_what_it_was() -> None:
    assert how_stopped(KeyboardInterrupt()) == "stopped by Ctrl-C"
    assert how_stopped(Terminated("stopped by SIGTERM; start again")) == "stopped by SIGTERM; start again"


def test_a_process_notices_the_end_of_the_one_that_started_it(tmp_path: Path) -> None:
    child = (
        "import os, sys, time; from pathlib import Path; from atft.process.termination import on_parent_exit\n"
        "on_parent_exit(os.getppid(), lambda: (Path(sys.argv[1], 'ended').touch(), os._exit(0)))\n"
        "Path(sys.argv[1], 'ready').touch(); time.sleep(600)"
    )
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}, sys.argv[1]])"
    with subprocess.Popen([sys.executable, "-c", parent, tmp_path]) as process:
        while not (tmp_path / "ready").exists():
            time.sleep(0.01)
        assert not (tmp_path / "ended").exists()
        process.kill()
    while not (tmp_path / "ended").exists():  # the test's own limit of time is what fails here
        time.sleep(0.01)


def test_a_parent_that_had_ended_before_counts_at_once() -> None:
    ended = threading.Event()
    on_parent_exit(2**22 + 1, ended.set)
    assert ended.wait(60)


AT_THE_END = """
import atexit, ctypes, os, sys, threading, time
from atft.__main__ import main
def late():
    time.sleep(.1)
    print("thread")
{action}
atexit.register(print, "exit function")
threading.Thread(target=late).start()
sys.argv = ["atft", "--version"]
main()
"""


@pytest.mark.parametrize(
    "action",
    [
        "",
        # glibc calls abort where the interpreter has ended, as a pool of threads of a library may.
        "libc = ctypes.CDLL(None); libc.on_exit(ctypes.cast(libc.abort, ctypes.c_void_p), None)",
        "atexit.register(os.kill, os.getpid(), 2)",
        "atexit.register(os.kill, os.getpid(), 15)",
        # Its threads wait for work until they are asked to end.
        "from concurrent.futures import ThreadPoolExecutor; pool = ThreadPoolExecutor(); pool.submit(int)",
    ],
    ids=["nothing", "abort", "Ctrl-C", "SIGTERM", "a pool of threads"],
)
def test_what_happens_at_the_end_of_a_program_does_not_change_its_status(action: str) -> None:
    if "on_exit" in action and not has_glibc():
        pytest.skip("on_exit is glibc's")
    words = [sys.executable, "-c", AT_THE_END.format(action=action)]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("atft ") and ended.stdout.endswith("thread\nexit function\n")


def test_a_profiler_of_a_command_ends_too(tmp_path: Path) -> None:
    out = tmp_path / "profile"
    words = [sys.executable, "-m", "cProfile", "-o", str(out), "-m", "atft", "fits"]
    subprocess.run(words, capture_output=True, timeout=60)
    assert out.stat().st_size > 0
