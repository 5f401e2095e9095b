"""Storages that several machines share, each for real: a PostgreSQL server, and Optuna's gRPC proxy.

Two supervisors with two workers each stand for two machines that were given the same command. A server may crash
under them and come back.
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
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch

from atft.search.question.frozen import identify
from atft.search.question.options import SweepOptions, read_sweep
from atft.search.study.outcome import finished, is_surplus
from atft.search.study.study import begin_study
from toy_machine import machine, running, until

DOOR = Path(__file__).parents[2] / "hpo" / "sweep.py"

PROXY = """
import sys
from optuna.storages import run_grpc_proxy_server
from atft.search.question.options import sweep_of
from atft.search.study.storage import open_storage

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


class Postgres:
    """A server whose data lies in a folder of its own.

    Args:
        programs: folder of ``initdb`` and ``postgres``.
        folder: of its data and its socket.
        user: keyword of subprocess for a server that must not run as this test does.
    """

    def __init__(self, programs: Path, folder: Path, user: dict[str, str]) -> None:
        self.programs, self.folder, self.port = programs, folder, free_port()
        silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.options: dict[str, Any] = {"cwd": folder, **silent, **user}
        init = [programs / "initdb", "-D", folder / "data", "-U", "sweep", "-A", "trust", "--no-sync"]
        subprocess.run(init, check=True, **self.options)
        self.url = f"postgresql://sweep@localhost:{self.port}/postgres"
        self.start()

    def start(self) -> None:
        where = ["-D", self.folder / "data", "-p", str(self.port), "-k", self.folder]
        self.process = subprocess.Popen([self.programs / "postgres", *where], **self.options)
        ask = [self.programs / "pg_isready", "-q", "-h", "localhost", "-p", str(self.port)]
        until(lambda: subprocess.run(ask, check=False).returncode == 0)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End it: SIGINT ends its sessions first, SIGQUIT leaves everything as a crash would."""
        self.process.send_signal(how)
        self.process.wait()


@pytest.fixture
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server from a Debian or pip package; skipped where there is none."""
    pytest.importorskip("psycopg", reason="no driver: pip install 'atft[postgres]'")
    found = shutil.which("initdb") or next(Path("/usr/lib/postgresql").glob("*/bin/initdb"), None)
    if found is None:
        pytest.skip("no PostgreSQL server on this machine: apt-get install postgresql")
    user: dict[str, str] = {}
    if os.getuid() == 0:  # the server refuses to be root
        try:
            pwd.getpwnam("postgres")
        except KeyError:
            pytest.skip("PostgreSQL refuses to run as root, and there is no user postgres")
        user = {"user": "postgres"}
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    try:
        if user:
            shutil.chown(folder, "postgres")
        server = Postgres(Path(found).resolve().parent, folder, user)
        try:
            yield server
        finally:
            server.stop()
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


def search_with_two_machines(
    sweep: SweepOptions, study: optuna.Study, command: list[str], kill: bool
) -> None:
    """Run two supervisors to the end, killing a worker in between; the budget must be exact."""
    machines = [machine(sweep, command) for _ in range(2)]
    if kill:
        until(lambda: running(study))
        for owner in [t.user_attrs["owner"]["pid"] for t in running(study)][:1]:
            os.kill(owner, signal.SIGKILL)
    for each in machines:
        said, _ = each.communicate()
        assert each.returncode == 0, said
    trials = study.trials
    assert len(finished(trials)) == sweep.n_trials
    assert not [t for t in trials if t.state.name in ("RUNNING", "WAITING")]
    retried = [t for t in finished(trials) if "retry_of" in t.user_attrs]
    assert len(retried) == kill
    assert len({t.user_attrs["owner"]["pid"] for t in trials if not is_surplus(t)}) >= 2


@pytest.mark.slow
def test_two_machines_share_a_budget_over_postgresql(
    postgres: Postgres, toy_sweep: Make, toy_study: Open, toy_command: CommandOf
) -> None:
    sweep = toy_sweep(storage=postgres.url, n_trials=8, workers=2, limits={"epochs": 10})
    search_with_two_machines(sweep, toy_study(sweep), toy_command(sweep, 0), kill=True)


@pytest.mark.slow
def test_two_machines_share_a_budget_over_the_grpc_proxy(
    proxy_url: str, toy_sweep: Make, toy_study: Open, toy_command: CommandOf
) -> None:
    sweep = toy_sweep(storage=proxy_url, n_trials=8, workers=2, limits={"epochs": 10})
    search_with_two_machines(sweep, toy_study(sweep), toy_command(sweep, 0), kill=True)


def test_over_postgresql_an_orphaned_trial_is_found_after_the_grace_period(
    postgres: Postgres, toy_sweep: Make, toy_study: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    from atft.search.study.reconcile import reconcile

    monkeypatch.setattr("atft.search.study.storage.HEARTBEAT_SECONDS", 1)
    monkeypatch.setattr("atft.search.study.storage.GRACE_SECONDS", 2)
    sweep = toy_sweep(storage=postgres.url)
    study = toy_study(sweep)
    with pytest.warns(UserWarning, match="Heartbeat of storage"):
        trial = study.ask()
    study._storage.record_heartbeat(trial._trial_id)  # type: ignore[attr-defined]
    trial.set_user_attr("owner", {"host": "a machine that burnt down", "pid": 1, "started": 1})
    trial.set_user_attr("directory", "toy/trial_0")
    assert reconcile(study, 4, 1, patience=60)[0] == []
    until(lambda: reconcile(study, 4, 1, patience=60)[1] == [0])
    assert [t.state.name for t in study.trials] == ["FAIL", "WAITING"]


@pytest.mark.slow
def test_a_sweep_whose_database_crashes_ends_in_a_line_and_the_same_command_goes_on(
    postgres: Postgres, write_sweep: Callable[..., Path], own_config: Path
) -> None:
    path = write_sweep(n_trials=2, workers=1, storage=postgres.url, limits={"epochs": 4}, max_retry=1)
    sweep = read_sweep(path)
    study = begin_study(sweep, identify(sweep))  # made before its first start, which spares the preflight
    command = [sys.executable, str(DOOR), "--config", str(path)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as first:
        until(lambda: any(t.state.name == "RUNNING" and t.last_step for t in study.trials))
        postgres.stop(signal.SIGQUIT)
        _, said = first.communicate()
    assert first.returncode == 1, said
    told = [line for line in said.splitlines() if "error" in line]
    assert len(told) == 1 and "Traceback" not in said, said
    assert told[0].startswith("atft: error: storage postgresql+psycopg://sweep@localhost"), said
    assert told[0].endswith("nothing is lost, the same command goes on when it answers again")
    postgres.start()
    second = subprocess.run(command, capture_output=True, text=True, check=False)
    assert second.returncode == 0, second.stderr
    trials = study.trials
    assert len(finished(trials)) == 2
    assert not [t for t in trials if t.state.name in ("RUNNING", "WAITING")]
    again = [t for t in finished(trials) if "retry_of" in t.user_attrs]
    assert again, "no trial of those that the crash cut off was taken up again"
    for trial in again:
        receipt = json.loads((Path(sweep.root) / trial.user_attrs["directory"] / "receipt.json").read_text())
        assert receipt["retried_from"].endswith(f"trial_{trial.user_attrs['retry_of']}")
    for trial in finished(trials):
        torch.load(Path(sweep.root) / trial.user_attrs["directory"] / "best_model.ckpt", weights_only=True)
    study._storage._backend.engine.dispose()  # type: ignore[attr-defined]
