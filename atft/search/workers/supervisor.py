"""The user's process: starts workers, watches them, replaces them, and tells where the sweep stands.

It trains nothing and imports no torch. Killed, it loses nothing: its workers notice, finish their epoch and leave
their trials resumable, and the next supervisor starts only as many workers as those have left room for. Ctrl-C
once asks the workers to leave at the end of the epoch, twice kills them; their trials go on at the next start.
"""

import os
import signal
import socket
import time
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from atft.errors import InputError, RunFailed
from atft.publish import remove_abandoned
from atft.search.question.frozen import BaseWatch
from atft.search.question.options import SweepOptions
from atft.search.show.lines import closing, ended_line, live_line
from atft.search.study.outcome import Outcome, finished, is_surplus
from atft.search.study.owner import is_gone, is_here, is_orphaned
from atft.search.study.reconcile import drop_waiting_retries, fail, reconcile, unowned_seconds
from atft.search.study.study import study_directory
from atft.search.workers.abort_rule import reason_to_stop
from atft.search.workers.process import WorkerProcess

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial
    from rich.console import Console

TICK_SECONDS = 0.5
HANG_MINUTES = 30.0
"""Without a batch for longer, a trial is ended as hung."""
DEATHS = 3
"""Workers that end one after another without a trial making progress, before the sweep is given up."""
ASLEEP_SECONDS = 60.0
"""A tick that took longer means that the machine slept: the workers' silence meanwhile was no hang."""


class SweepFailed(RunFailed):
    """A sweep that must not go on, or ended without what it was for."""


class Supervisor:
    """Runs a study to its budget.

    Args:
        sweep: budget, workers, limits.
        study: the study, opened without being created.
        command: command line of a worker, without its index.
        console: where lines go; a terminal gets a live one too.
    """

    def __init__(
        self, sweep: SweepOptions, study: "optuna.Study", command: list[str], console: "Console"
    ) -> None:
        self.sweep, self.study, self.console = sweep, study, console
        # On a disk that several machines share, each start keeps logs of its own.
        who = "" if sweep.storage is None else f"_{socket.gethostname()}_{os.getpid()}"
        logs = [study_directory(sweep) / f"worker{who}_{i}.log" for i in range(sweep.workers)]
        self.workers = [WorkerProcess(i, command, log) for i, log in enumerate(logs)]
        self.began, self.awake = datetime.now(), time.time()
        self.interrupts = 0
        self.failure: str | None = None
        self._asked, self._last_tick = False, time.time()
        self._met_others = False
        self._base = BaseWatch(sweep, study)
        self._told: set[int] = set()

    def run(self) -> int:
        """Work until the budget is spent; 0, or 130 where the user stopped it.

        Raises:
            SweepFailed: the sweep stopped early, or none of its trials is complete.
            InputError: a worker refuses the sweep.
        """
        from rich.live import Live
        from rich.text import Text

        handlers = {s: signal.signal(s, self._on_signal) for s in (signal.SIGINT, signal.SIGTERM)}
        try:
            remove_abandoned(study_directory(self.sweep))  # of workers that were killed while they wrote
            self._told = {t.number for t in self._trials() if t.state.is_finished()}
            self._reconcile()
            with Live(console=self.console, auto_refresh=False, transient=True) as live:
                while self._tick():
                    if self.console.is_terminal:
                        live.update(Text(live_line(self._trials(), self.sweep)), refresh=True)
                    time.sleep(TICK_SECONDS)
        finally:
            for worker in self.workers:
                worker.kill()
            for number, handler in handlers.items():
                signal.signal(number, handler)
        return self._conclude()

    def _tick(self) -> bool:
        """Look at trials and workers once, and do what is due; False when there is nothing left to wait for."""
        slept = time.time() - self._last_tick > ASLEEP_SECONDS
        self._last_tick = time.time()
        self.awake = self._last_tick if slept else self.awake
        trials = self._trials()
        self._tell_ended(trials)
        if (changed := self._base.line()) is not None:
            self.console.print(changed, highlight=False, markup=False, soft_wrap=True)
        self._collect(trials)
        leaving = self.interrupts > 0 or self.failure is not None
        spent = len(finished(trials)) >= self.sweep.n_trials
        if (leaving or spent) and all(w.pid is None for w in self.workers):
            return False
        if self.interrupts > 1:
            self._end_at_once()
        elif leaving:
            self._ask_to_leave()
        elif not spent:
            self.failure = reason_to_stop(trials, self.began, self.sweep.n_trials, self.sweep.max_retry)
            self._end_hung(trials)
            self._fill_places(trials)
        return True

    def _trials(self) -> "list[FrozenTrial]":
        return self.study.get_trials(deepcopy=False)

    def _reconcile(self) -> None:
        reconcile(self.study, self.sweep.n_trials, self.sweep.max_retry, unowned_seconds(self.sweep))

    def _fill_places(self, trials: "list[FrozenTrial]") -> None:
        """Start workers, but leave room for those of a former supervisor that are still at their last epoch."""
        living = [t.user_attrs["owner"] for t in _living(trials)]
        others = {o["pid"] for o in living if is_orphaned(o)} - {w.pid for w in self.workers}
        if others and not self._met_others:
            words = (
                f"{len(others)} worker{'s' * (len(others) > 1)} of a start that was killed still at work here"
            )
            self.console.print(words, highlight=False)
        self._met_others = bool(others)
        free = sum(w.pid is None for w in self.workers) - len(others)
        for worker in self.workers:
            if free > 0 and worker.ready:
                worker.start()
                free -= 1

    def _collect(self, trials: "list[FrozenTrial]") -> None:
        """Look after each worker that has ended: what becomes of its trial, and of its place."""
        for worker in self.workers:
            pid, code = worker.pid, worker.ended()
            if code is None or code == 0:
                continue
            if code == 2:
                raise InputError(worker.last_line().removeprefix("atft: error: "))
            self._reconcile()
            if self.interrupts or self.failure:
                continue
            worker.died(any(self._last_progress(t) > worker.started for t in self._of(trials, pid)))
            how = f"signal {-code}" if code < 0 else f"exit status {code}"
            self.console.print(f"worker {worker.index} ended ({how}) and is replaced", highlight=False)
            if worker.deaths >= DEATHS:
                self.failure = (
                    f"worker {worker.index} ended {DEATHS} times before a trial of its made progress ({how}); its "
                    f"last words: {worker.last_line()}; all of them: {worker.log}"
                )

    def _of(self, trials: "list[FrozenTrial]", pid: int | None) -> "list[FrozenTrial]":
        """Trials that a process of this machine has or had."""
        owned = [t for t in trials if "owner" in t.user_attrs and not is_surplus(t)]
        return [t for t in owned if t.user_attrs["owner"]["pid"] == pid and is_here(t.user_attrs["owner"])]

    def _last_progress(self, trial: "FrozenTrial") -> float:
        """When a trial last made progress: its newest batch, or its end; 0 if never."""
        file = Path(self.sweep.root) / trial.user_attrs.get("directory", "") / "progress.json"
        touched = file.stat().st_mtime if file.is_file() else 0.0
        return max(touched, trial.datetime_complete.timestamp() if trial.datetime_complete else 0.0)

    def _end_hung(self, trials: "list[FrozenTrial]") -> None:
        """Fail each trial of this machine that has made no progress for too long, and kill its process."""
        for trial in _living(trials):
            begun = trial.datetime_start.timestamp() if trial.datetime_start else 0.0
            if time.time() - max(self._last_progress(trial), begun, self.awake) > 60 * HANG_MINUTES:
                reason = f"no batch for {HANG_MINUTES:g} minutes; its worker was ended"
                fail(self.study, trial, failure={"class": "hang", "reason": reason})
                with suppress(ProcessLookupError):
                    os.kill(trial.user_attrs["owner"]["pid"], signal.SIGKILL)

    def _ask_to_leave(self) -> None:
        if not self._asked:
            self._asked = True
            if self.interrupts:
                words = "stopping at the end of the epoch; Ctrl-C again stops at once"
                self.console.print(words, highlight=False)
            for worker in self.workers:
                worker.ask_to_leave()

    def _end_at_once(self) -> None:
        """Kill the workers; their trials are interrupted, not failed, so that they go on without counting."""
        for worker in self.workers:
            worker.kill()
        for worker in self.workers:
            for trial in self._of(self._trials(), worker.pid):
                if _runs(trial):
                    fail(self.study, trial, outcome=Outcome.INTERRUPTED)

    def _on_signal(self, *_: object) -> None:
        self.interrupts += 1  # nothing else: what was interrupted may be half done, printing above all

    def _tell_ended(self, trials: "list[FrozenTrial]") -> None:
        for trial in trials:
            if trial.state.is_finished() and trial.number not in self._told:
                self._told.add(trial.number)
                if not is_surplus(trial):
                    line = ended_line(trial, trials, self.sweep)
                    self.console.print(line, highlight=False, markup=False, soft_wrap=True)

    def _conclude(self) -> int:
        from atft.search.study.files import publish_study_files

        if not self.interrupts and self.failure is None:
            drop_waiting_retries(self.study)
        trials = self._trials()
        self._tell_ended(trials)
        publish_study_files(self.study, self.sweep)
        self.console.print(closing(trials, self.sweep), highlight=False, markup=False, soft_wrap=True)
        if self.interrupts:
            self.console.print("interrupted: the same command goes on from here", highlight=False)
            return 130
        if self.failure is not None:
            raise SweepFailed(self.failure)
        if not any(t.state.name == "COMPLETE" for t in trials):
            raise SweepFailed("no trial is complete: all were pruned or failed, there is no best one")
        return 0


def _runs(trial: "FrozenTrial") -> bool:
    return trial.state.name == "RUNNING"


def _living(trials: "list[FrozenTrial]") -> "list[FrozenTrial]":
    """Running trials whose process lives on this machine, whoever started it."""
    owned = [t for t in trials if _runs(t) and "owner" in t.user_attrs]
    return [t for t in owned if is_here(t.user_attrs["owner"]) and not is_gone(t.user_attrs["owner"])]
