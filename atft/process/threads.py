"""Thread caps: variables of the environment, written before any heavy import.

Polars, OpenMP and MKL read these once, when they are loaded, and spawned loader workers inherit them.
Two pools of as many threads as there are cores make each other several times slower. So do the threads of one
OpenMP pool that wait for the last of them: by default they spin on cores that another program needs. To sleep at
once is slow too, since a step is hundreds of small operations and waking a thread for each costs as much as some of
them. So a waiting thread spins for a moment, then sleeps; where other programs compute when the pools are made, it
sleeps at once: the time that it spins is taken from its share of the cores (EXPERIMENTS.md, "Spinning threads").
"""

import os

from atft.process.cores import core_count, spare_cores

WAIT_POLICY, SPIN_COUNT = "OMP_WAIT_POLICY", "GOMP_SPINCOUNT"
SPIN_TURNS = 3000
"""Turns of a waiting thread before it sleeps, 50 to 150 microseconds; read by GNU's OpenMP, torch's on Linux."""
POOLS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS")


def pool_threads() -> int:
    """Threads that a pool of our own may use: the cap, or the cores where there is none."""
    cap = os.environ.get(POOLS[0], "")
    return int(cap) if cap.isdecimal() and int(cap) > 0 else core_count()


def cap_threads(count: int) -> None:
    """Let every numerical pool of this process and its children use at most ``count`` threads, and sleep when idle.

    A thread spins before it sleeps where the cores have room for all of them beside other programs. A wait policy
    that the environment has already is left alone, and so is its number of turns.

    Raises:
        ValueError: ``count`` is below 1.
    """
    if count < 1:
        raise ValueError(f"threads must be at least 1, got {count}")
    os.environ.update(dict.fromkeys(POOLS, str(count)))
    if WAIT_POLICY not in os.environ:
        os.environ[WAIT_POLICY] = "PASSIVE"
        if count <= spare_cores():
            os.environ.setdefault(SPIN_COUNT, str(SPIN_TURNS))
