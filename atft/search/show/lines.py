"""What a running sweep prints: one live line, one for each trial that ends, and the closing lines.

All of it is read from the trials themselves, so that it is the same whichever process runs them.
"""

from collections.abc import Sequence

from optuna.trial import FrozenTrial

from atft.search.question.options import SweepOptions
from atft.search.question.space import in_order
from atft.search.study.outcome import Outcome, best_trial, failures, finished, outcome_of, reason_of


def live_line(trials: Sequence[FrozenTrial], sweep: SweepOptions) -> str:
    """``12/20 · trial 14 epoch 3 +.0312 · trial 15 starting · best +.0345 (trial 7) · 1 failed (crash)``."""
    running = [f"trial {t.number} {_reached(t, sweep)}" for t in trials if outcome_of(t) == Outcome.RUNNING]
    return " · ".join([f"{len(finished(trials))}/{sweep.n_trials}", *running, *_tail(trials, sweep)])


def ended_line(trial: FrozenTrial, trials: Sequence[FrozenTrial], sweep: SweepOptions) -> str:
    """The outcome of one trial, and the state of the sweep with it."""
    match outcome_of(trial):
        case Outcome.COMPLETE:
            outcome = f"complete {trial.value:+.4f}"
        case Outcome.PRUNED:
            outcome = f"pruned, {_reached(trial, sweep)}"
        case Outcome.INTERRUPTED:
            outcome = reason_of(trial)
        case _:
            outcome = f"failed: {reason_of(trial)}"
    count = f"{len(finished(trials))}/{sweep.n_trials}"
    return " · ".join([f"trial {trial.number} {outcome}", count, *_tail(trials, sweep)])


def closing(trials: Sequence[FrozenTrial], sweep: SweepOptions) -> str:
    """The last lines: what was found, with which values, and in which files."""
    ended = finished(trials)
    complete = sum(outcome_of(t) == Outcome.COMPLETE for t in ended)
    counts = [f"{complete} complete", f"{len(ended) - complete} pruned", *_failed(trials)]
    head = f"{sweep.study}: {len(ended)} of {sweep.n_trials} trials finished, {', '.join(counts)}"
    best, folder = best_trial(trials, sweep.direction), sweep.directory
    if best is None:
        return f"{head}\nno trial is complete: there is no best one; see {folder}"
    lines = [head, f"best {sweep.metric} {best.value:+.4f}, trial {best.number}:", *point_lines(best, sweep)]
    if "directory" in best.user_attrs:
        lines.append(f"its checkpoint and metrics: {folder.parent / best.user_attrs['directory']}")
    return "\n".join([*lines, f"all trials: {folder / 'all_trials.json'}"])


def point_lines(trial: FrozenTrial, sweep: SweepOptions) -> list[str]:
    """A trial's values, one a line, in the order of the sweep's file."""
    point = in_order(trial.params, sweep.space)
    width = max(map(len, point), default=0)
    shown = {key: f"{value:.6g}" if isinstance(value, float) else value for key, value in point.items()}
    return [f"  {key:<{width}}  {value}" for key, value in shown.items()]


def _reached(trial: FrozenTrial, sweep: SweepOptions) -> str:
    step = trial.last_step
    if step is None:
        return "starting"
    unit = "fold" if sweep.folds else "epoch"
    return f"{unit} {step + 1} {trial.intermediate_values[step]:+.4f}"


def _tail(trials: Sequence[FrozenTrial], sweep: SweepOptions) -> list[str]:
    best = best_trial(trials, sweep.direction)
    parts = [f"best {best.value:+.4f} (trial {best.number})"] if best is not None else []
    return parts + _failed(trials)


def _failed(trials: Sequence[FrozenTrial]) -> list[str]:
    """``1 failed (1 crash)`` where any did."""
    counts = failures(trials)
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))
    return [f"{counts.total()} failed ({kinds})"] if counts else []
