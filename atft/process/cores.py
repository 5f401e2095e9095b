"""The cores that this process may use, and those that no other program uses now.

A container sees all cores of its machine and has a quota of their time (`docker run --cpus 2`, a limit of
Kubernetes). Threads beyond the quota spend it early, and then all of them stand still for the rest of a tenth of a
second.
"""

import math
import os
import time
from pathlib import Path

SYSTEM = Path("/")
FIRST_READINGS, READINGS, BETWEEN_S = 5, 25, 0.002


def core_count() -> int:
    """Cores that this process may keep busy: those it may run on, or fewer by a container's quota; at least 1."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    return max(1, math.floor(min(cores, quota_cores())))


def quota_cores(system: Path = SYSTEM) -> float:
    """The time that Linux grants the control groups of this process, in cores; infinity without a limit."""
    quotas = [math.inf]
    for line in _read(system / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        group = system / "sys/fs/cgroup" / ("cpu" if controllers else "")
        # Limits of the groups above hold too. Inside a container the path may be that of the machine around it:
        # then its own group is the first.
        for part in (".", *Path(path).parts[1:]):
            group /= part
            if controllers:
                names = ("cpu.cfs_quota_us", "cpu.cfs_period_us")
                limit = [_read(group / name).strip() for name in names]
            else:
                limit = _read(group / "cpu.max").split()
            if len(limit) == 2 and all(number.isdecimal() for number in limit):  # max and -1 are no limit
                quotas.append(int(limit[0]) / int(limit[1]))
    return min(quotas)


def spare_cores(system: Path = SYSTEM) -> int:
    """Cores of the machine that no other program uses now; all of them where it does not say.

    Where nothing else runs it takes 8 ms. Else the median of 50 ms counts: a program that computes runs all along,
    one that ends, or a moment of the system's own, does not. Of the machine: inside a container Linux counts what
    runs in others too, and gives each the cores that are free.
    """
    others = [_others(system)]
    while len(others) < READINGS and (len(others) < FIRST_READINGS or any(others)):
        time.sleep(BETWEEN_S)
        others.append(_others(system))
    return max(0, (os.cpu_count() or 1) - sorted(others)[len(others) // 2])


def _others(system: Path) -> int:
    """Threads that run or could run now, beside this one."""
    fields = _read(system / "proc/loadavg").split()
    return max(0, int(fields[3].partition("/")[0]) - 1) if len(fields) > 3 else 0


def _read(path: Path) -> str:
    """A file of the system; empty where there is none."""
    try:
        return path.read_text()
    except OSError:
        return ""
