"""A lock is one process's until the file is closed or the process ends."""

import errno
import fcntl
import subprocess
import sys
from pathlib import Path

import pytest

from atft.errors import InputError
from atft.files.file_lock import exclusive, take_lock

CHILD = "import sys, time; from atft.files.file_lock import take_lock; from pathlib import Path; "
CHILD += "lock = take_lock(Path(sys.argv[1])); print('taken', flush=True); time.sleep(600)"


def test_a_lock_is_free_again_once_it_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "new" / "lock"
    with exclusive(path, "busy; wait"):
        assert take_lock(path) is None
        with pytest.raises(InputError, match=r"^busy; wait$"), exclusive(path, "busy; wait"):
            pass
    lock = take_lock(path)
    assert lock is not None
    lock.close()


def test_a_killed_process_leaves_no_lock(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tmp_path / "lock")], stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None and child.stdout.readline() == b"taken\n"
        assert take_lock(tmp_path / "lock") is None
        child.kill()
    lock = take_lock(tmp_path / "lock")
    assert lock is not None
    lock.close()


def test_a_place_that_takes_no_files_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="file: cannot write there"):
        take_lock(tmp_path / "file" / "lock")


def test_a_disk_without_locks_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with pytest.raises(
        InputError, match=r"lock: no locks on this disk \(No locks available\); name a folder"
    ):
        take_lock(tmp_path / "lock")
