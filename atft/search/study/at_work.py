"""Whether a start of a sweep is at work on this machine, also while it prepares and no trial runs yet.

Each start has a file in the study's folder that names its process. One that was killed leaves it; the next start
removes it.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from atft.files.publish import publish_json, read_json
from atft.search.study.owner import is_gone, is_here, this_process


@contextmanager
def at_work(folder: Path) -> Iterator[None]:
    """Let `is_at_work` be true of a study's folder during the block; remove a folder that is empty after it."""
    this = this_process()
    for file, process in _starts(folder).items():
        if is_gone(process):
            file.unlink(missing_ok=True)
    file = folder / f".start_{this['host']}_{this['pid']}.json"
    publish_json(file, this)
    try:
        yield
    finally:
        file.unlink(missing_ok=True)
        with suppress(OSError):  # a study is in it
            folder.rmdir()


def is_at_work(folder: Path) -> bool:
    """Whether a process of this machine is in an `at_work` block of a study's folder."""
    return any(is_here(process) and not is_gone(process) for process in _starts(folder).values())


def _starts(folder: Path) -> dict[Path, dict[str, object]]:
    return {
        file: process for file in folder.glob(".start_*.json") if (process := read_json(file)) is not None
    }
