"""A run's directory is its own: made by the one system call that only one of several runs can win.

Which version is free is known when a run is built, and made sure of when it starts to train: in between, minutes
may pass and another run of the same name may begin.
"""

from pathlib import Path

from atft.publish import disk_errors, remove_abandoned


def next_version(root: Path) -> Path:
    """The first ``version_N`` under ``root`` after all that are there; nothing is made."""
    taken = [p.name.removeprefix("version_") for p in root.glob("version_*")]
    return root / f"version_{max((int(n) for n in taken if n.isdigit()), default=-1) + 1}"


def make_version(wanted: Path) -> Path:
    """Make a version's directory, or the next free one where another run was faster; return the one made.

    Raises:
        InputError: the disk is full, or refuses the directory.
    """
    with disk_errors(wanted):
        wanted.parent.mkdir(parents=True, exist_ok=True)
        remove_abandoned(wanted.parent)
        while True:
            try:
                wanted.mkdir()
                return wanted
            except FileExistsError:
                wanted = next_version(wanted.parent)
