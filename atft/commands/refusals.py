"""Turn what the argument parser says into one line that names the key, what came, and the nearest known key."""

import re
from argparse import ArgumentError
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from atft.errors import InputError, nearest

UNKNOWN = re.compile(
    r"[Kk]ey '([\w.]+)' is not expected|Option '([\w.]+)' is not accepted|[Uu]nrecognized arguments: --([\w.]+)"
)
"""The three ways in which the parser says that it does not know a key."""

_known: list[str] = []


def remember_keys(keys: Iterable[str]) -> None:
    """Keep the keys that the parser takes, for the message about one that it does not."""
    _known[:] = keys


@contextmanager
def one_line(command: str) -> Iterator[None]:
    """Raise what the parser refuses as a one-line `InputError`."""
    try:
        yield
    except (ArgumentError, ValueError, TypeError) as error:
        own = _own(error)
        if own is not None:
            raise own from error
        if not isinstance(error, ArgumentError):
            raise
        raise InputError(f"{command}: {shorten(str(error), _known)}") from error


def _own(error: BaseException | None) -> InputError | None:
    """The refusal of ours that the parser wrapped in its own, if there is one."""
    while error is not None and not isinstance(error, InputError):
        error = error.__cause__ or error.__context__
    return InputError(str(error)) if error is not None else None


def shorten(message: str, known: Iterable[str]) -> str:
    """The parser's message without its nesting, with the nearest known key where a key was unknown."""
    # A check of ours that ran inside the parser: what it said stands at the end.
    message = message.rsplit(") failed: ", 1)[-1]
    lines = [line.strip(" -") for line in message.splitlines() if line.strip(" -")]
    text = " ".join(lines)
    unknown = UNKNOWN.search(text)
    if unknown:
        key = next(g for g in unknown.groups() if g)
        return f"unknown key {key!r}{nearest(key, known)}"
    return re.sub(r"\s+", " ", text)[:600]
