"""Attacks run in a few long-lived processes: a crash or a hang costs one of them, not the table.

A worker imports the program once (seconds) and prepares a kind's sound input once; each attack then gets a folder
of its own. An attack that takes longer than its kind's limit is a hang, a worker that dies is a crash; both get a
new worker.
"""

import multiprocessing
import os
import random
import resource
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from atft.process.threads import cap_threads
from benchmarks.attacks.verdict import Result

Attack = Callable[[random.Random, int, Path], Result]
"""Makes attack ``number`` from a generator of its own, in an empty folder."""
Order = tuple[str, int, float]
"""Module of the kind, number of the attack, limit in seconds."""
PREPARE_SECONDS = 300.0
PREPARED = "prepared"
MOST_MEMORY = 6 << 30
"""Bytes that a worker may allocate: an input that asks for more must not take the machine along."""


def attack_once(attack: Attack, kind: str, seed: int, number: int, folder: Path) -> Result:
    """Run one attack; the same numbers give the same attack in any process."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        return attack(random.Random(f"{seed}/{kind}/{number}"), number, Path(place))


def serve(pipe: Connection, seed: int, folder: str) -> None:
    """Run attacks that come over the pipe as (module, number) until None comes."""
    resource.setrlimit(resource.RLIMIT_DATA, (MOST_MEMORY, MOST_MEMORY))
    log = os.open(Path(folder) / "worker.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    attacks: dict[str, Attack] = {}
    while (order := pipe.recv()) is not None:
        module, number = order
        try:
            if module not in attacks:
                place = Path(folder) / module
                place.mkdir()
                attacks[module] = import_module(module).prepare(place)
            pipe.send(PREPARED)
            pipe.send(attack_once(attacks[module], module, seed, number, Path(folder)))
        except BaseException as error:  # a fault of the attack itself: `observe` has caught the program's
            pipe.send(error if isinstance(error, Exception) else RuntimeError(repr(error)))
            raise


class Worker:
    """A process that attacks, replaced when it dies or takes too long."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.seed, self.folder = seed, folder
        self.process: Any = None

    def run(self, module: str, number: int, limit_seconds: float) -> Result:
        """Run one attack and wait for it.

        Raises:
            Exception: whatever the attack's own code raised outside of what it observes.
        """
        if self.process is None:
            self._start()
        self.pipe.send((module, number))
        answer = self._receive(PREPARE_SECONDS)
        if answer == PREPARED:
            answer = self._receive(limit_seconds)
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, Result):
            return answer
        return Result(f"number {number}", answer, f"{module} {number}, limit {limit_seconds:g} s")

    def _start(self) -> None:
        spawn = multiprocessing.get_context("spawn")
        self.place = tempfile.mkdtemp(dir=self.folder)
        self.pipe, other = spawn.Pipe()
        self.process = spawn.Process(target=serve, args=(other, self.seed, self.place), daemon=True)
        self.process.start()
        other.close()

    def _receive(self, seconds: float) -> Any:
        """What the process sends; ``hang`` or ``crash`` where it does not, and then it is gone."""
        try:
            if self.pipe.poll(seconds):
                return self.pipe.recv()
            end = "hang"
        except (EOFError, ConnectionResetError):
            end = "crash"
        self.stop()
        return end

    def stop(self) -> None:
        """End the process."""
        if self.process is not None:
            self.process.kill()
            self.process.join()
            self.process = None


def _next(queue: SimpleQueue[Order]) -> Order | None:
    try:
        return queue.get_nowait()
    except Empty:
        return None


def run_all(
    attacks: Iterable[Order], workers: int, seed: int, folder: Path
) -> Iterator[tuple[str, int, Result]]:
    """Run attacks given as (module, number, limit in seconds); yields each as it ends, in no fixed order."""
    cap_threads(1)
    queue: SimpleQueue[Order] = SimpleQueue()
    for attack in attacks:
        queue.put(attack)
    results: SimpleQueue[tuple[str, int, Result] | None] = SimpleQueue()

    def drive() -> None:
        worker = Worker(seed, folder)
        try:
            while (order := _next(queue)) is not None:
                module, number, limit = order
                results.put((module, number, worker.run(module, number, limit)))
        finally:
            worker.stop()
            results.put(None)

    with ThreadPoolExecutor(workers) as pool:
        drivers = [pool.submit(drive) for _ in range(workers)]
        open_drivers = workers
        while open_drivers:
            result = results.get()
            if result is None:
                open_drivers -= 1
            else:
                yield result
        for driver in as_completed(drivers):
            driver.result()
