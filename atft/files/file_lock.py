"""Locks of files: the system frees one when its process ends, however that happens."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from io import IOBase
from pathlib import Path

from atft.errors import InputError
from atft.files.publish import disk_errors


def take_lock(path: Path) -> IOBase | None:
    """Open a file with an exclusive lock; None where another process has it. Closing the file releases it.

    Raises:
        InputError: the file cannot be opened, or its disk has no locks.
    """
    with disk_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    except OSError as error:  # some disks that machines share are mounted without locks
        file.close()
        raise InputError(
            f"{path}: no locks on this disk ({error.strerror}); name a folder on another one"
        ) from error
    return file


@contextmanager
def exclusive(path: Path, otherwise: str) -> Iterator[None]:
    """Run the block with a file's lock.

    Raises:
        InputError: another process has it; the line is ``otherwise``.
    """
    lock = take_lock(path)
    if lock is None:
        raise InputError(otherwise)
    with lock:
        yield
