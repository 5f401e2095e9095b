import io
import itertools
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import optuna
import pytest
from rich.console import Console

from atft.errors import InputError
from atft.process.progress import LineTimer
from atft.search.question.options import SweepOptions
from atft.search.study.outcome import Outcome, failure_of, finished, outcome_of
from atft.search.study.owner import start_ticks, this_process
from atft.search.study.study import open_study
from atft.search.workers.supervisor import Supervisor, SweepFailed
from toy_machine import machine, running, until

Make = Callable[..., SweepOptions]
Open = Callable[[SweepOptions], optuna.Study]
CommandOf = Callable[[SweepOptions, int], list[str]]


@pytest.fixture
def supervise(toy_study: Open, toy_command: CommandOf) -> Callable[[SweepOptions], tuple[int, str]]:
    """Run a toy sweep to its end: exit status and what was said."""

    def run(sweep: SweepOptions) -> tuple[int, str]:
        said = Console(file=io.StringIO(), width=200)
        toy_study(sweep)
        study = open_study(sweep)
        code = Supervisor(sweep, study, toy_command(sweep, os.getpid()), said).run()
        return code, said.file.getvalue()  # type: ignore[attr-defined]

    return run


Supervise = Callable[[SweepOptions], tuple[int, str]]


def trials_of(sweep: SweepOptions) -> list[optuna.trial.FrozenTrial]:
    return open_study(sweep).trials


def test_workers_finish_exactly_the_trials_that_were_asked_for(toy_sweep: Make, supervise: Supervise) -> None:
    sweep = toy_sweep(n_trials=5, workers=3)
    code, said = supervise(sweep)
    assert code == 0
    assert len(finished(trials_of(sweep))) == 5
    assert said.count(" complete ") == 5
    assert "5 of 5 trials finished, 5 complete, 0 pruned" in said
    best = max(trials_of(sweep), key=lambda t: t.value or 0)
    assert f"best val/rank_ic {best.value:+.4f}, trial {best.number}:" in said


def test_a_log_gets_the_live_line_at_least_every_30_seconds(
    toy_sweep: Make, toy_study: Open, toy_command: CommandOf
) -> None:
    sweep, now = toy_sweep(n_trials=1), itertools.count(0.0, 8.0)
    log = Console(file=io.StringIO(), width=200)
    toy_study(sweep)
    study = open_study(sweep)
    supervisor = Supervisor(sweep, study, toy_command(sweep, os.getpid()), log)
    ticks: list[bool] = []
    former = supervisor._tick

    def tick() -> bool:
        ticks.append(former())
        return ticks[-1]

    supervisor._tick = tick  # type: ignore[method-assign]
    supervisor.line_timer = LineTimer(lambda: next(now))
    assert supervisor.run() == 0
    text = log.file.getvalue()  # type: ignore[attr-defined]
    lines = [line for line in text.splitlines() if line.startswith(("0/1", "1/1"))]
    assert len(lines) >= sum(ticks) // 5 and all(" · " in line or line == "0/1" for line in lines)


def test_a_spent_budget_costs_nothing_the_second_time_and_can_be_raised(
    toy_sweep: Make, supervise: Supervise
) -> None:
    assert supervise(toy_sweep(n_trials=1))[0] == 0
    assert supervise(toy_sweep(n_trials=1))[0] == 0
    assert supervise(toy_sweep(n_trials=3))[0] == 0
    assert len(finished(trials_of(toy_sweep()))) == 3


@pytest.mark.slow
def test_a_trial_without_progress_is_ended_and_tried_again(
    toy_sweep: Make, supervise: Supervise, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("atft.search.workers.supervisor.HANG_MINUTES", 0.1)
    sweep = toy_sweep(base="hangs", n_trials=1)
    code, said = supervise(sweep)
    assert code == 0
    assert "trial 0 failed: hang, no batch for 0.1 minutes; its worker was ended" in said
    assert [t.state.name for t in trials_of(sweep)] == ["FAIL", "COMPLETE"]


@pytest.mark.slow
def test_workers_that_die_without_progress_end_the_sweep_with_their_last_words(
    toy_sweep: Make, supervise: Supervise
) -> None:
    with pytest.raises(
        SweepFailed, match=r"exit status 7\); its last words: no such library; all of them: .*worker_0.log"
    ):
        supervise(toy_sweep(base="dies early", n_trials=2))


def test_a_sweep_whose_trials_fail_for_config_is_aborted_with_the_reason(
    toy_sweep: Make, supervise: Supervise
) -> None:
    sweep = toy_sweep(base="fails", n_trials=20)
    with pytest.raises(
        SweepFailed, match=r"of \d trials failed for config or code, the last one \(trial \d\): config, x = "
    ):
        supervise(sweep)
    assert len(trials_of(sweep)) < 20


def test_a_sweep_without_a_complete_trial_has_no_best_one(toy_sweep: Make, supervise: Supervise) -> None:
    with pytest.raises(SweepFailed, match="no trial is complete: all were pruned or failed"):
        supervise(toy_sweep(base="prunes", n_trials=2))


def test_a_worker_that_cannot_use_the_sweep_ends_it_with_its_message(
    toy_sweep: Make, toy_study: Open, toy_command: CommandOf
) -> None:
    sweep = toy_sweep()
    wrong = json.dumps({**json.loads(sweep.as_json()), "study": "absent"})
    command = toy_command(sweep, os.getpid())
    command[command.index("--sweep") + 1] = wrong
    with pytest.raises(SweepFailed, match=r"^no study at .*absent"):
        Supervisor(sweep, toy_study(sweep), command, Console(file=io.StringIO())).run()


def test_a_full_disk_ends_the_sweep_in_one_line(
    toy_sweep: Make, toy_study: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = toy_sweep()
    command = [sys.executable, "-c", "raise SystemExit(2)"]  # as a worker whose log takes no line
    study, console = toy_study(sweep), Console(file=io.StringIO())
    with pytest.raises(
        SweepFailed, match=r"worker_0.log: .* could not write why it ended; is the disk full\?$"
    ):
        Supervisor(sweep, study, command, console).run()

    def full(*_: object) -> None:
        raise InputError("all_trials.json: the disk is full; make room or name another place")

    monkeypatch.setattr("atft.search.workers.supervisor.publish_study_files", full)
    with pytest.raises(SweepFailed, match=r"the disk is full; .*; the same command then goes on$"):
        Supervisor(sweep, study, command, console).run()


def test_a_trial_whose_worker_died_goes_on_from_its_last_checkpoint(
    toy_sweep: Make, toy_study: Open, toy_command: CommandOf
) -> None:
    sweep = toy_sweep(n_trials=1, max_retry=1, limits={"epochs": 40})
    study = toy_study(sweep)
    started = machine(sweep, toy_command(sweep, 0))
    until(lambda: any((t.last_step or 0) >= 2 for t in study.trials))
    os.kill(study.trials[0].user_attrs["owner"]["pid"], signal.SIGKILL)
    said, _ = started.communicate()
    first, second = study.trials
    assert started.returncode == 0, said
    assert "worker 0 ended (signal 9) and is replaced" in said and "1 failed (1 crash)" in said
    assert failure_of(first).kind == "crash"
    assert second.params == first.params and second.user_attrs["retry_of"] == 0
    root = Path(sweep.root)
    assert (root / "toy/trial_1/retried_from").read_text() == str(root / "toy/trial_0")
    assert min(second.intermediate_values) >= 2  # not again from the start


@pytest.mark.parametrize("times", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_ctrl_c_leaves_the_trials_resumable_and_uncounted(
    toy_sweep: Make, toy_study: Open, toy_command: CommandOf, supervise: Supervise, times: int
) -> None:
    sweep = toy_sweep(n_trials=2, workers=2, max_retry=0, limits={"epochs": 30})
    study = toy_study(sweep)
    started = machine(sweep, toy_command(sweep, 0))
    until(lambda: len(running(study)) == 2)
    for _ in range(times):
        started.send_signal(signal.SIGINT)
        time.sleep(0.01)
    said, _ = started.communicate()
    assert started.returncode == 130
    assert "interrupted: the same command goes on from here" in said
    assert [outcome_of(t) for t in study.trials if t.state.name == "FAIL"] == [Outcome.INTERRUPTED] * 2
    assert supervise(sweep)[0] == 0
    assert sorted(t.user_attrs["retry_of"] for t in finished(trials_of(sweep))) == [0, 1]
    assert all(min(t.intermediate_values) > 0 for t in finished(trials_of(sweep)))


def test_a_worker_that_missed_the_first_signal_is_asked_again(
    toy_sweep: Make, toy_study: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = toy_sweep()
    said = io.StringIO()
    supervisor = Supervisor(sweep, toy_study(sweep), [], Console(file=said, width=200))
    (worker,) = supervisor.workers
    asked: list[int] = []
    monkeypatch.setattr(
        worker, "_process", SimpleNamespace(pid=1, poll=lambda: 0 if len(asked) > 1 else None)
    )
    monkeypatch.setattr(worker, "request_stop", lambda: asked.append(1))
    supervisor.interrupts = 1
    assert [supervisor._tick() for _ in range(3)] == [True, True, False]
    assert said.getvalue().count("stopping at the end of the epoch") == 1


@pytest.mark.slow
def test_workers_leave_when_their_supervisor_is_killed_and_the_next_one_goes_on(
    toy_sweep: Make, toy_study: Open, toy_command: CommandOf, supervise: Supervise
) -> None:
    sweep = toy_sweep(n_trials=3, workers=2, max_retry=0, limits={"epochs": 30})
    study = toy_study(sweep)
    started = machine(sweep, toy_command(sweep, 0))
    until(lambda: len(running(study)) == 2)
    owners = [t.user_attrs["owner"]["pid"] for t in running(study)]
    started.kill()
    started.communicate()
    code, _ = supervise(sweep)
    assert code == 0 and len(finished(trials_of(sweep))) == 3
    assert all(start_ticks(pid) is None for pid in owners)
    assert this_process()["pid"] not in owners


@pytest.mark.slow
def test_a_hung_worker_of_a_killed_supervisor_does_not_keep_its_place_for_ever(
    toy_sweep: Make,
    toy_study: Open,
    toy_command: CommandOf,
    supervise: Supervise,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("atft.search.workers.supervisor.HANG_MINUTES", 0.1)
    sweep = toy_sweep(base="hangs", n_trials=1)
    study = toy_study(sweep)
    started = machine(sweep, toy_command(sweep, 0))
    until(lambda: len(running(study)) == 1)
    started.kill()
    started.communicate()
    code, said = supervise(sweep)
    assert code == 0 and "1 worker of a start that was killed still at work here" in said
    assert failure_of(study.trials[0]).kind == "hang"
