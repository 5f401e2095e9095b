"""Which files a folder or a glob stands for."""

import json
from collections.abc import Iterator
from pathlib import Path

from atft.errors import InputError

FOLDER_LIST = "update/panel.json"
"""Of a panel that grows (`features --append`): names the files of its folder that count."""


def files_of_glob(pattern: str) -> Iterator[Path]:
    """The matches of a glob, which may be absolute."""
    anchor = Path(pattern).anchor
    return Path(anchor or ".").glob(str(Path(pattern).relative_to(anchor)) if anchor else pattern)


def files_of_folder(folder: Path) -> list[Path]:
    """The Parquet files of a folder, ascending by name; of a panel that grows, those that its list names.

    Raises:
        InputError: the list cannot be read.
    """
    listed = folder / FOLDER_LIST
    if not listed.is_file():
        return sorted(folder.glob("*.parquet"))
    try:
        months = json.loads(listed.read_text(encoding="utf-8"))["panel"]["months"]
        return [folder / file["name"] for file in months]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{listed}: unreadable; build the panel again with features") from error
