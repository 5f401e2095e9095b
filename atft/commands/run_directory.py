"""A run's directory is its own: made by the one system call that only one of several runs can win.

Which version is free is known when a run is built, and made sure of when it starts: in between, minutes may pass
and another run of the same name may begin. A directory that nothing was written into is taken away again, so
that refused input leaves no trace.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from atft.publish import disk_refusals


def next_version(root: Path) -> Path:
    """The first ``version_N`` under ``root`` after all that are there; nothing is made."""
    taken = [p.name.removeprefix("version_") for p in root.glob("version_*")]
    return root / f"version_{max((int(n) for n in taken if n.isdigit()), default=-1) + 1}"


def make_version(wanted: Path) -> Path:
    """Make a version's directory, or the next free one where another run was faster; return the one made.

    Raises:
        InputError: the disk is full, or refuses the directory.
    """
    with disk_refusals(wanted):
        while True:
            wanted.parent.mkdir(parents=True, exist_ok=True)
            try:
                wanted.mkdir()
                return wanted
            except FileExistsError:
                wanted = next_version(wanted.parent)
            except FileNotFoundError:  # the parent was empty, and its maker has just taken it away again
                continue


@contextmanager
def own_version(wanted: Path) -> Iterator[Path]:
    """Hold a version's directory for the block's time and keep it after, unless nothing is in it.

    Args:
        wanted: the version that was free when the run was built.

    Raises:
        InputError: the disk is full, or refuses the directory.
    """
    absent = [p for p in (wanted.parent, *wanted.parent.parents) if not p.exists()]
    made = make_version(wanted)
    try:
        yield made
    finally:
        with suppress(OSError):  # not empty: a run lies there
            for folder in (made, *absent):
                folder.rmdir()
