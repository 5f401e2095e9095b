"""What a running sweep says on the terminal: one line that lives, one for each trial that ends, and the closing.

All of it is read from the trials themselves, so that it is the same whoever runs them.
"""

from collections import Counter
from collections.abc import Sequence

from optuna.trial import FrozenTrial, TrialState

from atft.search.question.options import SweepOptions
from atft.search.question.space import in_order
from atft.search.study.outcome import (
    Outcome,
    best_trial,
    failure_of,
    failures,
    finished,
    is_surplus,
    outcome_of,
)
from atft.search.study.study import study_directory


def live_line(trials: Sequence[FrozenTrial], sweep: SweepOptions) -> str:
    """``12/20 · 14 epoch 3 +.0312 · 15 starting · best +.0345 (trial 7) · 1 failed (crash)``."""
    running = [t for t in trials if t.state == TrialState.RUNNING and not is_surplus(t)]
    parts = [
        f"{len(finished(trials))}/{sweep.n_trials}",
        *(f"{t.number} {_reached(t, sweep)}" for t in running),
    ]
    return " · ".join(parts + _tail(trials, sweep))


def ended_line(trial: FrozenTrial, trials: Sequence[FrozenTrial], sweep: SweepOptions) -> str:
    """What became of one trial, and where the sweep stands with it."""
    match trial.state:
        case TrialState.COMPLETE:
            word = f"complete {trial.value:+.4f}"
        case TrialState.PRUNED:
            word = f"pruned, {_reached(trial, sweep)}"
        case _:
            word = f"failed: {reason_of(trial)}"
    count = f"{len(finished(trials))}/{sweep.n_trials}"
    return " · ".join([f"trial {trial.number} {word}", count, *_tail(trials, sweep)])


def reason_of(trial: FrozenTrial) -> str:
    """Why a trial did not finish, in words."""
    match outcome_of(trial):
        case Outcome.INTERRUPTED:
            return "interrupted, it goes on at the next start"
        case Outcome.UNSTARTED:
            return "its process ended before it began"
    return ", ".join(failure_of(trial))


def closing(trials: Sequence[FrozenTrial], sweep: SweepOptions) -> str:
    """The last words: what was found, with which values, and where it lies."""
    lines = []
    states = Counter(t.state for t in finished(trials))
    lines.append(
        f"{sweep.study}: {len(finished(trials))} of {sweep.n_trials} trials finished, "
        f"{states[TrialState.COMPLETE]} complete, {states[TrialState.PRUNED]} pruned{_failed(trials)}"
    )
    best = best_trial(trials, sweep.direction)
    folder = study_directory(sweep)
    if best is None:
        return "\n".join([*lines, f"no trial is complete: there is no best one; see {folder}"])
    lines.append(f"best {sweep.metric} {best.value:+.4f}, trial {best.number}:")
    point = in_order(best.params, sweep.space)
    width = max((len(key) for key in point), default=0)
    lines += [
        f"  {key:<{width}}  {value:.6g}" if isinstance(value, float) else f"  {key:<{width}}  {value}"
        for key, value in point.items()
    ]
    place = best.user_attrs.get("directory")
    if place:
        lines.append(f"its checkpoint and metrics: {folder.parent / place}")
    lines.append(f"all trials: {folder / 'all_trials.json'}")
    return "\n".join(lines)


def _reached(trial: FrozenTrial, sweep: SweepOptions) -> str:
    step = trial.last_step
    if step is None:
        return "starting"
    unit = "fold" if sweep.folds else "epoch"
    return f"{unit} {step + 1} {trial.intermediate_values[step]:+.4f}"


def _tail(trials: Sequence[FrozenTrial], sweep: SweepOptions) -> list[str]:
    best = best_trial(trials, sweep.direction)
    parts = [f"best {best.value:+.4f} (trial {best.number})"] if best is not None else []
    failed = _failed(trials).removeprefix(", ")
    return [*parts, failed] if failed else parts


def _failed(trials: Sequence[FrozenTrial]) -> str:
    found = failures(trials)
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(found.items()))
    return f", {found.total()} failed ({kinds})" if found else ""
