"""A worker that dies or is stopped is one line, whatever it was waited for."""

import os
import signal
from collections.abc import Callable
from multiprocessing.process import BaseProcess

import pytest

from atft.data.block_plan import BlockSampler
from atft.data.blocks import DayBlocks
from atft.data.cache import DayCache
from atft.data.loader import make_loader
from atft.data.workers import lost_workers, waited_for
from atft.errors import WorkerLost


# torch raises where a signal finds the main thread, in a destructor too, and then finds the death once more.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    ("number", "seconds", "said"),
    [
        (signal.SIGSTOP, 1, "no block came from the workers in 1 s"),
        (signal.SIGKILL, 600, "a worker has died"),
    ],
)
def test_a_worker_that_is_stopped_or_killed_ends_the_pass_and_is_gone(
    number: signal.Signals, seconds: float, said: str, make_cache: Callable[..., DayCache]
) -> None:
    cache = make_cache()
    sampler = BlockSampler(range(20, 70), cache.manifest.universe_rows, 4, 60, seed=1)
    loader = make_loader(DayBlocks(cache, 10), sampler, num_workers=1)
    passing = iter(loader)
    next(passing)
    (worker,) = loader._iterator._workers
    loader.timeout_seconds = seconds  # from here on: the start of a worker takes what it takes
    with pytest.raises(WorkerLost, match=said), lost_workers():
        os.kill(worker.pid, number)
        list(passing)
    worker.join(60)
    assert worker.exitcode == -signal.SIGKILL


class Process(BaseProcess):
    """One that is asked nothing."""


@pytest.mark.parametrize("error", [EOFError(), ConnectionRefusedError("111")])
def test_a_socket_that_a_dead_worker_has_left_is_the_same_fault(error: Exception) -> None:
    with pytest.raises(WorkerLost, match="a worker has died"), waited_for([Process()], 60):
        raise error


def test_another_error_stays_what_it_is() -> None:
    with pytest.raises(RuntimeError, match="out of luck") as raised, lost_workers():
        raise RuntimeError("out of luck")
    assert type(raised.value) is RuntimeError


def test_without_workers_nothing_is_timed() -> None:
    with pytest.raises(EOFError), waited_for((), 1):
        raise EOFError
