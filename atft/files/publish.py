"""Files that are whole or absent: written beside their final name, flushed to disk, renamed.

A reader sees the former file or the new one, never half of one, whatever kills the writer. What a killed writer
left beside is removed by the next one: its name says which process of which machine wrote it.
"""

import errno
import json
import os
import re
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path
from typing import Any

from atft.errors import InputError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
BROKEN = (*FULL, errno.EROFS, errno.EIO)
UNWRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.EEXIST)


@contextmanager
def published(path: Path, durable: bool = True) -> Iterator[Path]:
    """Give a path beside ``path`` to write to; rename it to ``path`` when the block ends well, else remove it.

    A symbolic link is followed. A ``durable`` file is flushed to the disk first, so that it is whole after a power
    cut too; what is rewritten every second means nothing then. A disk that is full or cannot be written raises; see
    `disk_errors`.

    Raises:
        InputError: ``path`` is a folder, a pipe or a device such as ``/dev/null``, which the rename would replace.
    """
    with disk_errors(path):
        if path.exists() and not path.is_file():
            kind = "a folder" if path.is_dir() else "a pipe or device"
            raise InputError(f"{path}: cannot write there ({kind}); name a file")
        target = path.resolve() if path.is_symlink() else path  # a link goes on leading to the file
        beside = target.parent / f".{target.name}.{_host()}.{os.getpid()}.tmp"
        target.parent.mkdir(parents=True, exist_ok=True)
        if durable:
            _remove_abandoned(target.parent.glob(f".{escape(target.name)}.*.tmp"))
        try:
            beside.touch()  # a folder that takes no files says so before the work, not after it
            yield beside
            if durable:
                with beside.open("rb") as written:
                    os.fsync(written.fileno())
            beside.replace(target)
        finally:
            with suppress(OSError):
                beside.unlink(missing_ok=True)


def remove_abandoned(folder: Path) -> None:
    """Remove temporary files of processes of this machine that were killed, in ``folder`` and all below it."""
    _remove_abandoned(folder.rglob(".*.tmp"))


def _remove_abandoned(files: Iterable[Path]) -> None:
    for file in files:
        writer = re.fullmatch(rf"\..+\.{re.escape(_host())}\.(\d+)\.tmp", file.name)
        if writer and not is_running(int(writer[1])):
            with suppress(OSError):
                file.unlink()


def _host() -> str:
    # Processes of other machines that share the disk cannot be seen from here: their files are left alone.
    return re.sub(r"[^A-Za-z0-9-]", "-", socket.gethostname())


def is_running(pid: int) -> bool:
    """Whether a process of this machine has that id."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # another user's
    return True


@contextmanager
def disk_errors(path: Path, advice: str = "name another place") -> Iterator[None]:
    """Turn a full disk, or one that does not take what the block writes, into one line: ``path`` to ``advice``."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise InputError(f"{path}: the disk is full; make room or {advice}") from error
        if error.errno in UNWRITABLE:
            raise InputError(f"{path}: cannot write there ({error.strerror}); {advice}") from error
        raise


def is_of_the_disk(error: BaseException | None) -> bool:
    """Whether a disk that is full, broken or read-only is behind an error, so that the next run ends so too."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in BROKEN:
            return True
        error = error.__cause__ or error.__context__
    return False


def check_folder_name(key: str, name: str) -> None:
    """Check that the name of a run or a study is a plain folder's, so that nothing is written elsewhere."""
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,80}", name) or set(name) == {"."}:
        raise InputError(f"{key} must be 1 to 80 letters, digits or ._-, got {name!r:.60}")


def publish_text(path: Path, text: str, durable: bool = True) -> None:
    """Publish a small text file; see `published`."""
    with published(path, durable) as beside:
        beside.write_text(text, encoding="utf-8")


def publish_json(path: Path, content: Any, durable: bool = True) -> None:
    """Publish as JSON that any reader takes: numbers that are not finite become null."""
    finite = json.loads(json.dumps(content), parse_constant=lambda name: None)
    publish_text(path, json.dumps(finite, indent=2) + "\n", durable)


def parse_json(path: Path) -> Any:
    """What the JSON of a file says; raises ValueError where it is none, also one nested too deeply to be read."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def read_json(path: Path) -> dict[str, Any] | None:
    """The JSON mapping of a file; None where there is no file, or none with a mapping."""
    try:
        content = parse_json(path)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, ValueError):
        return None
    return content if isinstance(content, dict) else None
