"""run.log in the run's directory: the lines that the terminal showed, kept.

A run that nobody watched can be read afterwards; every line is whole, since each is one appended write.
"""

from pathlib import Path

NAME = "run.log"


def append_log(directory: Path, text: str) -> None:
    """Add ``text`` and a line's end to the log of a run.

    Args:
        directory: the run's; nothing is written where it does not exist.
        text: one line, or a whole table.
    """
    if directory.is_dir():
        with (directory / NAME).open("a", encoding="utf-8") as log:
            log.write(text.rstrip() + "\n")
