"""The user's process: starts workers, watches them, replaces them, and prints the sweep's progress.

It trains nothing and imports no torch. Killed, it loses nothing: its workers notice, finish their epoch and leave
their trials resumable, and the next supervisor starts only as many workers as those leave room for. Ctrl-C once
asks the workers to leave at the end of the epoch, twice kills them; their trials resume at the next start.
"""

import os
import signal
import socket
import time
from contextlib import suppress
from datetime import datetime

import optuna
from optuna.trial import FrozenTrial, TrialState
from rich.console import Console
from rich.live import Live
from rich.text import Text

from atft.errors import InputError, RunFailed, counted
from atft.files.publish import remove_abandoned
from atft.process.progress import LineTimer
from atft.search.question.frozen import watch_base
from atft.search.question.options import SweepOptions
from atft.search.show.lines import closing, ended_line, live_line
from atft.search.study.budget import reason_to_abort
from atft.search.study.files import PROGRESS, publish_study_files
from atft.search.study.outcome import Failure, Outcome, best_trial, finished, is_surplus
from atft.search.study.owner import is_gone, is_here, is_orphaned
from atft.search.study.reconcile import drop_waiting_retries, fail, reconcile, unowned_seconds
from atft.search.workers.process import WorkerProcess

TICK_SECONDS = 0.5
HANG_MINUTES = 30.0
"""A trial without a batch for longer is killed as hung."""
MAX_WORKER_CRASHES = 3
"""Crashes of one worker in a row, without a trial making progress, after which the sweep fails."""
MAX_TICK_SECONDS = 60.0
"""After a longer tick the machine has slept, so that its workers made no progress is no hang."""


class SweepFailed(RunFailed):
    """A sweep that was aborted, or ended without a complete trial."""


class Supervisor:
    """Run a study to its budget; ``command`` is a worker's command line."""

    def __init__(
        self, sweep: SweepOptions, study: optuna.Study, command: list[str], console: Console
    ) -> None:
        self.sweep, self.study, self.console = sweep, study, console
        # On a disk that several machines share, each start keeps logs of its own.
        start = "" if sweep.storage is None else f"_{socket.gethostname()}_{os.getpid()}"
        logs = [sweep.directory / f"worker{start}_{i}.log" for i in range(sweep.workers)]
        self.workers = [WorkerProcess(i, command, log) for i, log in enumerate(logs)]
        self.line_timer = LineTimer()
        """When the live line is due where no terminal shows it."""
        self.interrupts = 0
        self.failure: str | None = None
        self._began = datetime.now()
        self._awake_since = self._last_tick = time.time()
        self._stop_requested = self._others_reported = False
        self._base = watch_base(sweep, study)
        self._reported = {t.number for t in self._trials() if t.state.is_finished()}

    def run(self) -> int:
        """Work until the budget is spent; 0, or 130 where the user stopped it.

        Raises SweepFailed where it was aborted, also since a worker cannot use it, or no trial is complete.
        """
        handlers = {s: signal.signal(s, self._on_signal) for s in (signal.SIGINT, signal.SIGTERM)}
        try:
            remove_abandoned(self.sweep.directory)  # of workers that were killed while they wrote
            self._reconcile()
            with Live(console=self.console, auto_refresh=False, transient=True) as live:
                while self._tick():
                    if self.console.is_terminal:
                        live.update(Text(live_line(self._trials(), self.sweep)), refresh=True)
                    elif self.line_timer.due():
                        self._print(live_line(self._trials(), self.sweep))
                    time.sleep(TICK_SECONDS)
        finally:
            for worker in self.workers:
                worker.kill()
            for number, handler in handlers.items():
                signal.signal(number, handler)
        return self._conclude()

    def _tick(self) -> bool:
        """Look at trials and workers once, and do what is due; False when there is nothing left to wait for."""
        before, self._last_tick = self._last_tick, time.time()
        if self._last_tick - before > MAX_TICK_SECONDS:
            self._awake_since = self._last_tick
        trials = self._trials()
        self._report_ended(trials)
        if (changed := next(self._base)) is not None:
            self._print(changed)
        self._handle_ended_workers(trials)
        leaving = self.interrupts > 0 or self.failure is not None
        spent = len(finished(trials)) >= self.sweep.n_trials
        if (leaving or spent) and all(w.pid is None for w in self.workers):
            return False
        if self.interrupts > 1:
            self._kill_workers()
        elif leaving:
            self._request_stop()
        elif not spent:
            self.failure = reason_to_abort(trials, self._began, self.sweep.n_trials, self.sweep.max_retry)
            self._kill_hung(trials)
            self._start_workers(trials)
        return True

    def _trials(self) -> list[FrozenTrial]:
        return self.study.get_trials(deepcopy=False)

    def _reconcile(self) -> None:
        reconcile(self.study, self.sweep.n_trials, self.sweep.max_retry, unowned_seconds(self.sweep))

    def _print(self, line: str) -> None:
        self.console.print(line, highlight=False, markup=False, soft_wrap=True)

    def _start_workers(self, trials: list[FrozenTrial]) -> None:
        """Start workers, but leave room for those of a former supervisor that are still at their last epoch."""
        owners = [t.user_attrs["owner"] for t in _living(trials)]
        others = {o["pid"] for o in owners if is_orphaned(o)} - {w.pid for w in self.workers}
        if others and not self._others_reported:
            self._print(f"{counted(len(others), 'worker')} of a start that was killed still at work here")
        self._others_reported = bool(others)
        free = sum(w.pid is None for w in self.workers) - len(others)
        for worker in self.workers:
            if free > 0 and worker.ready:
                worker.start()
                free -= 1

    def _handle_ended_workers(self, trials: list[FrozenTrial]) -> None:
        """Fail the trial of each worker that has crashed, and count its crash."""
        for worker in self.workers:
            pid, code = worker.pid, worker.exit_status()
            if code is None or code == 0:
                continue
            if code == 2:
                line = worker.last_line()
                self.failure = line.removeprefix("atft: error: ")
                if self.failure == line:  # its log may be on the disk that is full
                    self.failure = (
                        f"{worker.log}: worker {worker.index} could not write why it ended; is the disk full?"
                    )
                continue
            self._reconcile()
            if self.interrupts or self.failure:
                continue  # it was asked to leave, or killed
            mine = [t for t in _owned_here(trials) if t.user_attrs["owner"]["pid"] == pid]
            worker.crashed(any(self._last_progress(t) > worker.started for t in mine))
            how = f"signal {-code}" if code < 0 else f"exit status {code}"
            self._print(f"worker {worker.index} ended ({how}) and is replaced")
            if worker.crashes >= MAX_WORKER_CRASHES:
                self.failure = (
                    f"worker {worker.index} ended {MAX_WORKER_CRASHES} times before a trial of its made progress "
                    f"({how}); its last words: {worker.last_line()}; all of them: {worker.log}"
                )

    def _last_progress(self, trial: FrozenTrial) -> float:
        """When a trial last made progress: its newest batch, or its end; 0 if never."""
        file = self.sweep.trial_directory(trial.number) / PROGRESS
        touched = file.stat().st_mtime if file.is_file() else 0.0
        return max(touched, trial.datetime_complete.timestamp() if trial.datetime_complete else 0.0)

    def _kill_hung(self, trials: list[FrozenTrial]) -> None:
        """Fail each trial of this machine that has made no progress for too long, and kill its process."""
        for trial in _living(trials):
            begun = trial.datetime_start.timestamp() if trial.datetime_start else 0.0
            if time.time() - max(self._last_progress(trial), begun, self._awake_since) > 60 * HANG_MINUTES:
                hang = Failure("hang", f"no batch for {HANG_MINUTES:g} minutes; its worker was ended")
                # First the study: a worker that is not killed yet drops a trial that has failed.
                fail(self.study, trial, failure=hang.as_attribute())
                with suppress(ProcessLookupError):
                    os.kill(trial.user_attrs["owner"]["pid"], signal.SIGKILL)

    def _request_stop(self) -> None:
        if self.interrupts and not self._stop_requested:
            self._print("stopping at the end of the epoch; Ctrl-C again stops at once")
        self._stop_requested = True
        # In each tick: a library may swallow the first signal while it is imported.
        for worker in self.workers:
            worker.request_stop()

    def _kill_workers(self) -> None:
        """Kill the workers; their trials are interrupted, not failed, so that their retries do not count."""
        for worker in self.workers:
            worker.kill()
        killed = {w.pid for w in self.workers}
        for trial in _owned_here(self._trials()):
            if trial.state == TrialState.RUNNING and trial.user_attrs["owner"]["pid"] in killed:
                fail(self.study, trial, outcome=Outcome.INTERRUPTED)

    def _on_signal(self, *_: object) -> None:
        self.interrupts += 1  # nothing else: what was interrupted may be half done, printing above all

    def _report_ended(self, trials: list[FrozenTrial]) -> None:
        for trial in trials:
            if trial.state.is_finished() and trial.number not in self._reported:
                self._reported.add(trial.number)
                if not is_surplus(trial):
                    self._print(ended_line(trial, trials, self.sweep))

    def _conclude(self) -> int:
        if not self.interrupts and self.failure is None:
            drop_waiting_retries(self.study)
        trials = self._trials()
        self._report_ended(trials)
        try:
            publish_study_files(self.study, self.sweep)
        except InputError as error:
            raise SweepFailed(f"{error}; the same command then goes on") from error
        self._print(closing(trials, self.sweep))
        if self.interrupts:
            self._print("interrupted: the same command goes on from here")
            return 130
        if self.failure is not None:
            raise SweepFailed(self.failure)
        if best_trial(trials, self.sweep.direction) is None:
            raise SweepFailed("no trial is complete: all were pruned or failed, there is no best one")
        return 0


def _owned_here(trials: list[FrozenTrial]) -> list[FrozenTrial]:
    """Trials that any process of this machine runs or ran."""
    return [
        t for t in trials if "owner" in t.user_attrs and is_here(t.user_attrs["owner"]) and not is_surplus(t)
    ]


def _living(trials: list[FrozenTrial]) -> list[FrozenTrial]:
    """Those whose process lives and that run."""
    running = [t for t in _owned_here(trials) if t.state == TrialState.RUNNING]
    return [t for t in running if not is_gone(t.user_attrs["owner"])]
