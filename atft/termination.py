"""SIGTERM ends a command as Ctrl-C does: half-written files are removed, and a run says that it was stopped."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

CTRL_C, SIGTERM = "stopped by Ctrl-C", "stopped by SIGTERM"


class Terminated(KeyboardInterrupt):
    """The process was asked to end by SIGTERM."""


def exit_status(stop: KeyboardInterrupt) -> int:
    """What a shell gives a command that the signal has killed: 143 for SIGTERM, 130 for Ctrl-C."""
    return 128 + (signal.SIGTERM if isinstance(stop, Terminated) else signal.SIGINT)


def how_stopped(stop: KeyboardInterrupt) -> str:
    """In words, for a receipt or the terminal."""
    return str(stop) or (SIGTERM if isinstance(stop, Terminated) else CTRL_C)


@contextmanager
def terminable() -> Iterator[None]:
    """Raise `Terminated` in the block at the first SIGTERM; later ones do not disturb the end that it makes.

    Outside of the main thread, which alone may set handlers, the block runs as it is.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _raise)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _raise(number: int, frame: Any) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Terminated
