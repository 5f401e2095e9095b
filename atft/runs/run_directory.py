"""Directories of the runs of a name.

The free version is known when a run is built, and made when it starts to train: in between, minutes may pass and
another run of the same name may begin. So it is made by one system call that only one of several runs can win.
"""

from pathlib import Path

from atft.publish import disk_errors, remove_abandoned


def next_version(root: Path) -> Path:
    """The first ``version_N`` under ``root`` after all that are there; nothing is made."""
    versions = [p.name.removeprefix("version_") for p in root.glob("version_*")]
    return root / f"version_{max((int(n) for n in versions if n.isdigit()), default=-1) + 1}"


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
