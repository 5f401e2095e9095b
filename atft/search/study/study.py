"""The study in its storage: where it lies, how it is opened, and what it says of itself.

Decides: sqlite in the study's own folder by default (60 s of patience with a locked file, heartbeats on),
PostgreSQL through psycopg, or Optuna's gRPC proxy, which knows no heartbeat. A stale trial only becomes FAIL
here: what is retried is decided in one place, by the reconciler, or each retry would come twice. What the study
is (`Identity`) stands in its user attributes, and whoever opens it with another is refused.
"""

import re
import sys
import time
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from atft.errors import InputError, RunFailed
from atft.search.question.credentials import hide
from atft.search.question.options import SweepOptions

if TYPE_CHECKING:
    import optuna

    from atft.search.question.frozen import Identity

LOCK_SECONDS = 60
HEARTBEAT_SECONDS, GRACE_SECONDS = 60, 120
"""Between two heartbeats that a worker writes to a database; and without one, after which its trial has crashed."""
ATTEMPTS = 5


def study_directory(sweep: SweepOptions) -> Path:
    """The study's folder: its trials, its files and, by default, its database."""
    return Path(sweep.root) / sweep.study


def storage_url(sweep: SweepOptions) -> str:
    """The database's URL as SQLAlchemy or gRPC takes it."""
    if sweep.storage is None:
        return f"sqlite:///{(study_directory(sweep) / 'study.db').resolve()}"
    return re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", sweep.storage)


def has_heartbeat(sweep: SweepOptions) -> bool:
    """Whether the storage notices a worker that died without a word; the gRPC proxy does not."""
    return not storage_url(sweep).startswith("grpc://")


def open_storage(sweep: SweepOptions, create: bool = True) -> "optuna.storages.BaseStorage":
    """Connect to the storage.

    Args:
        sweep: its storage.
        create: make the file of an sqlite database that is not there.

    Raises:
        InputError: nothing answers there, or a driver is not installed.
    """
    import optuna
    from sqlalchemy.exc import SQLAlchemyError

    from atft.search.study.sqlite_lock import one_at_a_time

    # What it would say of every trial, the sweep says in its own lines.
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    url = storage_url(sweep)
    kind = url.partition(":")[0]
    if kind == "grpc":
        return _grpc(url)
    options: dict[str, object] = {"pool_pre_ping": True}
    if kind == "sqlite":
        options = {"connect_args": {"timeout": LOCK_SECONDS}}
        _sqlite_file(url, create)
    for attempt in range(ATTEMPTS):
        try:
            with warnings.catch_warnings():
                # Optuna marks its heartbeat as experimental; it is what tells a dead worker from a slow one.
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                storage = optuna.storages.RDBStorage(
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
            if attempt + 1 < ATTEMPTS and re.search("already exists|UNIQUE|duplicate key", str(error)):
                time.sleep(0.2 * (attempt + 1))
                continue
            raise InputError(
                f"storage {hide(url, url)}: {hide(_first_line(error), url)}; check that the database exists and "
                "you may access it"
            ) from error
    one_at_a_time(storage)
    return storage


@contextmanager
def while_storage_answers(sweep: SweepOptions) -> Iterator[None]:
    """End in one line what is done inside when the database is lost on the way: a restart, a network, a full disk.

    Raises:
        RunFailed: the storage refused or did not answer.
    """
    import optuna
    from sqlalchemy.exc import SQLAlchemyError

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


def open_study(
    sweep: SweepOptions, create: bool = True, identity: "Identity | None" = None, worker: int = 0
) -> "optuna.Study":
    """Open the sweep's study, made first where it is missing.

    Args:
        sweep: what the study is of.
        create: make it, check that it asks the same question, and enqueue the points it does not know; False
            only opens what is there and trusts it, which takes no look at the base config.
        identity: what the study's values depend on, where it is known already; else it is worked out.
        worker: index of the process on its machine; its sampler draws its own stream.

    Raises:
        InputError: there is no such study, or it asks another question; the difference is printed first.
    """
    import optuna

    from atft.search.study.sampling import enqueue_points, make_pruner, make_sampler

    if create and identity is None:
        from atft.search.question.frozen import identify

        identity = identify(sweep)
    storage = open_storage(sweep, create)
    pruner = make_pruner(sweep)
    if not create:
        try:
            study = optuna.load_study(study_name=sweep.study, storage=storage, pruner=pruner)
        except KeyError as error:
            url = storage_url(sweep)
            raise InputError(f"no study {sweep.study!r} in {hide(url, url)}; start it first") from error
    else:
        study = optuna.create_study(
            study_name=sweep.study,
            storage=storage,
            direction=sweep.direction,
            pruner=pruner,
            load_if_exists=True,
        )
        assert identity is not None
        _take_identity(study, sweep, identity)
        enqueue_points(study, sweep.enqueue)
    study.sampler = make_sampler(sweep, len(study.get_trials(deepcopy=False)), worker)
    return study


def _take_identity(study: "optuna.Study", sweep: SweepOptions, identity: "Identity") -> None:
    from atft.search.question.frozen import Identity, check_same

    held = study.user_attrs
    if "study_id" not in held and study.get_trials(deepcopy=False):
        raise InputError(
            f"study {sweep.study}: its database holds trials that no sweep made; give the sweep another name"
        )
    if "study_id" in held:
        try:
            check_same(sweep.study, Identity(**held["identity"]), identity)
        except InputError as error:
            print("\n".join(error.__notes__), file=sys.stderr)  # noqa: T201
            raise
    describe(study, sweep, identity)
    if "study_id" not in held:
        # Last: a study with an id says everything of itself.
        study.set_user_attr("study_id", uuid.uuid4().hex[:16])


def describe(study: "optuna.Study", sweep: SweepOptions, identity: "Identity") -> None:
    """Write into a study's attributes what its values depend on, and the budget that was asked for last.

    The budget, ``n_trials``, is what status and report count against: the command line may have changed it.
    """
    study.set_user_attr("identity", asdict(identity))
    study.set_user_attr("config_digest", identity.config_digest)
    study.set_user_attr("data_digest", identity.data_digest)
    # Without its storage: the URL may hold a password, and this is read from that storage.
    study.set_user_attr("sweep", replace(sweep, storage=None).as_json())
    study.set_user_attr("n_trials", sweep.n_trials)


def _sqlite_file(url: str, create: bool) -> None:
    path = Path(re.sub(r"^sqlite(\+\w+)?:///", "", url).partition("?")[0])
    if create:
        path.parent.mkdir(parents=True, exist_ok=True)
    elif not path.is_file():
        raise InputError(f"no study at {path}; start it first, or make it again with rebuild if it was lost")


def _grpc(url: str) -> "optuna.storages.BaseStorage":
    import optuna

    found = re.fullmatch(r"grpc://([^/:]+|\[[^\]]+\]):(\d+)/?", url)
    if not found:
        raise InputError(f"storage: a gRPC proxy is grpc://HOST:PORT, got {hide(url, url)!r}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            storage = optuna.storages.GrpcStorageProxy(host=found[1], port=int(found[2]))
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
