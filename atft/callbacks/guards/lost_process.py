"""End every process of a run within a minute after one of them has died or stopped, in one line.

The processes of several devices wait for each other in collective sums. gloo notices at once that one has died;
under NCCL, or where one is stopped or cut off, the others would wait for torch's timeout of 10 to 30 minutes. So
each process counts up in a store that all reach (on the main address, as torch's own), and watches the others'
counts. Cost: a thread that wakes every 5 s.

Lightning's launcher, which starts the processes of a machine where neither torchrun nor SLURM does, ends the first
one by SIGKILL when another one fails: silently, and with a receipt that says "running". `Launcher` says which
one failed and how, and lets the run end itself.
"""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.strategies.launchers.subprocess_script import _SubprocessScriptLauncher
from torch import distributed

from atft.callbacks.record.run_record import find_record
from atft.errors import LostProcess, one_line

BEAT_SECONDS = 5.0
"""Between two counts of a process."""
SILENT_SECONDS = 30.0
"""Without a new count, after which a process is lost."""
GRACE_SECONDS = 10.0
"""For the main thread to end by an error of its own, before the process is ended from outside."""
OVER, FAILED = b"over", b"failed"
GO_ON = "ckpt_path resumes from the run's last.ckpt, if an epoch was finished"


class LostProcessGuard(pl.Callback):
    """End this process where another one of the run has died or does not answer; nothing on a single device."""

    def __init__(self) -> None:
        self._ended, self._outcome = threading.Event(), FAILED
        self._thread: threading.Thread | None = None
        self._trainer: Any = None

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Begin to count and to watch; each process calls it."""
        if trainer.world_size == 1 or self._thread is not None:
            return
        self._trainer, strategy = trainer, trainer.strategy
        cluster: Any = strategy.cluster_environment  # type: ignore[attr-defined]
        store = distributed.TCPStore(  # type: ignore[attr-defined]
            cluster.main_address,
            cluster.main_port,
            is_master=False,
            wait_for_workers=False,
            timeout=timedelta(minutes=5),  # to connect; after it a call prints warnings
        )
        # A store of torchrun's keeps the counts of before a restart.
        start = strategy.broadcast(str(time.time_ns()))
        prefixed = distributed.PrefixStore(start, store)  # type: ignore[attr-defined]
        counts = Counts(prefixed, trainer.global_rank, trainer.world_size)
        counts.add()
        strategy.barrier("counts")  # one that is missing would be waited for
        self._thread = threading.Thread(target=self._count, args=(counts,), daemon=True)
        self._thread.start()
        self._watch(counts.lost, BEAT_SECONDS)

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        self._outcome = OVER
        self._end()

    def on_exception(self, trainer: pl.Trainer, pl_module: Any, exception: BaseException) -> None:
        self._end()

    def watch_children(self, trainer: pl.Trainer, children: Sequence["subprocess.Popen[bytes]"]) -> None:
        """End this process where one of those that it has started fails."""
        self._trainer = trainer
        self._watch(lambda: failed_child(children), 1)

    def _watch(self, fault: Callable[[], str], seconds: float) -> None:
        def watch() -> None:
            while not self._ended.wait(seconds):
                if line := fault():
                    self._lose(line)
                    return

        threading.Thread(target=watch, daemon=True).start()

    def _count(self, counts: "Counts") -> None:
        # A thread of its own: where the store's process is stopped, a call never returns.
        with suppress(RuntimeError):  # the store has gone with its process
            while not self._ended.wait(BEAT_SECONDS):
                counts.add()
                counts.read()
            counts.add(self._outcome)

    def _lose(self, line: str) -> None:
        """End the process from this thread, unless the main thread ends by an error of its own."""
        if self._ended.wait(GRACE_SECONDS):
            return
        sys.stderr.write(f"atft: error: {line}\n")
        sys.stderr.flush()
        trainer = self._trainer
        record = find_record(trainer)
        if record is not None:
            record.on_exception(trainer, trainer.lightning_module, LostProcess(line))
        if isinstance(trainer.strategy.launcher, Launcher):
            trainer.strategy.launcher.kill(signal.SIGKILL)  # one that is stopped does not end by itself
        os._exit(1)

    def _end(self) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join(GRACE_SECONDS)


class Counts:
    """Numbers that the processes count up in a store, and since when those of the others stand still.

    The store has ``set`` and ``multi_get``, as torch's have; the clock counts seconds.
    """

    def __init__(
        self, store: Any, rank: int, world_size: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.rank, self.world_size = rank, world_size
        self._store, self._clock, self._count = store, clock, 0
        self._read = clock()
        self._latest: dict[int, tuple[bytes, float]] = {}

    def add(self, outcome: bytes = b"") -> None:
        """Count up, or say how this process has ended."""
        self._count += 1
        self._store.set(str(self.rank), outcome.decode() or str(self._count))

    def read(self) -> None:
        """Read the counts of all, each of which must have counted once; it may wait for ever."""
        names = [str(rank) for rank in range(self.world_size)]
        for rank, count in enumerate(self._store.multi_get(names)):
            if count != self._latest.get(rank, (b"",))[0]:
                self._latest[rank] = count, self._clock()
        self._read = self._clock()

    def lost(self) -> str:
        """Name a process that has failed, or whose count stands still for too long; empty without one."""
        now = self._clock()
        if now - self._read > SILENT_SECONDS:
            return self._line(0, f"has not answered for {now - self._read:.0f} s")
        for rank, (count, since) in sorted(self._latest.items()):
            if rank != self.rank and count == FAILED:
                return self._line(rank, "has failed")
            if rank != self.rank and count != OVER and now - since > SILENT_SECONDS:
                return self._line(rank, f"has not answered for {now - since:.0f} s")
        return ""

    def _line(self, rank: int, how: str) -> str:
        return f"process {rank + 1} of {self.world_size} {how}; {GO_ON}"


class Launcher(_SubprocessScriptLauncher):
    """Lightning's launcher, which it replaces, except that a process that fails ends the others with a line."""

    def __init__(self, launcher: _SubprocessScriptLauncher, guard: LostProcessGuard) -> None:
        super().__init__(launcher.cluster_environment, launcher.num_processes, launcher.num_nodes)
        self._guard = guard

    def launch(self, function: Callable[..., Any], *args: Any, trainer: Any = None, **kwargs: Any) -> Any:
        """Start the machine's other processes, unless something else has started all, and call the function."""
        self.cluster_environment.validate_settings(num_devices=self.num_processes, num_nodes=self.num_nodes)
        if not self.cluster_environment.creates_processes_externally:
            self._call_children_scripts()
            self._guard.watch_children(trainer, self.procs)
        return function(*args, **kwargs)


def failed_child(children: Sequence["subprocess.Popen[bytes]"]) -> str:
    """Say which of the processes that this one has started has failed, and how; empty without one."""
    for number, child in enumerate(children, 2):
        code = child.poll()
        if code:
            how = (
                f"was ended by {signal.Signals(-code).name}" if code < 0 else f"has failed with status {code}"
            )
            memory = ", as by a machine that runs out of memory" if code == -signal.SIGKILL else ""
            return f"process {number} of {len(children) + 1} {how}{memory}; {GO_ON}"
    return ""


@contextmanager
def connection_errors(trainer: pl.Trainer) -> Iterator[None]:
    """Turn the error of a collective sum that another process has left into one line.

    Raises:
        LostProcess: the connection to another process broke.
    """
    try:
        yield
    except RuntimeError as error:
        if trainer.world_size == 1 or not (isinstance(error, distributed.DistError) or "gloo" in str(error)):
            raise
        children = getattr(trainer.strategy.launcher, "procs", [])
        until = time.monotonic() + (1 if children else 0)  # the socket closes before the process has ended
        while not (line := failed_child(children)) and time.monotonic() < until:
            time.sleep(0.05)
        text = re.sub(r"\[[^\]]*gloo[^\]]*\]\s*", "", one_line(error, 400))  # without a file of gloo's source
        text = text.split(". ")[0]
        raise LostProcess(
            line or f"the connection to another of {trainer.world_size} processes broke ({text}); {GO_ON}"
        ) from error
