"""SIGTERM ends a command as Ctrl-C does: half-written files are removed, and a run's receipt says that it was
stopped. A child process notices the end of its parent. The end of a program cannot change its status.

A library may swallow either while it is imported, as torch does while numpy is: the command would go on with half
of a library, and end in its error seconds later. So they wait a second for an import, and an error after one is a
stop.
"""

import atexit
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

CTRL_C, SIGTERM = "stopped by Ctrl-C", "stopped by SIGTERM"
RETRY_S, LONGEST_IMPORT_S = 0.05, 1.0
"""Seconds after which a signal that came during an import is tried again, and for how long it waits at most."""

Handler = Callable[[int, FrameType | None], object]


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

    Ctrl-C and SIGTERM wait for an import to end, and any error that the block ends with after one is the stop.
    Where SIGINT is ignored, as for a job in the background, it stays so. Outside the main thread, where Python
    allows no handlers, the block runs without one.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handlers: dict[int, Handler] = {signal.SIGTERM: _raise}
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        handlers[signal.SIGINT] = signal.default_int_handler
    came: list[int] = []
    before = {n: signal.signal(n, _after_imports(handler, came)) for n, handler in handlers.items()}
    done = False
    try:
        yield
        done = True
    finally:
        for number, former in before.items():
            signal.signal(number, former)
        error = None if done else sys.exc_info()[1]
        if came and isinstance(error, Exception):
            raise (Terminated if came[0] == signal.SIGTERM else KeyboardInterrupt) from error


def _raise(number: int, frame: FrameType | None) -> None:
    if not _imports(frame):  # where it may be swallowed, the next one counts
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Terminated


def _after_imports(handler: Handler, came: list[int]) -> Handler:
    """The handler, called once no import is going on, or after a second of one; ``came`` keeps the signals."""
    since, waits = 0.0, False

    def again(number: int) -> None:
        nonlocal waits
        waits = False
        os.kill(os.getpid(), number)

    def wait(number: int, frame: FrameType | None) -> None:
        nonlocal since, waits
        if waits:  # pressed once more: one signal is one stop
            return
        since = since or time.monotonic()
        if not _imports(frame) or time.monotonic() - since > LONGEST_IMPORT_S:
            since = 0.0
            came.append(number)
            handler(number, frame)
            return
        waits = True
        timer = threading.Timer(RETRY_S, again, (number,))
        timer.daemon = True
        timer.start()

    return wait


def _imports(frame: FrameType | None) -> bool:
    """Whether a frame is run by an import, directly or not."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def on_parent_exit(parent: int, action: Callable[[], None]) -> None:
    """Call ``action`` from a thread within a second after this process's parent has ended, perhaps already."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        action()

    threading.Thread(target=watch, daemon=True).start()


def end_process(status: int) -> NoReturn:
    """End this program with ``status``; to be called last, by its main thread.

    Exit functions are called and output is flushed, but the interpreter is not taken down: a thread of Arrow or
    torch that frees memory of Python in that moment aborts the process, with the status 134 after a finished
    command (https://github.com/python/cpython/issues/87135). A signal that comes now ends the process with
    ``status`` too.
    """
    if sys.getprofile() is not None or sys.gettrace() is not None:
        sys.exit(status)  # a profiler or debugger that runs the program has something left to do
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda *_: os._exit(status))
    # As the interpreter does: pools of threads are asked to end, and all threads but daemons are waited for.
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # its reader has gone, or its disk is full
            stream.flush()
    os._exit(status)
