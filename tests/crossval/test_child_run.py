"""A child has the lock of its folder for exactly as long as it lives."""

import sys
import time
from pathlib import Path

from atft.crossval.child_run import LOCK, ChildRun
from atft.files.file_lock import take_lock


def start(folder: Path, code: str) -> ChildRun:
    lock = take_lock(folder / LOCK)
    assert lock is not None
    return ChildRun([sys.executable, "-c", code], folder, lock)


def test_the_lock_is_the_childs_until_it_ends_however_it_ends(tmp_path: Path) -> None:
    child = start(tmp_path, "import time; time.sleep(600)")
    assert child.exit_status() is None and take_lock(tmp_path / LOCK) is None
    child.wait(0)
    assert child.exit_status() == -9
    lock = take_lock(tmp_path / LOCK)
    assert lock is not None
    lock.close()


def test_its_last_line_is_of_this_start_without_the_opening_of_an_error(tmp_path: Path) -> None:
    start(tmp_path, "print('before')").wait(60)
    silent = start(tmp_path, "")
    silent.wait(60)
    assert silent.last_line() == ""
    child = start(tmp_path, "import sys; print('one'); print('atft: error: two; fix it\\n', file=sys.stderr)")
    child.wait(60)
    assert child.last_line() == "two; fix it" and child.exit_status() == 0
    assert (tmp_path / "output.log").read_text().startswith("before")


def test_it_stops_when_it_is_asked_to(tmp_path: Path) -> None:
    child = start(tmp_path, "import time; print('on', flush=True); time.sleep(600)")
    while child.last_line() != "on":
        time.sleep(0.01)
    child.stop()
    child.wait(60)
    assert child.exit_status() == -15
