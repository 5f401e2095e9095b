"""SIGTERM is a stop like Ctrl-C; a real process is terminated in tests/commands/test_resume.py."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from atft.cli import guarded
from atft.termination import Terminated, how_stopped, on_parent_exit, terminable


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


def test_a_stop_says_what_it_was() -> None:
    assert how_stopped(KeyboardInterrupt()) == "stopped by Ctrl-C"
    assert how_stopped(Terminated("stopped by SIGTERM; start again")) == "stopped by SIGTERM; start again"


def test_a_process_notices_the_end_of_the_one_that_started_it(tmp_path: Path) -> None:
    child = (
        "import os, sys, time; from pathlib import Path; from atft.termination import on_parent_exit\n"
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
