import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from multiprocessing.process import BaseProcess

import pytest
import torch
from torch.utils.data import DataLoader

from atft.batch import DayBatch
from atft.data.block_plan import BlockSampler
from atft.data.blocks import DayBlocks
from atft.data.cache import DayCache
from atft.data.loader import BlockLoader, LoaderOptions, WorkerWatch, lost_workers
from atft.errors import InputError, WorkerLost

Make = Callable[..., DayCache]


def _loader(cache: DayCache, num_workers: int = 0) -> BlockLoader:
    sampler = BlockSampler(range(20, 70), cache.manifest.universe_rows, 4, 60, seed=1)
    return BlockLoader(DayBlocks(cache, 10), sampler, num_workers)


def _rows(batches: list[DayBatch]) -> Counter[tuple[int, int]]:
    return Counter(
        (int(b.day[d]), int(b.stock[s])) for b in batches for d, s in b.universe.nonzero().tolist()
    )


def _same(a: DayBatch, b: DayBatch) -> bool:
    torch.testing.assert_close(tuple(a), tuple(b), rtol=0, atol=0, equal_nan=True)
    return True


def test_two_spawned_workers_deliver_each_planned_row_once_and_the_tensors_of_none(make_cache: Make) -> None:
    cache = make_cache()
    alone, helped = _loader(cache), _loader(cache, num_workers=2)
    for epoch in range(2):
        alone.plan.set_epoch(epoch)
        helped.plan.set_epoch(epoch)
        want, got = list(alone), list(helped)
        assert len(got) == len(want) == len(helped.plan)
        assert all(_same(a, b) for a, b in zip(want, got, strict=True))
        planned = Counter((day, stock) for day in range(20, 70) for stock in cache.day(day).ranked.tolist())
        assert _rows(got) == planned
        assert sum(planned.values()) == sum(b.rows for b in helped.plan.plan())


def test_a_worker_imports_nothing_heavy() -> None:
    code = (
        "import sys, atft.data.loader, atft.data.blocks, atft.data.split, atft.data.scaling; "
        "print([m for m in ('lightning', 'polars', 'torch_geometric', 'jsonargparse') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_workers_are_spawned(make_cache: Make) -> None:
    assert _loader(make_cache(), num_workers=1).multiprocessing_context.get_start_method() == "spawn"


@pytest.mark.parametrize(
    "options",
    [{"lookback": 0}, {"block_days": 0}, {"batch_size": 3}, {"num_workers": -1}],
)
def test_sizes_out_of_range_raise(options: dict[str, int]) -> None:
    with pytest.raises(InputError, match=f"loader.{next(iter(options))}"):
        LoaderOptions(**options)


def test_reading_draws_nothing_from_the_global_stream(make_cache: Make) -> None:
    loader = _loader(make_cache())
    torch.manual_seed(0)
    want = torch.rand(3)
    torch.manual_seed(0)
    list(loader)
    assert torch.equal(torch.rand(3), want)


def test_a_pass_goes_on_where_its_state_was_taken(make_cache: Make) -> None:
    cache = make_cache()
    loader = _loader(cache)
    loader.plan.set_epoch(3)
    seen, state = [], {}
    # As Lightning does where a loader has no length: one block is read ahead of the one that is trained on.
    passing = iter(loader)
    ahead = next(passing)
    while ahead is not None:
        current, ahead = ahead, next(passing, None)
        seen.append(current)
        if len(seen) == 2:
            state = loader.state_dict()
    steps = sum(block.closes_step for block in loader.plan.plan()[:2])
    assert state == {"epoch": 3, "done": 2, "steps": steps}
    assert loader.state_dict() == {"epoch": 4, "done": 0, "steps": 0}
    resumed = _loader(cache)
    resumed.load_state_dict(state)
    rest = list(resumed)
    assert all(_same(a, b) for a, b in zip(seen[2:], rest, strict=True))
    assert len(list(resumed)) == len(seen)


def test_a_pass_that_is_broken_off_starts_again(make_cache: Make) -> None:
    loader = _loader(make_cache())
    loader.load_state_dict({"epoch": 0, "done": 2})
    passing = iter(loader)
    next(passing)
    del passing
    assert len(list(loader)) == len(loader.plan)


def test_a_loader_has_no_length_since_it_changes_with_the_epoch(make_cache: Make) -> None:
    with pytest.raises(TypeError, match=r"len\(loader.plan\)"):
        len(_loader(make_cache()))


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
    number: signal.Signals, seconds: float, said: str, make_cache: Make
) -> None:
    loader = _loader(make_cache(), num_workers=1)
    passing = iter(loader)
    next(passing)
    (worker,) = loader._iterator._workers
    loader.timeout_seconds = seconds  # from here on: the start of a worker takes what it takes
    with pytest.raises(WorkerLost, match=said), lost_workers():
        os.kill(worker.pid, number)
        list(passing)
    worker.join(60)
    assert worker.exitcode == -signal.SIGKILL


def test_ctrl_c_does_not_reach_a_worker_while_it_starts(
    make_cache: Make, capfd: pytest.CaptureFixture[str]
) -> None:
    loader = _loader(make_cache(), num_workers=1)
    blocks = loader._read()
    stream = DataLoader.__iter__

    def started(self: BlockLoader) -> Iterator[DayBatch]:
        read = stream(self)
        for worker in read._workers:
            os.kill(worker.pid, signal.SIGINT)
        return read

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(DataLoader, "__iter__", started)
        got = list(blocks)
    assert len(got) == len(loader.plan) and capfd.readouterr().err == ""


def test_a_worker_does_not_run_the_program_that_started_it(
    make_cache: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    main = sys.modules["__main__"]
    monkeypatch.setattr(main, "__file__", "<stdin>", raising=False)  # as of `python -`: no file to run
    monkeypatch.setattr(main, "__spec__", None)
    loader = _loader(make_cache(), num_workers=1)
    assert len(list(loader)) == len(loader.plan)
    assert sys.modules["__main__"] is main


def test_what_a_worker_cannot_read_is_the_error_of_this_process(make_cache: Make) -> None:
    cache = make_cache()
    record = cache.manifest.files["days"]
    path = cache.path / record.name
    content = bytearray(path.read_bytes())
    content[record.offsets[40] + 200] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(record.mtime_ns, record.mtime_ns))  # else it is compared whole when it is opened
    texts = []
    for num_workers in (0, 1):
        with pytest.raises(InputError, match=r"record 40 is damaged .*; delete its folder") as caught:
            list(_loader(DayCache(cache.path), num_workers))
        texts.append(str(caught.value))
    assert texts[0] == texts[1]


class Process(BaseProcess):
    """One that is asked nothing."""


@pytest.mark.parametrize("error", [EOFError(), ConnectionRefusedError("111")])
def test_a_socket_that_a_dead_worker_has_left_is_the_same_fault(error: Exception) -> None:
    watch = WorkerWatch([Process()])
    with pytest.raises(WorkerLost, match="a worker has died"), watch.waiting(60):
        raise error
    watch.end()


def test_another_error_stays_what_it_is() -> None:
    with pytest.raises(RuntimeError, match="out of luck") as raised, lost_workers():
        raise RuntimeError("out of luck")
    assert type(raised.value) is RuntimeError


def _watches() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "worker-watch"]


@pytest.mark.parametrize("workers", [0, 1])
def test_one_thread_watches_the_workers_of_a_pass_until_it_ends(workers: int, make_cache: Make) -> None:
    before = set(_watches())
    passing = iter(_loader(make_cache(), num_workers=workers))
    next(passing)
    watches = set(_watches()) - before
    assert len(watches) == workers
    list(passing)
    for watch in watches:
        watch.join(60)
        assert not watch.is_alive()


def test_the_time_between_two_blocks_is_not_a_wait_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("atft.data.loader.WATCH_SECONDS", 0.01)
    watch = WorkerWatch([Process()])
    with watch.waiting(0.05):
        pass
    time.sleep(0.3)
    assert not watch.given_up.is_set()
    watch.end()
