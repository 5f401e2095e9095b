"""The folder of a cache: built beside its final name and renamed, with files shared by hard links."""

import errno
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import wraps
from pathlib import Path
from typing import ParamSpec

from atft.data.cache import DayCache
from atft.files.publish import disk_errors

P = ParamSpec("P")
ABANDONED_SECONDS = 6 * 3600
"""A builder that lives writes every few seconds."""
UNFINISHED = f".{16 * '[0-9a-f]'}-*-*"
"""Name of a builder's folder, as a glob: that of its cache and more. ``data.cache.dir`` may be a folder in which
other programs have hidden ones, such as a home."""


def link_file(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except OSError:  # a file system without hard links
        shutil.copy2(source, target)


def once_more(build: Callable[P, Path]) -> Callable[P, Path]:
    """A builder that begins again where a file is gone: ``cache --prune`` may remove what it was about to link."""

    @wraps(build)
    def built(*arguments: P.args, **options: P.kwargs) -> Path:
        try:
            return build(*arguments, **options)
        except FileNotFoundError:
            return build(*arguments, **options)

    return built


def _remove_abandoned(root: Path) -> None:
    """Remove what killed builders left."""

    def is_old(path: Path) -> bool:
        return time.time() - path.stat().st_mtime > ABANDONED_SECONDS

    for folder in root.glob(UNFINISHED):
        # Another process may remove the same folder: what is gone before it is looked at is no error.
        with suppress(FileNotFoundError):
            if folder.is_dir() and is_old(folder) and all(map(is_old, folder.iterdir())):
                shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def published_folder(root: Path, final: Path) -> Iterator[Path]:
    """A folder beside ``final`` that takes its name on success and is removed otherwise."""
    folder: Path | None = None
    try:
        with disk_errors(root, "set data.cache.dir to another place"):
            root.mkdir(parents=True, exist_ok=True)
            _remove_abandoned(root)
            folder = Path(tempfile.mkdtemp(prefix=f".{final.name}-", dir=root))
            folder.chmod(0o755)
            yield folder
            try:
                folder.rename(final)
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
                DayCache(final).open()  # another process was faster; its cache is the same one
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
