"""Storages are named by URL, opened in one line of error, locked on sqlite, and lost in one line."""

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest

from atft.errors import InputError, RunFailed
from atft.search.question.frozen import Identity
from atft.search.question.options import SweepOptions
from atft.search.study.storage import (
    lock_before_reading,
    open_storage,
    storage_errors,
    storage_url,
)
from atft.search.study.study import begin_study

MakeSweep = Callable[..., SweepOptions]
SAME = Identity({"metric": "val/rank_ic"}, "d" * 16)


@pytest.mark.parametrize(
    ("storage", "url"),
    [
        ("postgresql://me:secret@host:1/db", "postgresql+psycopg://me:secret@host:1/db"),
        ("postgres://me@host/db", "postgresql+psycopg://me@host/db"),
        ("grpc://host:13000", "grpc://host:13000"),
        ("sqlite:///here.db", "sqlite:///here.db"),
    ],
)
def test_a_storage_is_named_by_its_url(storage: str, url: str, make_sweep: MakeSweep) -> None:
    assert storage_url(make_sweep(storage=storage)) == url


REFUSED: dict[str, tuple[str, str]] = {
    "a proxy without a port": ("grpc://host", "a gRPC proxy is grpc://HOST:PORT, got 'grpc://host'"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_invalid_storage_url_is_an_error_of_one_line(name: str, make_sweep: MakeSweep) -> None:
    storage, message = REFUSED[name]
    with pytest.raises(InputError) as refused:
        begin_study(make_sweep(storage=storage), SAME)
    assert message in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize("password", ["pa@ss/w0rd", "pa/ssw0rd", "p%40ssw0rd", "w0rd"])
def test_no_part_of_a_password_is_in_the_line_about_a_server_that_does_not_answer(
    password: str, make_sweep: MakeSweep
) -> None:
    for url in (
        f"postgresql://me:{password}@127.0.0.1:1/atft",
        f"postgresql://127.0.0.1:1/a?password={password}",
    ):
        with pytest.raises(InputError) as refused:
            open_storage(make_sweep(storage=url))
        assert "w0rd" not in str(refused.value) and "storage postgresql+psycopg://" in str(refused.value)


def test_the_heartbeat_marks_and_leaves_the_retry_to_the_reconciler(make_sweep: MakeSweep) -> None:
    storage: Any = begin_study(make_sweep(), SAME)._storage
    rdb = getattr(storage, "_backend", storage)
    assert (rdb.heartbeat_interval, rdb.grace_period) == (60, 120)
    assert rdb.get_heartbeat_stale_trial_callback() is None


def test_a_database_that_is_lost_on_the_way_ends_in_one_line(make_sweep: MakeSweep) -> None:
    sweep = make_sweep()
    study = begin_study(sweep, SAME)
    with sqlite3.connect(sweep.directory / "study.db") as held:
        held.execute("DROP TABLE trials")
    held.close()
    lost = pytest.raises(RunFailed, match=r"storage sqlite:.*no such table.*the same command goes on")
    with lost, storage_errors(sweep):
        study.get_trials(deepcopy=False)


def test_other_errors_pass_through_the_watch_over_the_database(make_sweep: MakeSweep) -> None:
    with pytest.raises(KeyError), storage_errors(make_sweep()):
        raise KeyError("a bug")


def opened(path: Path) -> optuna.Study:
    storage = optuna.storages.RDBStorage(f"sqlite:///{path}", engine_kwargs={"connect_args": {"timeout": 60}})
    lock_before_reading(storage)
    return optuna.create_study(study_name="s", storage=storage, load_if_exists=True)


def test_a_waiting_trial_is_given_to_one_of_many_workers(tmp_path: Path) -> None:
    study, taken = opened(tmp_path / "s.db"), []
    for x in range(60):
        study.enqueue_trial({"x": x})

    def take(own: optuna.Study) -> None:
        while (found := own._pop_waiting_trial_id()) is not None:
            taken.append(found)

    workers = [threading.Thread(target=take, args=(opened(tmp_path / "s.db"),)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(taken) == len(set(taken)) == 60


def test_a_study_runs_as_ever(tmp_path: Path) -> None:
    study = opened(tmp_path / "s.db")
    study.enqueue_trial({"x": 1})
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
    assert [t.state.name for t in study.trials] == ["COMPLETE", "COMPLETE"]
