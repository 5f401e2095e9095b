"""The database of a study: sqlite in its own folder by default, PostgreSQL, or Optuna's gRPC proxy.

Heartbeats are on, except with the proxy, which has none. They only fail a stale trial: what is retried is decided
by the reconciler alone, or each retry would come twice.
"""

import re
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import BaseStorage, RDBStorage
from sqlalchemy import event
from sqlalchemy.exc import SQLAlchemyError

from atft.errors import InputError, RunFailed
from atft.search.question.credentials import hide
from atft.search.question.options import SweepOptions

LOCK_SECONDS = 60
"""Longest wait for a locked sqlite file."""
HEARTBEAT_SECONDS, GRACE_SECONDS = 60, 120
"""Between two heartbeats that a worker writes to a database; and without one, after which its trial has crashed."""
MAX_ATTEMPTS = 5


class NoStudy(InputError):
    """The storage answers and does not have the study."""


def storage_url(sweep: SweepOptions) -> str:
    """The database's URL as SQLAlchemy or gRPC takes it."""
    if sweep.storage is None:
        return f"sqlite:///{(sweep.directory / 'study.db').resolve()}"
    return re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", sweep.storage)


def check_database(sweep: SweepOptions) -> None:
    """Raise NoStudy where the file of an sqlite database is not there, which `open_storage` would make."""
    path = _database_file(storage_url(sweep))
    if path is not None and not path.is_file():
        raise NoStudy(f"no study at {path}; start it first, or make it again with rebuild if it was lost")


def _database_file(url: str) -> Path | None:
    file = re.match(r"sqlite(?:\+\w+)?:///([^?]*)", url)
    return Path(file[1]) if file else None


def open_storage(sweep: SweepOptions) -> BaseStorage:
    """Connect to the storage; an sqlite database that is not there is made.

    Raises InputError where nothing answers there, or a driver is not installed.
    """
    # The sweep prints its own lines about trials.
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    url = storage_url(sweep)
    kind = url.partition(":")[0]
    if kind == "grpc":
        return _grpc(url)
    options: dict[str, object] = {"pool_pre_ping": True}
    if (file := _database_file(url)) is not None:
        options = {"connect_args": {"timeout": LOCK_SECONDS}}
        file.parent.mkdir(parents=True, exist_ok=True)
    for attempt in range(MAX_ATTEMPTS):
        try:
            with experimental_optuna():  # the heartbeat, which distinguishes a dead worker from a slow one
                storage = RDBStorage(
                    url=url,
                    engine_kwargs=options,
                    heartbeat_interval=HEARTBEAT_SECONDS,
                    grace_period=GRACE_SECONDS,
                )
            break
        except ImportError as error:
            raise InputError(f"storage {kind}: {error}; pip install 'atft[postgres]'") from error
        except (SQLAlchemyError, RuntimeError) as error:
            # Two processes that make the tables of a new database at once: the second finds them there.
            if attempt + 1 < MAX_ATTEMPTS and re.search("already exists|UNIQUE|duplicate key", str(error)):
                time.sleep(0.2 * (attempt + 1))
                continue
            raise InputError(
                f"storage {hide(url, url)}: {hide(_first_line(error), url)}; check that the database exists and "
                "you may access it"
            ) from error
    lock_before_reading(storage)
    return storage


def lock_before_reading(storage: RDBStorage) -> None:
    """Start each transaction of an sqlite storage with ``BEGIN IMMEDIATE``, as ``SELECT ... FOR UPDATE`` elsewhere.

    Optuna changes a trial's state in two steps: read it under a row lock, then write. sqlite has no row lock, so
    two workers could both take the same waiting trial (measured: three processes took 8 of 60 trials twice), and a
    trial could be failed and completed at once. So a transaction takes sqlite's one write lock before it reads. It
    lasts milliseconds, and others wait for it.
    """
    if storage.engine.dialect.name != "sqlite":
        return

    def leave_transactions_to_sqlalchemy(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # else Python's sqlite3 begins on its own, at the first write

    def begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    event.listen(storage.engine, "connect", leave_transactions_to_sqlalchemy)
    event.listen(storage.engine, "begin", begin)
    storage.engine.dispose()  # connections made before lack both listeners


@contextmanager
def experimental_optuna() -> Iterator[None]:
    """Keep back the warning that heartbeats, the gRPC proxy and the patient pruner (as in 2.8) are experimental."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        yield


@contextmanager
def storage_errors(sweep: SweepOptions) -> Iterator[None]:
    """Raise RunFailed, in one line, where the database is lost on the way: a restart, a network, a full disk."""
    lost: tuple[type[Exception], ...] = (optuna.exceptions.StorageInternalError, SQLAlchemyError)
    if "grpc" in sys.modules:
        lost = (*lost, sys.modules["grpc"].RpcError)
    try:
        yield
    except lost as error:
        url = storage_url(sweep)
        raise RunFailed(
            f"storage {hide(url, url)}: {hide(_first_line(error.__cause__ or error), url)}; nothing is lost, the "
            "same command goes on when it answers again"
        ) from error


def _grpc(url: str) -> BaseStorage:
    address = re.fullmatch(r"grpc://([^/:]+|\[[^\]]+\]):(\d+)/?", url)
    if not address:
        raise InputError(f"storage: a gRPC proxy is grpc://HOST:PORT, got {hide(url, url)!r}")
    try:
        with experimental_optuna():
            storage = optuna.storages.GrpcStorageProxy(host=address[1], port=int(address[2]))
        storage.wait_server_ready(timeout=10)
    except ImportError as error:
        raise InputError(f"storage grpc: {_first_line(error)}; pip install 'atft[grpc]'") from error
    except ConnectionError as error:
        raise InputError(
            f"storage {url}: nothing answers within 10 s; start optuna.storages.run_grpc_proxy_server there"
        ) from error
    return storage


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
