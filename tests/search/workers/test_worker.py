import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from atft.errors import InputError
from atft.search.question.frozen import StudyChanged
from atft.search.question.options import SweepOptions
from atft.search.study.outcome import Outcome, is_surplus, outcome_of
from atft.search.study.owner import this_process
from atft.search.trial.failures import Interrupted, TrialFailed
from atft.search.workers.worker import Stop, main, run_next, work, worker_number

Make = Callable[..., SweepOptions]
Open = Callable[[SweepOptions], optuna.Study]


def never() -> bool:
    return False


@pytest.fixture
def train(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[optuna.Trial], float]], None]:
    """Let each trial draw a point and end as the given function says, in place of training a network."""

    def end_with(end: Callable[[optuna.Trial], float]) -> None:
        def run_trial(
            sweep: SweepOptions, trial: optuna.Trial, former: Sequence[Path], stop: Callable[[], bool]
        ) -> float:
            trial.suggest_float("x", 0, 1)
            return end(trial)

        monkeypatch.setattr("atft.search.workers.worker.run_trial", run_trial)

    return end_with


Train = Callable[[Callable[[optuna.Trial], float]], None]


def failing(error: Exception) -> Callable[[optuna.Trial], float]:
    def end(trial: optuna.Trial) -> float:
        raise error

    return end


def test_a_trial_is_owned_and_placed_before_it_trains(toy_sweep: Make, toy_study: Open, train: Train) -> None:
    sweep = toy_sweep(n_trials=2)
    study = toy_study(sweep)
    train(lambda trial: trial.params["x"])
    work(sweep, study, never)
    assert [t.state.name for t in study.trials] == ["COMPLETE", "COMPLETE"]
    assert study.trials[1].user_attrs == {"owner": this_process(), "directory": "toy/trial_1"}


def test_a_failure_leaves_its_class_and_reason_in_the_study(
    toy_sweep: Make, toy_study: Open, train: Train
) -> None:
    sweep = toy_sweep()
    study = toy_study(sweep)
    train(failing(TrialFailed("data", "the panel is gone")))
    run_next(sweep, study, never)
    assert study.trials[0].user_attrs["failure"] == {"class": "data", "reason": "the panel is gone"}
    train(failing(Interrupted()))
    run_next(sweep, study, never)
    assert outcome_of(study.trials[1]) == Outcome.INTERRUPTED
    assert [t.state.name for t in study.trials] == ["FAIL", "FAIL"]


@pytest.mark.parametrize(
    "error", [StudyChanged("the panel is another one"), TrialFailed("disk", "last.ckpt: the disk is full")]
)
def test_a_worker_for_which_no_trial_can_train_ends_and_leaves_the_point_to_be_tried_again(
    error: Exception, toy_sweep: Make, toy_study: Open, train: Train
) -> None:
    sweep = toy_sweep(n_trials=2, enqueue=[{"x": 0.25}])
    study = toy_study(sweep)
    train(failing(error))
    with pytest.raises(InputError, match=str(error).removeprefix("disk: ")):
        work(sweep, study, never)
    train(lambda trial: trial.params["x"])
    work(sweep, study, never)
    assert outcome_of(study.trials[0]) == Outcome.INTERRUPTED
    assert [t.params["x"] for t in study.trials[:2]] == [0.25, 0.25] and len(study.trials) == 3


@pytest.mark.parametrize("sampler", ["tpe", "gp", "random"])
@pytest.mark.parametrize("end", [Interrupted(), TrialFailed("crash", "killed by signal 9")])
def test_a_sweep_that_was_stopped_draws_the_points_of_one_that_was_not(
    sampler: str, end: Exception, toy_sweep: Make, toy_study: Open, train: Train, tmp_path: Path
) -> None:
    options = {"n_trials": 6, "sampler": {"name": sampler, "seed": 3, "startup_trials": 2}}

    def points(root: str, stopped: int | None) -> list[float]:
        sweep = toy_sweep(root=str(tmp_path / root), **options)

        def value(trial: optuna.Trial) -> float:
            if trial.number == stopped:
                raise end
            return -abs(float(trial.params["x"]) - 0.3)

        train(value)
        if stopped is not None:
            run = iter([False] * (stopped + 1) + [True])
            work(sweep, toy_study(sweep), lambda: next(run))
            assert toy_study(sweep).trials[stopped].state == TrialState.FAIL
        work(sweep, toy_study(sweep), never)
        return [t.params["x"] for t in toy_study(sweep).trials if t.state == TrialState.COMPLETE]

    whole = points("whole", None)
    assert len(whole) == len(set(whole)) == 6
    assert points("stopped", 3) == whole


def test_a_surplus_trial_is_failed_before_it_trains(toy_sweep: Make, toy_study: Open, train: Train) -> None:
    sweep = toy_sweep(n_trials=1)
    study = toy_study(sweep)
    study.add_trial(create_trial(state=TrialState.RUNNING, user_attrs={"owner": this_process()}))
    train(failing(AssertionError("it trains")))
    run_next(sweep, study, never)
    assert is_surplus(study.trials[1]) and study.trials[1].state == TrialState.FAIL


@pytest.mark.parametrize("says", ["a value", "a report", "a failure"])
def test_a_trial_that_another_process_took_for_dead_is_dropped(
    toy_sweep: Make, toy_study: Open, train: Train, says: str
) -> None:
    sweep = toy_sweep()
    study = toy_study(sweep)

    def end(trial: optuna.Trial) -> float:
        study._storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)
        if says == "a report":
            trial.report(0.5, step=0)
        if says == "a failure":
            raise TrialFailed("code", "too late")
        return 0.5

    train(end)
    run_next(sweep, study, never)
    assert [t.state.name for t in study.trials] == ["FAIL"]
    assert "failure" not in study.trials[0].user_attrs


def test_a_bug_is_not_a_dropped_trial(toy_sweep: Make, toy_study: Open, train: Train) -> None:
    sweep = toy_sweep()
    train(failing(ValueError("a bug")))
    with pytest.raises(ValueError, match="a bug"):
        run_next(sweep, toy_study(sweep), never)


def test_a_worker_that_is_asked_to_leave_begins_no_other_trial(
    toy_sweep: Make, toy_study: Open, train: Train
) -> None:
    sweep = toy_sweep()
    study = toy_study(sweep)
    stop = Stop()

    def end(trial: optuna.Trial) -> float:
        os.kill(os.getpid(), signal.SIGINT)
        return 0.5

    train(end)
    before = signal.getsignal(signal.SIGINT)
    try:
        signal.signal(signal.SIGINT, stop.request)
        work(sweep, study, stop)
    finally:
        signal.signal(signal.SIGINT, before)
    assert [t.state.name for t in study.trials] == ["COMPLETE"]


def test_a_worker_notices_the_end_of_the_process_that_started_it() -> None:
    code = (
        "import os, subprocess, sys, time\n"
        "if sys.argv[1:]:\n"
        "    from atft.process.termination import on_parent_exit\n"
        "    from atft.search.workers.worker import Stop\n"
        "    stop = Stop()\n"
        "    on_parent_exit(int(sys.argv[1]), stop.request)\n"
        "    print('listening', flush=True)\n"
        "    while not stop(): time.sleep(.01)\n"
        "    print('left')\n"
        "else:\n"
        "    subprocess.Popen([sys.executable, '-c', sys.orig_argv[2], str(os.getpid())])\n"
        "    time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None and parent.stdout.readline() == "listening\n"
        parent.kill()
        assert parent.stdout.read() == "left\n"


def test_a_worker_without_its_study_ends_with_one_line(
    toy_sweep: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    before = signal.getsignal(signal.SIGINT)
    try:
        assert main(["--sweep", toy_sweep().as_json()]) == 2
    finally:
        signal.signal(signal.SIGINT, before)
    error = capsys.readouterr().err
    assert error.startswith("atft: error: no study at ") and error.count("\n") == 1


def test_workers_of_two_supervisors_have_numbers_of_their_own(toy_sweep: Make) -> None:
    sweep = toy_sweep()
    with worker_number(sweep) as first, worker_number(sweep) as second:
        assert (first, second) == (0, 1)
    with worker_number(sweep) as number:
        assert number == 0
