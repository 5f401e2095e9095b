"""``--dry-run``: one trial of two epochs and every check, to know whether a long sweep is worth starting.

It runs in a study of its own inside of the root, on the disk that the sweep would use, and removes it. What it
leaves is the cache, which the sweep needs anyway.
"""

import math
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import mkdtemp

from optuna.trial import FrozenTrial

from atft.errors import RunFailed, counted
from atft.files.publish import publish_text
from atft.process.progress import Progress, duration
from atft.search.question.options import SweepOptions

EPOCHS = 2


class NotWorthStarting(RunFailed):
    """A check of the dry run failed: the sweep would fail in the same way, later."""


def dry_run(sweep: SweepOptions, report: Callable[[str], None] = print) -> int:
    """Check everything that a sweep relies on, and estimate its time and space; 0 if it is worth starting.

    Raises InputError for an invalid sweep, NotWorthStarting for a trial that failed or left no checkpoint.
    """
    from atft.search.question.days import check_days
    from atft.search.question.preflight import preflight

    _check_study(sweep)
    with Progress("checking the sweep"):
        report(preflight(sweep))
    with _small_study(sweep) as small:
        report(f"write access: {Path(sweep.root).resolve()}")
        with Progress("one trial"):
            check_days(sweep)
            trial, directory = _train_one(small), small.trial_directory(0)
        _check(trial, directory, sweep.metric)
        values = [f"{v:+.4f}" for _, v in sorted(trial.intermediate_values.items())]
        report(f"one trial: {sweep.metric} {', '.join(values)} reported to the pruner; its checkpoint loads")
        trial_bytes = sum(p.stat().st_size for p in directory.rglob("*") if p.is_file())
        report(estimate(sweep, trial, trial_bytes, shutil.disk_usage(sweep.root).free))
    return 0


def _check_study(sweep: SweepOptions) -> None:
    """Raise InputError for another question under an old name, or trials of a lost study, as a start does."""
    from atft.search.question.frozen import identify
    from atft.search.study.files import check_no_trials
    from atft.search.study.storage import NoStudy
    from atft.search.study.study import check_identity, open_study

    try:
        study = open_study(sweep)
    except NoStudy:
        check_no_trials(sweep)
    else:
        check_identity(study, sweep, identify(sweep))


@contextmanager
def _small_study(sweep: SweepOptions) -> Iterator[SweepOptions]:
    """The sweep with one trial of two epochs and a root of its own, which is removed in the end."""
    root = Path(sweep.root)
    publish_text(root / f".{sweep.study}.dry-run", "")  # raises where the disk takes no files, in one line
    (root / f".{sweep.study}.dry-run").unlink()
    folder = mkdtemp(prefix=".dry-run-", dir=root)
    try:
        # Folds would train as many runs; whether one trains is the question here, and `check_days` looks at all.
        yield replace(
            sweep,
            root=folder,
            storage=None,
            n_trials=1,
            max_retry=0,
            folds=None,
            enqueue=sweep.enqueue[:1],
            limits=replace(sweep.limits, epochs=EPOCHS),
            sampler=replace(sweep.sampler, name="random"),
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _train_one(sweep: SweepOptions) -> FrozenTrial:
    from atft.commands.train import build
    from atft.search.question.config import trial_config
    from atft.search.question.frozen import identify
    from atft.search.study.study import begin_study
    from atft.search.workers.worker import run_next

    study = begin_study(sweep, identify(sweep))
    build("fit", trial_config(sweep, {}), quiet=True).datamodule.prepare_data()
    run_next(sweep, study, lambda: False)
    return study.trials[0]


def _check(trial: FrozenTrial, directory: Path, metric: str) -> None:
    from atft.commands.resume import LAST
    from atft.files.checkpoint_file import BEST, read_checkpoint
    from atft.search.study.outcome import reason_of

    if trial.state.name == "FAIL":
        raise NotWorthStarting(f"the trial failed: {reason_of(trial)}; fix that first")
    if not trial.intermediate_values:
        raise NotWorthStarting(f"{metric} was reported for no epoch: nothing could be pruned")
    for name in (BEST, LAST):
        if not (directory / name).is_file():
            raise NotWorthStarting(f"the trial left no {name}: it could not be used or continued")
        read_checkpoint(directory / name)


def estimate(sweep: SweepOptions, trial: FrozenTrial, trial_bytes: int, free_bytes: int) -> str:
    """How long the sweep takes at most, and the space it needs, from a finished trial of ``EPOCHS`` epochs."""
    assert trial.duration is not None
    folds, epochs = sweep.folds or 1, sweep.limits.epochs
    seconds = trial.duration.total_seconds() / EPOCHS * epochs * folds
    if sweep.limits.minutes is not None:
        seconds = min(seconds, 60 * sweep.limits.minutes)
    longest = duration(seconds * math.ceil(sweep.n_trials / sweep.workers))
    needed = trial_bytes * sweep.n_trials * folds
    if needed > free_bytes:
        raise NotWorthStarting(
            f"{counted(sweep.n_trials, 'trial')} need {needed / 1e9:.1f} GB, the disk has "
            f"{free_bytes / 1e9:.1f} GB free; "
            "make room or name another root"
        )
    return (
        f"worth starting: {counted(sweep.n_trials, 'trial')} of {counted(epochs, 'epoch')} with "
        f"{counted(sweep.workers, 'worker')} take at most "
        f"about {longest} without pruning and as fast as this one, and {needed / 1e6:.0f} MB of "
        f"{free_bytes / 1e9:.0f} GB"
    )
