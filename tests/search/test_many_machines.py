"""Storages that several machines share, each for real: a PostgreSQL server, and Optuna's gRPC proxy.

Two supervisors with two workers each stand for two machines that were given the same command.
"""

import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import optuna
import pytest

from atft.search.claim import finished, is_surplus
from atft.search.options import SweepOptions

SUPERVISE = """
import json, os, sys
from rich.console import Console
from atft.search.options import sweep_of
from atft.search.study import open_study
from atft.search.supervisor import Supervisor

sweep, command = sweep_of(sys.argv[1]), json.loads(sys.argv[2])
command[-1] = str(os.getpid())
sys.exit(Supervisor(sweep, open_study(sweep, create=False), command, Console()).run())
"""

PROXY = """
import sys
from optuna.storages import run_grpc_proxy_server
from atft.search.options import sweep_of
from atft.search.study import open_storage

run_grpc_proxy_server(open_storage(sweep_of(sys.argv[1])), host="localhost", port=int(sys.argv[2]))
"""

Make = Callable[..., SweepOptions]
Open = Callable[[SweepOptions], optuna.Study]
CommandOf = Callable[[SweepOptions, int], list[str]]


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("localhost", 0))
        return int(taken.getsockname()[1])


def answers(port: int) -> bool:
    with socket.socket() as knock:
        return knock.connect_ex(("localhost", port)) == 0


def until(true: Callable[[], object], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def postgres_url() -> Iterator[str]:
    """A PostgreSQL server of its own, from a Debian or pip package; skipped where there is none."""
    pytest.importorskip("psycopg", reason="no driver: pip install 'atft[postgres]'")
    found = shutil.which("initdb") or next(Path("/usr/lib/postgresql").glob("*/bin/initdb"), None)
    if found is None:
        pytest.skip("no PostgreSQL server on this machine: apt-get install postgresql")
    bin_folder = Path(found).resolve().parent
    user: dict[str, str] = {}
    if os.getuid() == 0:  # the server refuses to be root
        try:
            pwd.getpwnam("postgres")
        except KeyError:
            pytest.skip("PostgreSQL refuses to run as root, and there is no user postgres")
        user = {"user": "postgres"}
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    if user:
        shutil.chown(folder, "postgres")
    port, options = free_port(), {"cwd": folder, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    try:
        init = [bin_folder / "initdb", "-D", folder / "data", "-U", "sweep", "-A", "trust", "--no-sync"]
        subprocess.run(init, check=True, **options, **user)  # type: ignore[call-overload]
        serve = [bin_folder / "postgres", "-D", folder / "data", "-p", str(port), "-k", folder]
        with subprocess.Popen(serve, **options, **user) as server:  # type: ignore[call-overload]
            try:
                ask = [bin_folder / "pg_isready", "-q", "-h", "localhost", "-p", str(port)]
                until(lambda: subprocess.run(ask, check=False).returncode == 0)
                yield f"postgresql://sweep@localhost:{port}/postgres"
            finally:
                server.send_signal(signal.SIGINT)  # ends sessions, then the server
                server.wait()
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def proxy_url(toy_sweep: Make) -> Iterator[str]:
    """Optuna's gRPC proxy over an sqlite file, in a process of its own."""
    pytest.importorskip("grpc", reason="no gRPC: pip install 'atft[grpc]'")
    port = free_port()
    words = [sys.executable, "-c", PROXY, toy_sweep(study="served").as_json(), str(port)]
    with subprocess.Popen(words, stderr=subprocess.DEVNULL) as server:
        try:
            until(lambda: answers(port))
            yield f"grpc://localhost:{port}"
        finally:
            server.kill()
            server.wait()


def machine(sweep: SweepOptions, command: list[str]) -> subprocess.Popen[str]:
    words = [sys.executable, "-c", SUPERVISE, sweep.as_json(), json.dumps(command)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def search_with_two_machines(
    sweep: SweepOptions, study: optuna.Study, command: list[str], kill: bool
) -> None:
    """Run two supervisors to the end, killing a worker in between; the budget must be exact."""
    machines = [machine(sweep, command) for _ in range(2)]

    def running() -> list[optuna.trial.FrozenTrial]:
        return [t for t in study.trials if t.state.name == "RUNNING" and t.last_step is not None]

    if kill:
        until(running)
        for owner in [t.user_attrs["owner"]["pid"] for t in running()][:1]:
            os.kill(owner, signal.SIGKILL)
    for each in machines:
        said, _ = each.communicate(timeout=200)
        assert each.returncode == 0, said
    trials = study.trials
    assert len(finished(trials)) == sweep.n_trials
    assert not [t for t in trials if t.state.name in ("RUNNING", "WAITING")]
    retried = [t for t in finished(trials) if "retry_of" in t.user_attrs]
    assert len(retried) == kill
    assert len({t.user_attrs["owner"]["pid"] for t in trials if not is_surplus(t)}) >= 2


def test_two_machines_share_a_budget_over_postgresql(
    postgres_url: str, toy_sweep: Make, toy_study: Open, toy_command: CommandOf
) -> None:
    sweep = toy_sweep(storage=postgres_url, n_trials=8, workers=2, limits={"epochs": 10})
    search_with_two_machines(sweep, toy_study(sweep), toy_command(sweep, 0), kill=True)


def test_two_machines_share_a_budget_over_the_grpc_proxy(
    proxy_url: str, toy_sweep: Make, toy_study: Open, toy_command: CommandOf
) -> None:
    sweep = toy_sweep(storage=proxy_url, n_trials=8, workers=2, limits={"epochs": 10})
    search_with_two_machines(sweep, toy_study(sweep), toy_command(sweep, 0), kill=True)


def test_over_postgresql_a_trial_that_nobody_owns_is_found_after_the_grace_period(
    postgres_url: str, toy_sweep: Make, toy_study: Open
) -> None:
    from atft.search.reconcile import reconcile

    sweep = toy_sweep(storage=postgres_url, heartbeat_seconds=1, grace_seconds=2)
    study = toy_study(sweep)
    with pytest.warns(UserWarning, match="Heartbeat of storage"):
        trial = study.ask()
    study._storage.record_heartbeat(trial._trial_id)  # type: ignore[attr-defined]
    trial.set_user_attr("owner", {"host": "a machine that burnt down", "pid": 1, "started": 1})
    trial.set_user_attr("directory", "toy/trial_0")
    assert reconcile(study, 4, 1, patience=60).failed == []
    until(lambda: reconcile(study, 4, 1, patience=60).retried == [0], 20)
    assert [t.state.name for t in study.trials] == ["FAIL", "WAITING"]
