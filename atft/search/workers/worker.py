"""Run trials one after another until the budget is spent: ``python -m atft.search.workers.worker``.

It owns nothing that must survive it. All that it knows of the sweep it reads from the storage before each trial,
so it may be killed at any moment and another one, on whatever machine, goes on. It stops by itself when the
supervisor asks (SIGINT: at the end of the epoch, the trial stays resumable) and when the supervisor is gone: a
worker that nobody watches would train beside those of the supervisor that is started next, twice the load.
"""

import argparse
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from atft.errors import InputError, RunFailed
from atft.search.question.options import SweepOptions, sweep_of
from atft.search.study.owner import on_parent_exit
from atft.threads import cap_threads

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

CHECKPOINTS = ("last.ckpt", "fold_*/last.ckpt")
"""Where a trial's newest weights lie in its directory."""
IDLE_SECONDS = 0.5
"""Between two looks at the study of a worker for which there is no slot."""


Train = Callable[..., float]
"""What is done with a trial that has a slot: called as `atft.search.trial.run.run_trial` is."""


class Surplus(RunFailed):
    """A trial beyond the budget, asked for in a race: failed before it trains."""


class Stop:
    """Whether this process was asked to leave: by SIGINT, or by the end of the process that started it."""

    def __init__(self) -> None:
        self.requested = False

    def __call__(self) -> bool:
        """Whether to leave at the next good moment."""
        return self.requested

    def listen(self, parent: int | None = None) -> None:
        """Take SIGINT for a request from now on, and the end of ``parent`` too."""
        signal.signal(signal.SIGINT, self._on_signal)
        if parent is not None:
            on_parent_exit(parent, self._on_signal)

    def _on_signal(self, *_: object) -> None:
        self.requested = True


def work(sweep: SweepOptions, study: "optuna.Study", train: Train, stop: Callable[[], bool]) -> None:
    """Run trials until the budget is spent or ``stop`` says so.

    Args:
        sweep: budget, retries, place of the trials.
        study: the study, with its sampler and pruner.
        train: what is done with a trial.
        stop: asked between trials, and by ``train`` at the end of each epoch.
    """
    from atft.search.study.reconcile import is_done, may_ask, reconcile, unowned_seconds

    while not stop():
        reconcile(study, sweep.n_trials, sweep.max_retry, unowned_seconds(sweep))
        if is_done(study, sweep.n_trials):
            return
        if may_ask(study, sweep.n_trials):
            run_next(sweep, study, train, stop)
        else:
            time.sleep(IDLE_SECONDS)


def run_next(sweep: SweepOptions, study: "optuna.Study", train: Train, stop: Callable[[], bool]) -> None:
    """Ask Optuna for one trial and train it, if it has a slot. A failed one leaves its reason in the study."""
    from optuna.exceptions import UpdateFinishedTrialError

    from atft.search.trial.failures import Interrupted, TrialFailed
    from atft.search.trial.files import publish_study_files

    caught = (Surplus, TrialFailed, Interrupted)
    try:
        study.optimize(lambda trial: objective(sweep, study, trial, train, stop), n_trials=1, catch=caught)
    except (ValueError, AssertionError, UpdateFinishedTrialError) as error:
        if not _was_taken_away(error):
            raise
    publish_study_files(study, sweep)


def objective(
    sweep: SweepOptions,
    study: "optuna.Study",
    trial: "optuna.Trial",
    train: Train,
    stop: Callable[[], bool],
) -> float:
    """Own the trial, take a slot for it, train it, and leave in its attributes how it ended."""
    from optuna.storages._heartbeat import is_heartbeat_enabled

    from atft.search.study.budget import claim
    from atft.search.study.outcome import Outcome
    from atft.search.study.owner import this_process
    from atft.search.trial.failures import Interrupted, TrialFailed

    if is_heartbeat_enabled(study._storage):
        # A trial that is owned has a heartbeat: without one, no other machine would ever miss its process.
        study._storage.record_heartbeat(trial._trial_id)  # type: ignore[attr-defined]
    trial.set_user_attr("owner", this_process())
    if not claim(study, trial, sweep.n_trials, sweep.max_retry):
        raise Surplus(f"trial {trial.number} was asked for in a race, beyond the {sweep.n_trials} wanted")
    place = f"{sweep.study}/trial_{trial.number}"
    trial.set_user_attr("directory", place)
    source = retried_from(study.get_trials(deepcopy=False), trial.number, Path(sweep.root))
    try:
        return train(sweep, study, trial, Path(sweep.root) / place, source, stop=stop)
    except TrialFailed as error:
        trial.set_user_attr("failure", {"class": error.kind, "reason": error.reason})
        raise
    except Interrupted:
        trial.set_user_attr("outcome", Outcome.INTERRUPTED)
        raise


def retried_from(trials: "Sequence[FrozenTrial]", number: int, root: Path) -> Path | None:
    """The run directory whose last checkpoint a retry continues.

    Args:
        trials: all of the study's.
        number: the trial that begins.
        root: folder of all runs on this machine.

    Returns:
        The directory of its nearest ancestor with a ``last.ckpt``; None for no retry, for one whose ancestors
        left no checkpoint here (they ran on another machine, or not for an epoch), and where the batch was
        halved since: a schedule counts steps. Then it trains from the start, with the same values.
    """
    by_number = {t.number: t for t in trials}
    own = by_number[number]
    halved = own.user_attrs.get("halved_batch")
    while "retry_of" in own.user_attrs:
        own = by_number[own.user_attrs["retry_of"]]
        if own.user_attrs.get("halved_batch") != halved:
            return None
        place = root / str(own.user_attrs.get("directory", "nowhere"))
        if any(found for name in CHECKPOINTS for found in place.glob(name)):
            return place
    return None


def _was_taken_away(error: BaseException) -> bool:
    """Whether Optuna refuses to end a trial because another process took this one for dead and failed it."""
    words = ("Cannot tell a ", "Should not reach.")  # what study.optimize says of a trial that has ended
    return type(error).__name__ == "UpdateFinishedTrialError" or str(error).startswith(words)


def main(arguments: Sequence[str] | None = None, train: Train | None = None) -> int:
    """Run one worker; its exit status: 0 no more to do, 1 the study cannot go on, 2 the input was refused.

    Args:
        arguments: what follows ``python -m atft.search.workers.worker``; the process's own by default.
        train: what is done with a trial; None trains the network.
    """
    parser = argparse.ArgumentParser(prog="python -m atft.search.workers.worker", description=__doc__)
    parser.add_argument("--sweep", required=True, help="the sweep as JSON")
    parser.add_argument("--index", type=int, default=0, help="this worker's place among those of the machine")
    parser.add_argument("--threads", type=int, default=1, help="cap of each numerical pool")
    parser.add_argument("--parent", type=int, help="process whose end is this worker's end too")
    given = parser.parse_args(arguments)
    cap_threads(given.threads)
    stop = Stop()
    stop.listen(given.parent)
    try:
        from atft.search.study.study import open_study, while_storage_answers

        sweep = sweep_of(given.sweep)
        with while_storage_answers(sweep):
            study = open_study(sweep, create=False, worker=given.index)
            work(sweep, study, train or _network(), stop)
    except (InputError, RunFailed) as error:
        print(f"atft: error: {' '.join(str(error).split())}", file=sys.stderr)  # noqa: T201
        return 1 if isinstance(error, RunFailed) else 2
    return 0


def _network() -> Train:
    from atft.search.trial.run import run_trial

    return run_trial


if __name__ == "__main__":
    sys.exit(main())
