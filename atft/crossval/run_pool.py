"""Start the runs as processes, some at a time, and bring each to its end.

A run that ended without its files is tried once more in the same start: an interrupted one from its last
checkpoint, a failed one from the beginning. Ctrl-C stops the children as it stops a ``fit``; SIGKILL of this
process does so within a second, and the next start waits for the end of those that still run.
"""

import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from math import isfinite, nan
from pathlib import Path
from typing import Generic, TypeVar

from atft.callbacks.record.receipt import Receipt
from atft.crossval.child_run import LOCK, OUTPUT, ChildRun
from atft.crossval.plan import PlannedRun
from atft.crossval.run_state import RunState, read_state
from atft.errors import InputError, RunFailed, clip
from atft.files.file_lock import take_lock
from atft.process.progress import Progress, duration
from atft.process.termination import Terminated

TICK_SECONDS = 0.2
MAX_TRIES = 2
"""Tries of a run in one start."""
STOP_SECONDS = 60.0
"""What a child has to write its receipt before it is killed."""
MAX_REASON = 160

R = TypeVar("R", bound=PlannedRun)
Command = Callable[[R, RunState, RunState | None], Sequence[str]]
"""The command line of a run, from its state and, with a warm start, the state of the fold before it."""


class RunPool(Generic[R]):
    """Bring runs to their end, ``workers`` at a time.

    Args:
        directory: each run has a folder of its name there.
        runs: in the order in which they start.
        command: the command line of a run.
        workers: runs at a time.
        warm_start: a run starts after the fold before it, of its seed, has finished.
        report: takes each line.
        clock: in seconds.
    """

    def __init__(
        self,
        directory: Path,
        runs: Sequence[R],
        command: Command[R],
        workers: int = 1,
        warm_start: bool = False,
        report: Callable[[str], None] = print,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.directory, self.runs, self.command = directory, list(runs), command
        self.workers, self.warm_start = workers, warm_start
        self._report, self._clock = report, clock
        self._children: dict[R, ChildRun] = {}
        self._elsewhere: set[R] = set()  # trained by a child of a start that was killed
        self._finished: dict[R, RunState] = {}
        self._failed: dict[R, str] = {}
        self._tries: Counter[R] = Counter()
        self._began: dict[R, float] = {}
        self._at_start: dict[R, RunState] = {}
        self._seconds: list[float] = []  # of the runs that this start has finished
        self._signals: list[int] = []
        self._asked_to_stop = False
        self._progress: Progress | None = None

    def finish(self) -> dict[R, RunState]:
        """Work until every run is finished; the state of each.

        Raises:
            InputError: a run cannot use its input; the others are stopped, and can be resumed.
            RunFailed: runs failed or crashed, after all others have finished.
            KeyboardInterrupt: Ctrl-C or SIGTERM, once the children have stopped.
        """
        handlers = {s: signal.signal(s, self._on_signal) for s in (signal.SIGINT, signal.SIGTERM)}
        try:
            self._keep_finished()
            left = len(self.runs) - len(self._finished)
            with Progress("runs", left, line=lambda _: self.standing()) as self._progress:
                while self._tick():
                    time.sleep(TICK_SECONDS)
        finally:
            self._stop_children()
            for number, handler in handlers.items():
                signal.signal(number, handler)
        if self._signals:
            raise (Terminated if self._signals[0] == signal.SIGTERM else KeyboardInterrupt)()
        if self._failed:
            (run, reason), *more = self._failed.items()
            others = f", and {len(more)} more" if more else ""
            raise RunFailed(f"{run.name} failed{others}: {reason}; its output: {self._folder(run) / OUTPUT}")
        return {run: self._finished[run] for run in self.runs}

    def _folder(self, run: R) -> Path:
        return self.directory / run.name

    def _on_signal(self, number: int, _: object) -> None:
        self._signals.append(number)  # nothing else: what was interrupted may be half done

    def _keep_finished(self) -> None:
        states = {run: read_state(self._folder(run)) for run in self.runs}
        self._finished = {run: state for run, state in states.items() if state.finished}
        if self._finished:
            going_on = sum(state.checkpoint is not None for state in states.values())
            self._report(
                f"{len(self._finished)} of {len(self.runs)} runs are finished and kept, {going_on} go on from a "
                f"checkpoint"
            )
        for run in self.runs:
            path = self._folder(run) / LOCK
            if run in self._finished or not path.exists():
                continue
            lock = take_lock(path)
            if lock is None:
                self._report(f"{run.name}: still at work for a start that was killed; waiting for its end")
                self._elsewhere.add(run)
            else:
                lock.close()

    def _tick(self) -> bool:
        """Look at the children once, and start what can be started; False when nothing is left to wait for."""
        for run, child in list(self._children.items()):
            status = child.exit_status()
            if status is not None:
                del self._children[run]
                self._look_at_ended(run, child, status)
        if self._signals:
            return self._leave()
        for run in self.runs:
            busy = len(self._children) + len(self._elsewhere - {run})
            if busy < self.workers and self._is_ready(run):
                self._start(run)
        return bool(self._children or self._elsewhere)

    def _is_ready(self, run: R) -> bool:
        if run in self._finished or run in self._failed or run in self._children:
            return False
        return not self.warm_start or run.before is None or run.before in self._finished

    def _start(self, run: R) -> None:
        lock = take_lock(self._folder(run) / LOCK)
        if lock is None:
            self._elsewhere.add(run)
            return
        self._elsewhere.discard(run)
        state = read_state(self._folder(run))
        if state.finished:  # by a child of another start, a moment ago
            lock.close()
            self._close(run, state)
            return
        before = self._finished[run.before] if self.warm_start and run.before is not None else None
        self._tries[run] += 1
        self._began[run], self._at_start[run] = self._clock(), state
        self._children[run] = ChildRun(self.command(run, state, before), self._folder(run), lock)

    def _look_at_ended(self, run: R, child: ChildRun, status: int) -> None:
        state = read_state(self._folder(run))
        if state.finished:
            self._seconds.append(self._clock() - self._began[run])
            self._close(run, state)
        elif not self._signals:
            how = f"signal {-status}" if status < 0 else f"exit status {status}"
            # A child that died before it had a receipt left that of the try before it.
            receipt = state.receipt if state.failed and state != self._at_start[run] else None
            reason = receipt.reason if receipt is not None else child.last_line()
            reason = f"{how}, {clip(reason, MAX_REASON)}" if reason else how
            if status == 2:
                line = clip(child.last_line(), MAX_REASON) or f"no reason in {OUTPUT}; is the disk full?"
                raise InputError(f"{run.name}: {line}")
            if self._tries[run] < MAX_TRIES:
                goes_on = "from its last checkpoint" if state.checkpoint else "from the beginning"
                self._report(f"{run.name} ended ({reason}); it is tried once more {goes_on}")
            else:
                self._report(f"{run.name} failed ({reason})")
                self._failed[run] = reason

    def _close(self, run: R, state: RunState) -> None:
        """Count a run as finished, and print its line."""
        self._finished[run] = state
        assert state.receipt is not None and self._progress is not None
        self._progress.advance()
        figures = receipt_figures(state.receipt)
        self._report(f"{run.name:<18}{state.receipt.status:<10} {figures}   {self.standing()}")

    def standing(self) -> str:
        """How many runs are finished, and the time left once this start has finished one: ``3 of 15 runs, ...``."""
        done, total = len(self._finished), len(self.runs)
        text = f"{done} of {total} runs"
        if not self._seconds or done == total:
            return text
        mean = sum(self._seconds) / len(self._seconds)
        # The runs at work (a copy: a thread asks) have trained for a while; one beyond the mean ends at any time.
        spent = sum(min(self._clock() - self._began[run], mean) for run in list(self._children))
        seconds = max(mean * (total - done) - spent, 0) / min(self.workers, total - done)
        return f"{text}, about {duration(seconds)} left"

    def _leave(self) -> bool:
        """Ask the children to stop at the first signal, kill them at the second; False once all have ended."""
        if self._children and not self._asked_to_stop:
            self._asked_to_stop = True
            self._report(f"stopping {len(self._children)} runs; Ctrl-C again kills them")
            for child in self._children.values():
                child.stop()
        elif len(self._signals) > 1:
            for child in self._children.values():
                child.wait(0)
        return bool(self._children)

    def _stop_children(self) -> None:
        for child in self._children.values():
            child.stop()
        for child in self._children.values():
            child.wait(STOP_SECONDS)
        self._children.clear()


def receipt_figures(receipt: Receipt) -> str:
    """Mean RankIC over horizons of the days that a finished run has measured: ``val RankIC +0.0312  test ...``."""
    figures = []
    for split in ("val", "test"):
        key = f"{split}/rank_ic"
        if key not in receipt.metrics:  # a run of `retrain` has no test days
            continue
        value = receipt.metrics[key]
        value = nan if value is None else value
        figures.append(f"{split} RankIC {f'{value:+.4f}' if isfinite(value) else 'unknown'}")
    return "  ".join(figures)
