"""Directories of the runs of a name.

The free version is known when a run is built, and made when it starts to train: in between, minutes may pass and
another run of the same name may begin. So it is made by one system call that only one of several runs can win.
"""

from pathlib import Path

from atft.files.publish import disk_errors, remove_abandoned


def next_version(root: Path) -> Path:
    """The first ``version_N`` under ``root`` after all that are there; nothing is made."""
    return root / f"version_{max(map(version_number, root.glob('version_*')), default=-1) + 1}"


def version_number(directory: Path) -> int:
    """N of ``version_N``; -1 of any other name."""
    number = directory.name.removeprefix("version_")
    return int(number) if number.isdigit() else -1


def make_version(directory: Path) -> Path:
    """Make a version's directory, or the next free one where another run was faster; return the one made."""
    with disk_errors(directory):
        directory.parent.mkdir(parents=True, exist_ok=True)
        remove_abandoned(directory.parent)
        while True:
            try:
                directory.mkdir()
                return directory
            except FileExistsError:
                directory = next_version(directory.parent)
