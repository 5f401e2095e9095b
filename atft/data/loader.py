"""Blocks as a stream: a `DataLoader` whose workers are spawned, light and single-threaded.

Assembling a block is a copy of some megabytes, so on a few cores the main process does it faster than a worker
can hand it over: no workers is the default. Workers are spawned: forked ones inherit the locks of threads that do
not exist in them (Arrow's, Polars', torch's) and hang.

A worker that dies or is stopped ends the run in one line. torch's own timeout watches its queue only: of a block
that a worker has queued, the memory is fetched from that worker over a socket, where a stopped process keeps its
reader waiting. Here the workers are killed when a block takes too long, which ends either wait.
"""

import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from math import inf
from multiprocessing import resource_tracker
from multiprocessing.process import BaseProcess
from threading import Event, Thread
from time import monotonic
from types import ModuleType
from typing import Any

import torch
from torch.utils.data import DataLoader

from atft.batch import DayBatch
from atft.data.block_plan import BlockSampler
from atft.data.blocks import DayBlocks
from atft.data.residency import PanelMemory, Residency
from atft.data.shared_buffers import SharedBuffers
from atft.errors import InputError, WorkerLost, one_line
from atft.option_types import check_least, check_option_types

PREFETCH_BLOCKS = 4
"""Blocks that each worker reads ahead."""
USED_BLOCKS = 3
"""Blocks that the main process uses at once: one in the step, one ahead of it, and one that is received."""
ROOM_FOR_JOINERS = 1.1
"""Stocks in the days of a block, over those in its largest day, for which a shared buffer has room."""
BLOCK_TIMEOUT_SECONDS = 300.0
"""Longest wait for a worker's next block, before the run fails."""
WATCH_SECONDS = 1.0
"""Time between two looks at whether that is over."""


@dataclass(frozen=True)
class LoaderOptions:
    """How days are read, and how many make an optimiser step.

    Args:
        lookback: days of history that each day reads, itself included.
        block_days: consecutive days that are read together; fewer if a block would exceed the step. With
            block_days 1 and lookback 1, training reads all days of a step together, wherever they are.
        batch_size: stock-days per optimiser step over all devices, reached by accumulating blocks.
        num_workers: processes that read ahead; 0 reads in the main process. None are needed if the panel is in
            device memory.
        residency: where the panel is. ``device``: in the memory of the device that trains; ``pinned``: copied from
            pinned host memory while the step before runs; ``host``: read from the cache; ``auto``: on a CUDA device
            the first of these that fits, elsewhere ``host``.
    """

    lookback: int = 60
    block_days: int = 4
    batch_size: int = 8192
    num_workers: int = 0
    residency: Residency = "auto"

    def __post_init__(self) -> None:
        check_option_types("data.loader", self)
        check_least("data.loader.", self, lookback=1, block_days=1, batch_size=4, num_workers=0)

    @property
    def joins_days(self) -> bool:
        """Whether the days of a step are trained on as one block: they share no history, nor anything else."""
        return self.lookback == 1 and self.block_days == 1


def unchanged(batch: Any) -> Any:
    """Pass a block through: it is already a batch."""
    return batch


@contextmanager
def lost_workers() -> Iterator[None]:
    """Turn torch's error about a dead worker, which it may raise anywhere in the main thread, into `WorkerLost`."""
    try:
        yield
    except RuntimeError as error:
        if not str(error).startswith("DataLoader worker"):
            raise
        raise _death(error) from error


@contextmanager
def _starting_workers() -> Iterator[None]:
    """Start processes that take no Ctrl-C, and run the program's main module not once more.

    A terminal or a notebook sends Ctrl-C to all; this process ends its workers. A worker needs nothing of the main
    module, and a script's may train, or be no file that could be run, as that of ``python -`` is.
    """
    resource_tracker.ensure_running()  # starting it within would unblock the signal
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    main, sys.modules["__main__"] = sys.modules["__main__"], ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class WorkerWatch:
    """Kills the workers of a pass where the block that is waited for does not come in time.

    One thread a pass, which looks once a second: to start a timer for each block would take a twentieth of the
    block's own time.
    """

    def __init__(self, workers: Sequence[BaseProcess]) -> None:
        self.given_up, self._ended = Event(), Event()
        self._workers, self._latest = workers, inf
        Thread(target=self._watch, name="worker-watch", daemon=True).start()

    def _watch(self) -> None:
        while not self._ended.wait(WATCH_SECONDS):
            if monotonic() > self._latest:
                self.given_up.set()
                # Killing them ends whatever the main thread waits in: the queue, or a socket to one of them.
                for worker in self._workers:
                    worker.kill()
                return

    def end(self) -> None:
        """End with the pass."""
        self._ended.set()

    @contextmanager
    def waiting(self, seconds: float) -> Iterator[None]:
        """Wait for a block; where that takes longer than ``seconds``, or a worker dies, raise `WorkerLost`.

        What a worker cannot read raises as it would in this process.
        """
        self._latest = monotonic() + seconds
        try:
            with lost_workers():
                yield
        except (WorkerLost, EOFError, ConnectionError) as error:
            if self.given_up.is_set():
                raise WorkerLost(
                    f"data.loader: no block came from the workers in {seconds:g} s: one is stopped, /dev/shm is "
                    f"full (a container has 64 MB: docker run --shm-size), or the disk is that slow; then set "
                    f"data.loader.num_workers to 0"
                ) from error
            if isinstance(error, WorkerLost):
                raise
            raise _death(error) from error
        except InputError as error:
            raise _as_raised(error) from error
        finally:
            self._latest = inf


def _death(error: Exception) -> WorkerLost:
    text = one_line(error) or type(error).__name__
    return WorkerLost(
        f"data.loader: a worker has died ({text}); where memory ran out, lower data.loader.num_workers"
    )


def _as_raised(error: InputError) -> InputError:
    """The error that a worker raised: torch gives its text the worker's traceback, whose last line is the error."""
    lines = str(error)  # one line, in which line breaks are escaped
    name = f"\\n{InputError.__module__}.{InputError.__qualname__}: "
    return InputError(lines.rpartition(name)[2].removesuffix("\\n"))


class BlockLoader(DataLoader[DayBatch]):
    """The blocks of one split; a pass can go on in the middle of an epoch.

    ``state_dict`` counts this epoch's blocks up to the one before the latest request; after
    ``load_state_dict`` the next pass skips them without reading them.

    Args:
        dataset: reads the blocks on the host.
        sampler: plans them.
        num_workers: processes that read ahead, where the host reads.
        memory: where the panel is; None for the host.
    """

    def __init__(
        self,
        dataset: DayBlocks,
        sampler: BlockSampler,
        num_workers: int = 0,
        memory: PanelMemory | None = None,
    ) -> None:
        self.plan, self.memory, self.blocks = sampler, memory, dataset
        self.timeout_seconds = BLOCK_TIMEOUT_SECONDS
        self._done = 0
        workers: dict[str, Any] = {
            "multiprocessing_context": "spawn",
            "persistent_workers": True,  # starting one costs about a second
            "prefetch_factor": PREFETCH_BLOCKS,
        }
        super().__init__(
            dataset,
            sampler=sampler,
            batch_size=None,
            num_workers=num_workers,
            collate_fn=unchanged,
            # Without one, torch draws the workers' seeds from the global stream and shifts what training draws.
            generator=torch.Generator().manual_seed(sampler.seed),
            **(workers if num_workers else {}),
        )

    def state_dict(self) -> dict[str, int]:
        """Where to go on: the epoch, how many of its blocks were followed by a request for the next, and how many
        steps these closed, which another number of ranks counts alike."""
        if self._done >= len(self.plan):
            return {"epoch": self.plan.epoch + 1, "done": 0, "steps": 0}
        steps = sum(block.closes_step for block in self.plan.plan()[: self._done])
        return {"epoch": self.plan.epoch, "done": self._done, "steps": steps}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on where ``state`` was taken."""
        self.plan.set_epoch(state["epoch"])
        self.plan.skip = state["done"]

    def __iter__(self) -> Iterator[DayBatch]:  # type: ignore[override]
        self._done = self.plan.skip
        try:
            memory = self.memory
            blocks = self._read() if memory is None else memory.stream(self.blocks, self.plan, self._read)
            for batch in blocks:
                yield batch
                # Lightning reads one block ahead of the one it trains on, so being asked for the next means
                # that the one before is under way or done: what a checkpoint at a block's end must count.
                self._done += 1
        finally:
            self.plan.skip = 0

    def _read(self, pinned: bool = False) -> Iterator[DayBatch]:
        """Read the blocks on the host, in this process or in workers."""
        self.pin_memory = pinned
        self.blocks.pinned = pinned and not self.num_workers
        # A pinned block is a copy in any case.
        buffers = self._share_buffers() if self.num_workers and not pinned else None
        with _starting_workers() if self.num_workers else nullcontext():
            blocks = super().__iter__()
        workers = getattr(blocks, "_workers", ())
        watch = WorkerWatch(workers) if workers else None
        try:
            while True:
                with nullcontext() if watch is None else watch.waiting(self.timeout_seconds):
                    batch = next(blocks, None)
                if batch is None:
                    return
                yield batch if buffers is None else buffers.received(batch)
        finally:
            if watch is not None:
                watch.end()

    def _share_buffers(self) -> SharedBuffers:
        """The buffers that workers write into, made before they start."""
        if self.blocks.buffers is None:
            rows = self.plan.rows_per_day
            size = max(
                self.blocks.bytes_of(block.days, max(rows[day] for day in block.calendar_days))
                for block in self.plan.plan()
            )
            count = PREFETCH_BLOCKS * self.num_workers + USED_BLOCKS
            self.blocks.buffers = self.plan.buffers = SharedBuffers(count, int(size * ROOM_FOR_JOINERS))
        return self.blocks.buffers

    def __len__(self) -> int:
        # Offsets are drawn each epoch, so their number changes. A trainer that believed the first epoch's
        # would silently drop the last blocks of a longer one; without a length it reads to the end.
        raise TypeError("blocks differ from epoch to epoch; len(loader.plan) counts those of the current one")


class InOrder:
    """A loader as a plain iterable, since Lightning rebuilds any DataLoader that it predicts with."""

    def __init__(self, loader: BlockLoader) -> None:
        self.loader = loader

    def __iter__(self) -> Iterator[DayBatch]:
        return iter(self.loader)
