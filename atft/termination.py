"""SIGTERM ends a command as Ctrl-C does: half-written files are removed, and a run's receipt says that it was
stopped. A child process notices the end of its parent."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
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


def on_parent_exit(parent: int, action: Callable[[], None]) -> None:
    """Call ``action`` from a thread within a second after this process's parent has ended, perhaps already."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        action()

    threading.Thread(target=watch, daemon=True).start()
