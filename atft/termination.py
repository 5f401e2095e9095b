"""SIGTERM ends a command as Ctrl-C does: half-written files are removed, and a run's receipt says that it was
stopped."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

CTRL_C, SIGTERM = "stopped by Ctrl-C", "stopped by SIGTERM"


class Terminated(KeyboardInterrupt):
    """The process was asked to end by SIGTERM."""


def exit_status(stop: KeyboardInterrupt) -> int:
    """Exit status of a command ended by the signal: 143 for SIGTERM, 130 for Ctrl-C."""
    return 128 + (signal.SIGTERM if isinstance(stop, Terminated) else signal.SIGINT)


def how_stopped(stop: KeyboardInterrupt) -> str:
    """What stopped the process, for a receipt or the terminal."""
    return str(stop) or (SIGTERM if isinstance(stop, Terminated) else CTRL_C)


@contextmanager
def terminable() -> Iterator[None]:
    """Raise `Terminated` in the block at the first SIGTERM, and ignore later ones while it ends.

    Outside the main thread, where Python allows no handlers, the block runs without one.
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
