"""Run trials one after another until the budget is spent: ``python -m atft.search.workers.worker``.

A worker keeps nothing that must survive it: it reads the study from the storage before each trial, so it may be
killed at any moment, and another one, on any machine, takes over. It ends itself when the supervisor asks
(SIGINT: at the end of the epoch, the trial stays resumable) and when the supervisor is gone: otherwise it would
train beside the workers of the next supervisor, twice the load.
"""

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages._heartbeat import is_heartbeat_enabled

from atft.errors import RunFailed
from atft.files.file_lock import take_lock
from atft.process.termination import end_process
from atft.search.question.frozen import StudyChanged
from atft.search.question.options import SweepOptions
from atft.search.study.budget import reserve_slot, slots_left
from atft.search.study.files import publish_study_files
from atft.search.study.outcome import Failure, Outcome, finished
from atft.search.study.owner import this_process
from atft.search.study.reconcile import reconcile, unowned_seconds
from atft.search.study.sampling import has_server, make_sampler, points_drawn
from atft.search.study.study import open_study
from atft.search.trial.failures import DiskFailed, Interrupted, TrialFailed
from atft.search.trial.resume import former_directories
from atft.search.trial.run import run_trial
from atft.search.workers.process import run_child

IDLE_SECONDS = 0.5
"""Pause between two looks at the study while it has no free slot."""


class Surplus(RunFailed):
    """A trial beyond the budget, created in a race: failed before it trains."""


class Stop:
    """Whether this process was asked to leave: by SIGINT, or by the end of its parent."""

    requested = False

    def __call__(self) -> bool:
        """Whether to leave after the epoch."""
        return self.requested

    def request(self, *_: object) -> None:
        """Ask for it; a signal handler, so it only sets a flag."""
        self.requested = True


@contextmanager
def worker_number(sweep: SweepOptions) -> Iterator[int]:
    """A number that no other worker of an sqlite study has during the block, the smallest from 0.

    Several supervisors may be at work on it: each would number its own from 0. At a server it is always 0, since
    `make_sampler` takes machine and process there.
    """
    if has_server(sweep):
        yield 0
        return
    for number in count():
        lock = take_lock(sweep.directory / f".worker_{number}.lock")
        if lock is not None:
            with lock:
                yield number
            return


def work(sweep: SweepOptions, study: optuna.Study, stop: Callable[[], bool], worker: int = 0) -> None:
    """Run trials until the budget is spent or ``stop()``, called between trials and after each epoch, is true.

    ``worker`` is this process's `worker_number`.
    """
    while not stop():
        reconcile(study, sweep.n_trials, sweep.max_retry, unowned_seconds(sweep))
        trials = study.get_trials(deepcopy=False)
        if len(finished(trials)) >= sweep.n_trials:
            return
        if slots_left(trials, sweep.n_trials) > 0:
            run_next(sweep, study, stop, worker)
        else:
            time.sleep(IDLE_SECONDS)


def run_next(sweep: SweepOptions, study: optuna.Study, stop: Callable[[], bool], worker: int = 0) -> None:
    """Ask Optuna for one trial and train it, if it has a slot. A failed one leaves its reason in the study."""
    study.sampler = make_sampler(sweep, points_drawn(study.get_trials(deepcopy=False)), worker)
    caught = (Surplus, TrialFailed, Interrupted)
    try:
        study.optimize(lambda trial: train_in_slot(sweep, trial, stop), n_trials=1, catch=caught)
    except (ValueError, AssertionError, UpdateFinishedTrialError) as error:
        # Another process took this one for dead and failed its trial; these are the messages of optimize then.
        dropped = str(error).startswith(("Cannot tell a ", "Should not reach."))
        if not dropped and not isinstance(error, UpdateFinishedTrialError):
            raise
    publish_study_files(study, sweep)


def train_in_slot(sweep: SweepOptions, trial: optuna.Trial, stop: Callable[[], bool]) -> float:
    """Own the trial, reserve a slot for it, train it, and leave in its attributes how it ended."""
    study = trial.study
    if is_heartbeat_enabled(study._storage):
        # Before the owner: no other machine would ever miss the process of an owned trial without a heartbeat.
        study._storage.record_heartbeat(trial._trial_id)  # type: ignore[attr-defined]
    trial.set_user_attr("owner", this_process())
    if not reserve_slot(trial, sweep.n_trials, sweep.max_retry):
        raise Surplus(f"trial {trial.number} was created in a race, beyond the {sweep.n_trials} wanted")
    # From here on the trial counts as begun: if it ends without a reason, it has crashed.
    trial.set_user_attr("directory", str(sweep.trial_directory(trial.number).relative_to(sweep.root)))
    former = former_directories(study.get_trials(deepcopy=False), trial.number, Path(sweep.root))
    try:
        return run_trial(sweep, trial, former, stop)
    except TrialFailed as error:
        if error.kind == "disk":
            trial.set_user_attr("outcome", Outcome.INTERRUPTED)
            raise DiskFailed(f"{error.reason}; the same command then tries the point again") from error
        trial.set_user_attr("failure", Failure(error.kind, error.reason).as_attribute())
        raise
    except (Interrupted, StudyChanged):
        trial.set_user_attr("outcome", Outcome.INTERRUPTED)
        raise


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one worker until no trial is left; see `atft.search.workers.process.run_child`."""
    stop = Stop()
    signal.signal(signal.SIGINT, stop.request)

    def run(sweep: SweepOptions) -> None:
        with worker_number(sweep) as number:
            work(sweep, open_study(sweep), stop, number)

    return run_child(arguments, run, stop.request)


if __name__ == "__main__":
    end_process(main())
