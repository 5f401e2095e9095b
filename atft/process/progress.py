"""Progress of work that takes more than a few seconds: a bar on a terminal, elsewhere a line every 30 s.

A log without a line looks like a process that hangs. So a thread prints where no terminal shows a bar: also while
one part of the work takes minutes. Cost: it wakes up once a second.
"""

import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from operator import length_hint
from typing import TYPE_CHECKING, Any, TypeVar

from atft.process.console import plain_console

if TYPE_CHECKING:
    from typing import Self

    from rich.progress import Progress as Bar

T = TypeVar("T")  # requires-python is 3.11: no `def track[T]`
LINE_SECONDS = 29.0
"""Time without a line after which one is printed; with the wake-up, at most 30 s."""
WAKE_SECONDS = 1.0


class LineTimer:
    """Time since the last line, and the work that runs, the innermost last.

    There is one for a process: many short pieces of work are not silent, and only the innermost prints.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock, self._last = clock, clock()
        self.running: list[Progress] = []

    def due(self) -> bool:
        """Whether a line is due; it counts as printed."""
        late = self.clock() - self._last >= LINE_SECONDS
        if late:
            self._last = self.clock()
        return late


OF_PROCESS = LineTimer()


class Progress:
    """A piece of work, as a context manager.

    Args:
        description: what is being done, in a word or three.
        total: how many parts it has; without it, a terminal shows nothing.
        line: text of the line, in place of description, parts done and time left.
        transient: remove the bar at the end.
        timer: decides when a line is due.
    """

    def __init__(
        self,
        description: str,
        total: int | None = None,
        line: "Callable[[Progress], str] | None" = None,
        transient: bool = False,
        timer: LineTimer = OF_PROCESS,
    ) -> None:
        self.description, self.total, self.done = description, total, 0
        self._line, self._transient, self._timer = line or _default_line, transient, timer
        self._started = timer.clock()
        self._bar: Bar | None = None
        self._task: Any = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._print_lines, daemon=True)

    @property
    def seconds(self) -> float:
        """Time since it began."""
        return self._timer.clock() - self._started

    def __enter__(self) -> "Self":
        self._timer.running.append(self)
        console = plain_console(stderr=True)
        if not console.is_terminal:
            self._thread.start()
        elif self.total is not None:
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as Bar

            columns = (
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
            )
            self._bar = Bar(*columns, console=console, transient=self._transient)
            self._task = self._bar.add_task(self.description, total=self.total)
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._timer.running.remove(self)
        if self._thread.is_alive():
            self._thread.join()
        if self._bar is not None:
            self._bar.stop()

    def advance(self) -> None:
        """Count one more part as done."""
        self.done += 1
        if self._bar is not None:
            self._bar.advance(self._task)

    def print_if_due(self) -> None:
        """Print the line, if it is time for one and no work within this one prints its own."""
        if self._timer.running[-1:] == [self] and self._timer.due():
            print(self._line(self), file=sys.stderr, flush=True)  # noqa: T201

    def _print_lines(self) -> None:
        while not self._ended.wait(WAKE_SECONDS):
            self.print_if_due()


def _default_line(work: Progress) -> str:
    if work.total is None:
        return f"{work.description}, {duration(work.seconds)} so far"
    text = f"{work.description}: {work.done:,} of {work.total:,}"
    if not work.done:
        return text
    return f"{text}, about {duration(work.seconds / work.done * (work.total - work.done))} left"


def duration(seconds: float) -> str:
    """Hours, minutes and seconds: ``1:02:03``."""
    return str(timedelta(seconds=round(seconds)))


def track(items: Iterable[T], description: str, total: int | None = None) -> Iterator[T]:
    """Pass ``items`` through, showing how far they are.

    ``total`` is how many there are, where ``items`` has no length; without either there is no estimate.
    """
    with Progress(description, length_hint(items) or None if total is None else total) as work:
        for item in items:
            yield item
            work.advance()
