"""Thread caps: set before the pools exist, they hold in this process and in its children."""

import os
import subprocess
import sys

import polars as pl
import pytest
import torch

from atft.process.cores import core_count
from atft.process.threads import POOLS, SPIN_COUNT, SPIN_TURNS, WAIT_POLICY, cap_threads, pool_threads

SCRIPT = """
import sys
from atft.process.threads import cap_threads
cap_threads(1)
assert not {"torch", "numpy", "polars"} & set(sys.modules), "the caps come before the heavy imports"
import subprocess
import polars, torch
child = "import torch; print(torch.get_num_threads())"
print(torch.get_num_threads(), polars.thread_pool_size(), flush=True)
subprocess.run([sys.executable, "-W", "ignore", "-c", child], check=True)
"""


def test_caps_hold_in_the_process_and_in_its_children() -> None:
    environment = {k: v for k, v in os.environ.items() if k not in POOLS}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["1", "1", "1"]


def without_policy(monkeypatch: pytest.MonkeyPatch, spare: int) -> None:
    """A program without a policy of its own, on a machine with some cores that others do not use."""
    for name in (*POOLS, WAIT_POLICY, SPIN_COUNT):
        monkeypatch.setenv(name, "1")
    monkeypatch.delenv(WAIT_POLICY)
    monkeypatch.delenv(SPIN_COUNT)
    monkeypatch.setattr("atft.process.threads.spare_cores", lambda: spare)


@pytest.mark.parametrize(
    ("threads", "spare", "turns"), [(4, 4, "3000"), (4, 3, None), (2, 8, "3000"), (1, 0, None)]
)
def test_waiting_threads_spin_before_they_sleep_where_no_other_program_needs_their_cores(
    monkeypatch: pytest.MonkeyPatch, threads: int, spare: int, turns: str | None
) -> None:
    without_policy(monkeypatch, spare)
    cap_threads(threads)
    assert (os.environ[WAIT_POLICY], os.environ.get(SPIN_COUNT)) == ("PASSIVE", turns)


def test_a_policy_of_the_environment_stays_and_so_does_its_number_of_turns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    without_policy(monkeypatch, spare=4)
    monkeypatch.setenv(WAIT_POLICY, "ACTIVE")
    cap_threads(1)
    assert (os.environ[WAIT_POLICY], os.environ.get(SPIN_COUNT)) == ("ACTIVE", None)
    monkeypatch.delenv(WAIT_POLICY)
    monkeypatch.setenv(SPIN_COUNT, "7")
    cap_threads(1)
    assert (os.environ[WAIT_POLICY], os.environ[SPIN_COUNT]) == ("PASSIVE", "7")


@pytest.mark.skipif(sys.platform != "linux", reason="torch brings GNU's OpenMP on Linux only")
def test_the_openmp_of_torch_takes_the_wait_policy_and_the_turns() -> None:
    script = (
        "from atft.process import threads as t; t.spare_cores = lambda: 1; t.cap_threads(1); import torch"
    )
    unset = {k: v for k, v in os.environ.items() if k not in (*POOLS, WAIT_POLICY, SPIN_COUNT)}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        capture_output=True,
        text=True,
        env={**unset, "OMP_DISPLAY_ENV": "verbose"},
        check=True,
    )
    assert "OMP_WAIT_POLICY = 'PASSIVE'" in done.stderr
    assert f"GOMP_SPINCOUNT = '{SPIN_TURNS}'" in done.stderr


def test_fewer_than_one_thread_raises() -> None:
    with pytest.raises(ValueError, match="threads must be at least 1, got 0"):
        cap_threads(0)


def test_a_pool_of_our_own_has_as_many_threads_as_the_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    for cap, threads in (("3", 3), ("", core_count()), ("0", core_count()), ("many", core_count())):
        monkeypatch.setenv("OMP_NUM_THREADS", cap)
        assert pool_threads() == threads


def test_a_process_of_the_tests_computes_on_one_thread() -> None:
    assert (torch.get_num_threads(), pl.thread_pool_size()) == (1, 1)
