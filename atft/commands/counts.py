"""Counts that a command takes beside the keys of a run: seeds, workers."""

from atft.errors import InputError, clip

MAX_COUNT = 1000


def read_count(name: str, text: str) -> int:
    """Read a whole number from 1 to 1,000; raises InputError, which calls the option by its ``name``."""
    if not (text.isdecimal() and len(text) <= 4 and 1 <= int(text) <= MAX_COUNT):
        raise InputError(f"{name} takes a whole number from 1 to {MAX_COUNT}, got {clip(text, 40)!r}")
    return int(text)
