"""Where a sweep stands: its trials by state, what runs and how fast, the best so far, and when it will be done.

Read from the storage and from the files that running trials keep (``progress.json``), never from a worker, so it
can be asked from anywhere at any time and costs the sweep nothing.
"""

import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atft.search.question.space import in_order
from atft.search.study.deflation import Deflated, deflate
from atft.search.study.outcome import Outcome, best_trial, failures, finished, outcome_of
from atft.search.study.owner import is_gone
from atft.search.trial.record import read_json

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

    from atft.search.question.options import SweepOptions

SILENT_SECONDS = 300.0
"""Without a word for longer, a trial of another machine, whose process cannot be seen, is taken for dead."""


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
    seconds_left: float | None
    silent_seconds: float
    """Time since the trial last said something."""
    alive: bool
    """Its process runs, or, on another machine, said something lately."""


@dataclass(frozen=True)
class Overview:
    """A sweep at one moment."""

    study: str
    directory: Path
    metric: str
    maximize: bool
    n_trials: int
    finished: int
    """Complete and pruned trials: what the budget counts."""
    states: dict[str, int]
    """Trials by `atft.search.study.outcome.Outcome`."""
    failures: dict[str, int]
    """Failed trials by class."""
    running: list[RunningTrial] = field(default_factory=list)
    best_number: int | None = None
    best_value: float | None = None
    best_params: dict[str, Any] = field(default_factory=dict)
    deflated: Deflated | None = None
    seconds_left: float | None = None
    """Until the last trial ends, at the pace so far; None before the first has ended."""

    @property
    def state(self) -> str:
        """done, failed (done without one complete trial), running, or paused (nobody works at it)."""
        if self.finished >= self.n_trials:
            return "done" if self.best_number is not None else "failed"
        return "running" if any(t.alive for t in self.running) else "paused"


def overview(study: "optuna.Study", sweep: "SweepOptions", now: float | None = None) -> Overview:
    """Gather where a sweep stands.

    Args:
        study: opened from the sweep's storage.
        sweep: its options; the budget is the study's own, asked for when it was last started.
        now: seconds since 1970; the clock's by default.
    """
    now = time.time() if now is None else now
    n_trials = int(study.user_attrs.get("n_trials", sweep.n_trials))
    trials = study.get_trials(deepcopy=False)
    ended, best = finished(trials), best_trial(trials, sweep.direction)
    maximize = sweep.direction == "maximize"
    running = [_running(t, Path(sweep.root), now) for t in trials if outcome_of(t) == Outcome.RUNNING]
    values = [float(t.value) for t in ended if outcome_of(t) == Outcome.COMPLETE and t.value is not None]
    return Overview(
        study=sweep.study,
        directory=Path(sweep.root) / sweep.study,
        metric=sweep.metric,
        maximize=maximize,
        n_trials=n_trials,
        finished=len(ended),
        states=dict(Counter(map(outcome_of, trials))),
        failures=dict(failures(trials)),
        running=running,
        best_number=best.number if best is not None else None,
        best_value=best.value if best is not None else None,
        best_params=in_order(best.params, sweep.space) if best is not None else {},
        deflated=deflate(values, len(ended), maximize),
        seconds_left=_seconds_left(ended, running, n_trials - len(ended)),
    )


def _running(trial: "FrozenTrial", root: Path, now: float) -> RunningTrial:
    owner = trial.user_attrs.get("owner", {})
    # Nothing yet, or the trial's directory is on another machine's disk.
    said = read_json(root / str(trial.user_attrs.get("directory", "")) / "progress.json") or {}
    started = trial.datetime_start.timestamp() if trial.datetime_start else now
    epoch, epochs = float(said.get("epoch", 0.0)), int(said.get("epochs", 0))
    rate = said.get("epochs_per_minute")
    metric = said.get("metric")
    silent = max(0.0, now - float(said.get("time", started)))
    return RunningTrial(
        number=trial.number,
        host=str(owner.get("host", "")),
        pid=int(owner.get("pid", 0)),
        activity=str(said.get("activity", "preparing")),
        epoch=epoch,
        epochs=epochs,
        metric=float(metric) if metric is not None else None,
        epochs_per_minute=float(rate) if rate else None,
        seconds_left=60 * (epochs - epoch) / float(rate) if rate and epochs else None,
        silent_seconds=silent,
        alive=not is_gone(owner) and silent < SILENT_SECONDS if owner else silent < SILENT_SECONDS,
    )


def _seconds_left(
    ended: "list[FrozenTrial]", running: list[RunningTrial], still_to_finish: int
) -> float | None:
    """Trials still to come at the mean time of those that ended, shared by those that run at once."""
    took = [
        (t.datetime_complete - t.datetime_start).total_seconds()
        for t in ended
        if t.datetime_complete and t.datetime_start
    ]
    if not took or still_to_finish <= 0:
        return 0.0 if still_to_finish <= 0 else None
    return still_to_finish * (sum(took) / len(took)) / max(len(running), 1)
