"""The state of a sweep: its trials by outcome, what runs and how fast, the best so far, and when it will be done.

Read from the storage and from the files that running trials keep (``progress.json``), never from a worker, so it
can be asked from anywhere at any time and costs the sweep nothing.
"""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import optuna
from optuna.trial import FrozenTrial

from atft.errors import InputError
from atft.files.publish import read_json
from atft.process.progress import duration
from atft.search.question.options import SweepOptions
from atft.search.show.lines import point_lines
from atft.search.study.at_work import is_at_work
from atft.search.study.deflation import Deflated, deflate
from atft.search.study.files import PROGRESS
from atft.search.study.outcome import Outcome, best_trial, failures, finished, outcome_of
from atft.search.study.owner import is_gone, is_here

MAX_SILENT_SECONDS = 300.0
"""Without an update for longer, a trial of another machine, whose process cannot be seen, counts as dead."""

MAX_NUMBER = 1e12
"""Larger than all numbers of a ``progress.json``, the time among them."""


@dataclass(frozen=True)
class RunningTrial:
    """A trial that has not ended."""

    number: int
    host: str
    pid: int
    activity: str
    """training, validating, or preparing before its first epoch."""
    epoch: float
    """Epochs done, fractions included."""
    epochs: int
    metric: float | None
    """The last validation's; None before the first."""
    epochs_per_minute: float | None
    silent_seconds: float
    """Since its last update."""
    here: bool
    """Its process is one of this machine's and in its table of processes."""
    alive: bool
    """Its process runs, or, on another machine, has sent an update lately."""

    @property
    def seconds_left(self) -> float | None:
        """Until its last epoch, at its pace so far."""
        rate = self.epochs_per_minute
        return 60 * (self.epochs - self.epoch) / rate if rate and self.epochs else None


@dataclass(frozen=True)
class Overview:
    """A sweep at one moment."""

    n_trials: int
    finished: int
    """Complete and pruned trials: what the budget counts."""
    outcomes: dict[str, int]
    """Trials by `atft.search.study.outcome.Outcome`."""
    failures: dict[str, int]
    """Failed trials by class."""
    running: list[RunningTrial]
    at_work: bool
    """A start of it runs on this machine, which may be preparing."""
    best: FrozenTrial | None
    deflated: Deflated | None
    seconds_left: float | None
    """Until the last trial ends, at the pace so far; None before the first has ended."""

    @property
    def state(self) -> str:
        """done, failed (done without one complete trial), running, or paused (no process works at it)."""
        if self.at_work:
            return "running"  # also where a budget that is spent is about to be raised
        if self.finished >= self.n_trials:
            return "done" if self.best is not None else "failed"
        return "running" if any(t.alive for t in self.running) else "paused"

    def lines(self, sweep: SweepOptions) -> list[str]:
        """The state in words: a headline, the best trial with what it is worth, and the failures."""
        outcomes = "  ".join(f"{name} {count}" for name, count in sorted(self.outcomes.items()))
        left = f", about {duration(self.seconds_left)} left" if self.seconds_left else ""
        finished = f"{self.finished} of {self.n_trials} trials finished"
        lines = [f"study {sweep.study}: {self.state}, {finished}{left}   ({outcomes})"]
        if self.best is not None:
            best = f"best {sweep.metric} {self.best.value:+.4f}, trial {self.best.number}"
            if (worth := self.deflated) is not None:
                luck = f"what the best of {self.finished} gains by luck alone"
                best += f"; {worth.expected:+.4f} after taking off {luck} (Bailey and Lopez de Prado 2014)"
                best += "; expect a value between"
            lines += [best, *point_lines(self.best, sweep)]
        elif self.state == "failed":
            ended = self.outcomes.get("pruned", 0) + self.outcomes.get("failed", 0)
            lines.append(f"none of {ended} trials completed")
        else:
            lines.append("no trial has completed yet")
        if self.failures:
            counts = ", ".join(f"{n} {kind}" for kind, n in sorted(self.failures.items()))
            lines.append(f"failures by class: {counts} (reasons: {sweep.directory}/all_trials.json)")
        return lines


def overview(study: optuna.Study, sweep: SweepOptions, now: float | None = None) -> Overview:
    """Gather the state of a sweep; its budget is the study's own, asked for when it was last started.

    Raises InputError where the sweep's file has another metric, or folds, than the study's values are of.
    """
    facts = study.user_attrs.get("identity", {}).get("facts", {})
    for key, asked in (("metric", sweep.metric), ("folds", sweep.folds)):
        if facts.get(key, asked) != asked:
            raise InputError(
                f"{key} is {facts[key]} in study {sweep.study}, the sweep's file has {asked}; put it back, or name "
                "another study"
            )
    now = time.time() if now is None else now
    n_trials = int(study.user_attrs.get("n_trials", sweep.n_trials))
    trials = study.get_trials(deepcopy=False)
    ended = finished(trials)
    running = [_running(t, Path(sweep.root), now) for t in trials if outcome_of(t) == Outcome.RUNNING]
    values = [t.value for t in ended if outcome_of(t) == Outcome.COMPLETE and t.value is not None]
    return Overview(
        n_trials=n_trials,
        finished=len(ended),
        outcomes=dict(Counter(map(outcome_of, trials))),
        failures=dict(failures(trials)),
        running=running,
        at_work=is_at_work(sweep.directory),
        best=best_trial(trials, sweep.direction),
        deflated=deflate(values, len(ended), sweep.direction == "maximize"),
        seconds_left=_seconds_left(ended, n_trials - len(ended), at_once=max(len(running), 1)),
    )


def _running(trial: FrozenTrial, root: Path, now: float) -> RunningTrial:
    owner = trial.user_attrs.get("owner", {})
    # Nothing yet, or the trial's directory is on another machine's disk.
    progress = read_json(root / str(trial.user_attrs.get("directory", "")) / PROGRESS) or {}
    started = trial.datetime_start.timestamp() if trial.datetime_start else now
    silent = max(0.0, now - (_number(progress, "time") or started))
    return RunningTrial(
        number=trial.number,
        host=str(owner.get("host", "")),
        pid=int(owner.get("pid", 0)),
        activity=str(progress.get("activity", "preparing")),
        epoch=_number(progress, "epoch") or 0.0,
        epochs=int(_number(progress, "epochs") or 0),
        metric=_number(progress, "metric"),
        epochs_per_minute=_number(progress, "epochs_per_minute"),
        silent_seconds=silent,
        here=is_here(owner),
        alive=silent < MAX_SILENT_SECONDS and not (owner and is_gone(owner)),
    )


def _number(progress: Mapping[str, object], key: str) -> float | None:
    """A number of ``progress.json``; None for what a damaged one may have in its place."""
    value = progress.get(key)
    return value if isinstance(value, int | float) and abs(value) < MAX_NUMBER else None


def _seconds_left(ended: Sequence[FrozenTrial], still_to_finish: int, at_once: int) -> float | None:
    """Trials still to come at the mean time of those that ended, shared by those that run at once."""
    if still_to_finish <= 0:
        return 0.0
    took = [t.duration.total_seconds() for t in ended if t.duration]
    return still_to_finish * (sum(took) / len(took)) / at_once if took else None
