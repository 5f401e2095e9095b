import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from atft.search.question.options import SweepOptions
from atft.search.study.outcome import Outcome, is_surplus, outcome_of
from atft.search.study.owner import this_process
from atft.search.trial.failures import Interrupted, TrialFailed
from atft.search.workers.worker import Stop, Train, main, retried_from, run_next, work

Make = Callable[..., SweepOptions]
Open = Callable[[SweepOptions], optuna.Study]


def never() -> bool:
    return False


def training(end: Callable[[optuna.Study, optuna.Trial], float]) -> Train:
    """A training that draws a point and then ends as told."""

    def train(
        sweep: SweepOptions,
        study: optuna.Study,
        trial: optuna.Trial,
        directory: Path,
        retried: Path | None,
        *,
        stop: Callable[[], bool],
    ) -> float:
        trial.suggest_float("x", 0, 1)
        return end(study, trial)

    return train


def failing(error: Exception) -> Train:
    def end(study: optuna.Study, trial: optuna.Trial) -> float:
        raise error

    return training(end)


def test_a_trial_is_owned_and_placed_before_it_trains(toy_sweep: Make, toy_study: Open) -> None:
    sweep = toy_sweep(n_trials=2)
    study = toy_study(sweep)
    work(sweep, study, training(lambda study, trial: trial.params["x"]), never)
    assert [t.state.name for t in study.trials] == ["COMPLETE", "COMPLETE"]
    assert study.trials[1].user_attrs == {"owner": this_process(), "directory": "toy/trial_1"}


def test_a_failure_leaves_its_class_and_reason_in_the_study(toy_sweep: Make, toy_study: Open) -> None:
    sweep = toy_sweep()
    study = toy_study(sweep)
    run_next(sweep, study, failing(TrialFailed("data", "the panel is gone")), never)
    assert study.trials[0].user_attrs["failure"] == {"class": "data", "reason": "the panel is gone"}
    run_next(sweep, study, failing(Interrupted()), never)
    assert outcome_of(study.trials[1]) == Outcome.INTERRUPTED
    assert [t.state.name for t in study.trials] == ["FAIL", "FAIL"]


def test_a_surplus_trial_is_failed_before_it_trains(toy_sweep: Make, toy_study: Open) -> None:
    sweep = toy_sweep(n_trials=1)
    study = toy_study(sweep)
    study.add_trial(create_trial(state=TrialState.RUNNING, user_attrs={"owner": this_process()}))
    run_next(sweep, study, failing(AssertionError("it trains")), never)
    assert is_surplus(study.trials[1]) and study.trials[1].state == TrialState.FAIL


@pytest.mark.parametrize("says", ["a value", "a report", "a failure"])
def test_a_trial_that_another_process_took_for_dead_is_dropped(
    toy_sweep: Make, toy_study: Open, says: str
) -> None:
    sweep = toy_sweep()
    study = toy_study(sweep)

    def end(study: optuna.Study, trial: optuna.Trial) -> float:
        study._storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)
        if says == "a report":
            trial.report(0.5, step=0)
        if says == "a failure":
            raise TrialFailed("code", "too late")
        return 0.5

    run_next(sweep, study, training(end), never)
    assert [t.state.name for t in study.trials] == ["FAIL"]
    assert "failure" not in study.trials[0].user_attrs


def test_a_bug_is_not_taken_for_a_dropped_trial(toy_sweep: Make, toy_study: Open) -> None:
    sweep = toy_sweep()
    with pytest.raises(ValueError, match="a bug"):
        run_next(sweep, toy_study(sweep), failing(ValueError("a bug")), never)


def retry(number: int, of: int | None, **attributes: object) -> optuna.trial.FrozenTrial:
    own: dict[str, object] = {"directory": f"s/trial_{number}", **attributes}
    made = create_trial(state=TrialState.FAIL, user_attrs=own if of is None else {**own, "retry_of": of})
    made.number = number
    return made


def test_a_retry_continues_its_nearest_ancestor_with_a_checkpoint(tmp_path: Path) -> None:
    trials = [retry(0, None), retry(1, 0), retry(2, 1)]
    assert retried_from(trials, 2, tmp_path) is None
    for place, name in (("trial_0", "last.ckpt"), ("trial_1/fold_0", "last.ckpt")):
        (tmp_path / "s" / place).mkdir(parents=True)
        (tmp_path / "s" / place / name).touch()
        assert retried_from(trials, 2, tmp_path) == tmp_path / "s" / place.partition("/")[0]
    assert retried_from(trials, 0, tmp_path) is None


def test_a_checkpoint_of_the_whole_batch_is_not_continued_with_half_of_it(tmp_path: Path) -> None:
    trials = [retry(0, None), retry(1, 0, halved_batch=True), retry(2, 1, halved_batch=True)]
    (tmp_path / "s/trial_0").mkdir(parents=True)
    (tmp_path / "s/trial_0/last.ckpt").touch()
    assert retried_from(trials, 1, tmp_path) is None
    (tmp_path / "s/trial_1").mkdir()
    (tmp_path / "s/trial_1/last.ckpt").touch()
    assert retried_from(trials, 2, tmp_path) == tmp_path / "s/trial_1"


def test_a_worker_that_is_told_to_leave_asks_for_no_other_trial(toy_sweep: Make, toy_study: Open) -> None:
    sweep = toy_sweep()
    study = toy_study(sweep)
    stop = Stop()

    def end(study: optuna.Study, trial: optuna.Trial) -> float:
        os.kill(os.getpid(), signal.SIGINT)
        return 0.5

    before = signal.getsignal(signal.SIGINT)
    try:
        stop.listen()
        work(sweep, study, training(end), stop)
    finally:
        signal.signal(signal.SIGINT, before)
    assert [t.state.name for t in study.trials] == ["COMPLETE"]


def test_a_worker_notices_the_end_of_the_process_that_started_it() -> None:
    code = (
        "import os, subprocess, sys, time\n"
        "from atft.search.workers.worker import Stop\n"
        "if sys.argv[1:]:\n"
        "    stop = Stop()\n"
        "    stop.listen(int(sys.argv[1]))\n"
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


def test_a_worker_without_its_study_says_so_in_a_line(
    toy_sweep: Make, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("atft.search.workers.worker.cap_threads", lambda count: None)
    before = signal.getsignal(signal.SIGINT)
    try:
        assert main(["--sweep", toy_sweep().as_json()], train=failing(Interrupted())) == 2
    finally:
        signal.signal(signal.SIGINT, before)
    error = capsys.readouterr().err
    assert error.startswith("atft: error: no study at ") and error.count("\n") == 1
