"""Cores: affinity and a container's quota, from files as Linux writes them; programs that compute beside."""

import math
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from atft.process import cores
from atft.process.cores import core_count, quota_cores, spare_cores

V2, V1 = "0::/user.slice/job\n", "9:name=systemd:/\n3:cpu,cpuacct:/docker/ab\n0::/\n"


def system(root: Path, files: dict[str, str]) -> Path:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return root


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({}, math.inf),
        ({"proc/self/cgroup": V2}, math.inf),
        ({"proc/self/cgroup": V2, "sys/fs/cgroup/user.slice/job/cpu.max": "max 100000\n"}, math.inf),
        ({"proc/self/cgroup": V2, "sys/fs/cgroup/user.slice/job/cpu.max": "150000 100000\n"}, 1.5),
        ({"proc/self/cgroup": V2, "sys/fs/cgroup/cpu.max": "400000 100000\n"}, 4),
        (
            {
                "proc/self/cgroup": V2,
                "sys/fs/cgroup/user.slice/job/cpu.max": "800000 100000\n",
                "sys/fs/cgroup/user.slice/cpu.max": "200000 100000\n",
            },
            2,
        ),
        (
            {
                "proc/self/cgroup": V1,
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "300000\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            3,
        ),
        (
            {
                "proc/self/cgroup": V1,
                "sys/fs/cgroup/cpu/docker/ab/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu/docker/ab/cpu.cfs_period_us": "100000\n",
            },
            math.inf,
        ),
    ],
    ids=[
        "no Linux",
        "no file",
        "max",
        "v2",
        "v2 of a container",
        "the least of two groups",
        "v1",
        "v1 without",
    ],
)
def test_the_quota_is_the_least_of_the_groups_of_the_process(
    tmp_path: Path, files: dict[str, str], cores: float
) -> None:
    assert quota_cores(system(tmp_path, files)) == cores


@pytest.mark.parametrize(("quota", "cores"), [(math.inf, 8), (20, 8), (2.9, 2), (0.5, 1)])
def test_cores_are_those_of_the_process_or_fewer_by_the_quota_but_one(
    monkeypatch: pytest.MonkeyPatch, quota: float, cores: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr("atft.process.cores.quota_cores", lambda: quota)
    assert core_count() == cores


def test_the_cores_counted_are_those_that_this_process_may_use() -> None:
    assert 1 <= core_count() <= (os.cpu_count() or 1)


@pytest.mark.parametrize(("running", "spare"), [(0, 8), (1, 8), (6, 3), (9, 0), (20, 0)])
def test_spare_cores_are_the_machines_less_what_runs_beside_this_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, running: int, spare: int
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    assert spare_cores(system(tmp_path, {"proc/loadavg": f"0.5 0.4 0.3 {running}/123 4567\n"})) == spare


@pytest.mark.parametrize(
    ("readings", "spare"),
    [
        ([1] * 5, 8),
        ([3] * 12 + [1] * 13, 8),  # a program that ends
        ([1, 1, 3, 1, 1] * 5, 8),  # moments of the system's own
        ([1] + [3] * 24, 6),
        ([3, 3, 1, 3, 3] * 5, 6),  # a program that waits now and then
    ],
)
def test_a_moment_is_no_program(monkeypatch: pytest.MonkeyPatch, readings: list[int], spare: int) -> None:
    left = iter(readings)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.setattr(cores, "_read", lambda _: f"0.5 0.4 0.3 {next(left)}/123 4567\n")
    assert spare_cores() == spare
    assert next(left, None) is None


def test_all_cores_are_spare_where_the_system_does_not_say(tmp_path: Path) -> None:
    assert spare_cores(tmp_path) == (os.cpu_count() or 1)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not say")
def test_a_program_that_computes_is_seen() -> None:
    program = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        until = time.monotonic() + 60
        while spare_cores() == os.cpu_count() and time.monotonic() < until:
            pass
        left = spare_cores()
    finally:
        program.kill()
        program.wait()
    assert left < (os.cpu_count() or 1)
