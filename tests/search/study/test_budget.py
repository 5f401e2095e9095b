import random
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

import optuna
import pytest
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState, create_trial

from atft.search.study.budget import (
    due_for_retry,
    may_train,
    reason_to_abort,
    reserve_slot,
    retry_attributes,
    slots_left,
)
from atft.search.study.outcome import Outcome, finished, is_surplus, outcome_of
from atft.search.study.owner import Owner
from atft.search.study.reconcile import enqueue_retries, reconcile
from atft.search.study.storage import lock_before_reading

STATES = {
    "done": TrialState.COMPLETE,
    "pruned": TrialState.PRUNED,
    "running": TrialState.RUNNING,
    "waiting": TrialState.WAITING,
}
START = datetime(2026, 1, 1)
CLASSES = ("crash", "hang", "memory", "config", "code", "interrupted")


def trial(number: int, state: str, **attributes: object) -> optuna.trial.FrozenTrial:
    """A trial as a study would hold it; a state that is a class of failure stands for one that failed so."""
    own: dict[str, object] = {"directory": f"trial_{number}", **attributes}
    if state not in STATES and state != "crash":
        own["failure"] = {"class": state, "reason": "because"}
    values = 0.5 if state == "done" else None
    made = create_trial(state=STATES.get(state, TrialState.FAIL), value=values, user_attrs=own)
    made.number = number
    return made


def test_a_trial_trains_while_the_others_leave_it_a_slot() -> None:
    trials = [trial(0, "done"), trial(1, "pruned"), trial(2, "running")]
    assert may_train(trials, 2, n_trials=3, max_retry=0)
    assert not may_train(trials, 2, n_trials=2, max_retry=0)


def test_a_running_or_waiting_trial_keeps_its_slot_from_those_that_came_after_it() -> None:
    trials = [trial(0, "running"), trial(1, "waiting"), trial(2, "running")]
    assert not may_train(trials, 2, n_trials=2, max_retry=0)
    assert may_train(trials, 0, n_trials=2, max_retry=0)


def test_a_failed_trial_frees_its_slot_and_one_that_is_due_a_retry_keeps_it() -> None:
    trials = [trial(0, "crash"), trial(1, "running")]
    assert may_train(trials, 1, n_trials=1, max_retry=0)
    assert not may_train(trials, 1, n_trials=1, max_retry=1)
    assert may_train([trial(0, "config"), trial(1, "running")], 1, n_trials=1, max_retry=1)


def test_of_two_retries_of_one_trial_the_later_is_surplus() -> None:
    trials = [
        trial(0, "crash"),
        trial(1, "done", retry_of=0, attempt=1),
        trial(2, "running", retry_of=0, attempt=1),
    ]
    assert not may_train(trials, 2, n_trials=9, max_retry=2)


def test_a_retry_that_a_race_made_surplus_is_due_again() -> None:
    lost = trial(1, "crash", retry_of=0, attempt=1, outcome="surplus")
    assert [t.number for t in due_for_retry([trial(0, "crash"), lost], max_retry=1)] == [0]
    assert due_for_retry([trial(0, "crash"), trial(1, "running", retry_of=0, attempt=1)], max_retry=1) == []


@pytest.mark.parametrize(
    ("failed", "expected"),
    [
        (trial(4, "crash"), {"retry_of": 4, "attempt": 1}),
        (trial(4, "hang", attempt=1), {"retry_of": 4, "attempt": 2}),
        (trial(4, "crash", attempt=2), None),
        (trial(4, "memory"), {"retry_of": 4, "attempt": 1, "halved_batch": True}),
        (trial(4, "memory", halved_batch=True), None),
        (trial(4, "crash", halved_batch=True), {"retry_of": 4, "attempt": 1, "halved_batch": True}),
        (trial(4, "crash", outcome="interrupted", attempt=2), {"retry_of": 4, "attempt": 2}),
        (trial(4, "config"), None),
        (trial(4, "data"), None),
        (trial(4, "code"), None),
        (trial(4, "time"), None),
        (trial(4, "done"), None),
        (trial(4, "crash", outcome="surplus"), None),
    ],
)
def test_what_may_go_better_the_next_time_is_retried_and_what_repeats_itself_is_not(
    failed: optuna.trial.FrozenTrial, expected: dict[str, object] | None
) -> None:
    assert retry_attributes(failed, max_retry=2) == expected


def test_a_trial_that_never_began_is_enqueued_again_only_if_it_had_a_point_of_its_own() -> None:
    fresh = create_trial(state=TrialState.FAIL)
    asked = create_trial(
        state=TrialState.FAIL, system_attrs={"fixed_params": {"x": 0.5}}, user_attrs={"attempt": 2}
    )
    assert outcome_of(fresh) == outcome_of(asked) == Outcome.UNSTARTED
    assert retry_attributes(fresh, max_retry=2) is None
    assert retry_attributes(asked, max_retry=2) == {"retry_of": asked.number, "attempt": 2}


def test_a_trial_that_may_not_train_is_marked_as_surplus() -> None:
    study = optuna.create_study()
    first, second = study.ask(), study.ask()
    assert reserve_slot(first, n_trials=1, max_retry=0)
    assert not reserve_slot(second, n_trials=1, max_retry=0)
    assert [is_surplus(t) for t in study.trials] == [False, True]


class Host:
    """Workers as generators that stop after every word with the storage, and a scheduler that may kill them there.

    Every order of such steps that real processes could take is within its reach, the rare ones as often as the
    common ones.
    """

    def __init__(self, storage: optuna.storages.RDBStorage, seed: int, n_trials: int, workers: int) -> None:
        self.open = lambda: optuna.load_study(
            study_name="s", storage=storage, sampler=optuna.samplers.RandomSampler(seed=seed)
        )
        self.rng, self.n_trials, self.places = random.Random(seed), n_trials, workers
        self.alive: dict[int, Iterator[None]] = {}
        self.started: list[int] = []
        self.max_retry, self.stepping = 2, 0

    def worker(self) -> Iterator[None]:
        """What `atft.search.workers.worker` does, one word with the storage at a time."""
        study = self.open()
        while len(finished(study.get_trials(deepcopy=False))) < self.n_trials:
            yield
            self.reconcile(study)
            yield
            if slots_left(study.get_trials(deepcopy=False), self.n_trials) <= 0:
                continue
            yield
            # What a reconciler has failed in the meantime is no longer ours.
            with suppress(UpdateFinishedTrialError, ValueError):
                yield from self.trial(study)

    def trial(self, study: optuna.Study) -> Iterator[None]:
        """One trial, from the question for it to its end, which is drawn."""
        own = study.ask()
        yield
        own.set_user_attr("owner", {"pid": self.stepping})
        yield
        if not reserve_slot(own, self.n_trials, self.max_retry):
            yield
            study.tell(own, state=TrialState.FAIL)
            return
        yield
        own.set_user_attr("directory", f"trial_{own.number}")
        own.suggest_float("x", 0, 1)
        self.started.append(own.number)
        for _ in range(self.rng.randrange(4)):
            yield
        fate = self.rng.choice(["done", "done", "pruned", *CLASSES])
        if fate == "interrupted":
            own.set_user_attr("outcome", Outcome.INTERRUPTED)
        elif fate in CLASSES:
            own.set_user_attr("failure", {"class": fate, "reason": "drawn"})
        yield
        study.tell(own, 0.5 if fate == "done" else None, state=STATES.get(fate, TrialState.FAIL))
        yield

    def reconcile(self, study: optuna.Study) -> None:
        # An age of -1 fails live trials too, between their birth and their owner: that must do no harm.
        patience = self.rng.choice([-1.0, 60.0]) if self.alive else -1.0
        reconcile(study, self.n_trials, self.max_retry, patience, self.gone)

    def gone(self, owner: Owner) -> bool:
        return owner["pid"] not in self.alive

    def run(self, kills: int) -> None:
        """Step a worker drawn at random until the budget is spent; kill one now and then, replace it."""
        name = 0
        while True:
            while len(self.alive) < self.places:
                self.alive[name] = self.worker()
                name += 1
            chosen = self.rng.choice(list(self.alive))
            if kills and self.rng.random() < 0.03:
                kills -= 1
                del self.alive[chosen]
                continue
            self.stepping = chosen
            if next(self.alive[chosen], "ended") == "ended":
                break
        for name, rest in list(self.alive.items()):
            self.stepping = name
            for _ in range(2000):
                if next(rest, "ended") == "ended":
                    break
            else:
                raise AssertionError("a worker that never ends")
        self.alive.clear()
        self.reconcile(self.open())


@pytest.mark.parametrize("seed", range(6))
def test_any_order_of_steps_and_kills_ends_with_exactly_the_budget(tmp_path: Path, seed: int) -> None:
    storage = optuna.storages.RDBStorage(f"sqlite:///{tmp_path / 's.db'}")
    lock_before_reading(storage)
    study = optuna.create_study(study_name="s", storage=storage)
    for x in (0.25, 0.75):
        study.enqueue_trial({"x": x})
    host = Host(storage, seed, n_trials=6, workers=4)
    host.run(kills=8)
    trials = study.get_trials()
    assert len(finished(trials)) == 6
    assert not [t for t in trials if t.state == TrialState.RUNNING]
    assert len(host.started) == len(set(host.started))  # none trained twice
    assert not [n for n in host.started if is_surplus(trials[n])]  # and no surplus one at all
    for tried in {t.user_attrs["retry_of"] for t in trials if "retry_of" in t.user_attrs}:
        own = [t.number for t in trials if t.user_attrs.get("retry_of") == tried]
        assert len([n for n in own if n in host.started]) <= 1
        same = [t.params for t in trials if t.number in (tried, *own) and t.params]
        assert all(p == same[0] for p in same)


def test_the_budget_can_be_raised_later(tmp_path: Path) -> None:
    storage = optuna.storages.RDBStorage(f"sqlite:///{tmp_path / 's.db'}")
    lock_before_reading(storage)
    study = optuna.create_study(study_name="s", storage=storage)
    for n_trials in (3, 5):
        Host(storage, n_trials, n_trials, workers=3).run(kills=2)
        assert len(finished(study.trials)) == n_trials


def test_a_retry_continues_the_point_of_the_trial_that_failed() -> None:
    study = optuna.create_study()

    def crash(own: optuna.Trial) -> float:
        own.set_user_attr("directory", "trial_0")
        own.suggest_float("x", 0, 1)
        raise MemoryError

    study.optimize(crash, n_trials=1, catch=(MemoryError,))
    assert enqueue_retries(study, n_trials=1, max_retry=1) == [0]
    assert enqueue_retries(study, n_trials=1, max_retry=1) == []
    again = study.ask()
    assert again.suggest_float("x", 0, 1) == study.trials[0].params["x"]
    assert again.user_attrs == {"retry_of": 0, "attempt": 1}


# -- when a sweep is aborted


def ended(
    number: int, kind: str | None, hours: float = 1.0, **attributes: object
) -> optuna.trial.FrozenTrial:
    """A trial that completed, or failed for a class."""
    failure = {"failure": {"class": kind, "reason": "lr must be positive"}} if kind else {}
    made = create_trial(
        state=TrialState.FAIL if kind else TrialState.COMPLETE,
        value=None if kind else 0.1,
        user_attrs={"directory": "x", **failure, **attributes},
    )
    made.number, made.datetime_complete = number, START + timedelta(hours=hours)
    return made


def test_more_than_a_third_failing_for_config_or_code_stops_the_sweep_with_the_last_reason() -> None:
    trials = [
        ended(0, "config"),
        ended(1, None),
        ended(2, None),
        ended(3, "code"),
        ended(4, None),
        ended(5, "config"),
    ]
    said = reason_to_abort(trials, START, n_trials=20, max_retry=2)
    assert said is not None
    assert said.startswith(
        "3 of 6 trials failed for config or code, the last one (trial 5): config, lr must be positive"
    )


def test_a_third_or_fewer_than_three_failures_do_not() -> None:
    third = [*(ended(n, "config") for n in range(3)), *(ended(n, None) for n in range(3, 9))]
    assert reason_to_abort(third, START, n_trials=20, max_retry=2) is None
    assert reason_to_abort([ended(0, "code"), ended(1, "code")], START, n_trials=20, max_retry=2) is None


def test_failures_of_an_earlier_start_and_surplus_trials_do_not_count() -> None:
    past = [ended(n, "config", hours=-1) for n in range(5)]
    surplus = [ended(n, "code", outcome="surplus") for n in range(5, 9)]
    assert reason_to_abort([*past, *surplus], START, n_trials=20, max_retry=2) is None


def test_as_many_trials_lost_for_good_as_were_wanted_stop_it_whatever_the_class() -> None:
    trials = [ended(n, "memory", halved_batch=True) for n in range(4)]
    said = reason_to_abort(trials, START, n_trials=4, max_retry=2)
    assert said is not None and said.startswith("4 trials failed for good, 4 were to finish")
    assert reason_to_abort(trials, START, n_trials=5, max_retry=2) is None
