"""The loader's worker processes: one that dies or is stopped ends the run in one line.

torch's own timeout watches its queue only: of a block that a worker has queued, the memory is fetched from that
worker over a socket, where a stopped process keeps its reader waiting. Here the workers are killed when a block
takes too long, which ends either wait. Cost: a timer for each block that comes from a worker.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from threading import Event, Timer

from atft.errors import WorkerLost, one_line


@contextmanager
def lost_workers() -> Iterator[None]:
    """Turn torch's error about a dead worker, which it may raise anywhere in the main thread, into one line.

    Raises:
        WorkerLost: a worker has died.
    """
    try:
        yield
    except RuntimeError as error:
        if not str(error).startswith("DataLoader worker"):
            raise
        raise _death(error) from error


@contextmanager
def waited_for(workers: Sequence[BaseProcess], seconds: float) -> Iterator[None]:
    """Kill the workers that the block waits for when it takes longer than ``seconds``.

    Raises:
        WorkerLost: it took longer, or one of them died.
    """
    if not workers:
        yield
        return
    # Killing the workers ends whatever the main thread waits in: the queue, or a socket to one of them.
    over = Event()

    def give_up() -> None:
        over.set()
        for worker in workers:
            worker.kill()

    timer = Timer(seconds, give_up)
    timer.daemon = True
    timer.start()
    try:
        with lost_workers():
            yield
    except (WorkerLost, EOFError, ConnectionError) as error:
        if over.is_set():
            raise WorkerLost(
                f"data.loader: no block came from the workers in {seconds:g} s: one is stopped, or the disk is "
                f"that slow; then set data.loader.num_workers to 0"
            ) from error
        if isinstance(error, WorkerLost):
            raise
        raise _death(error) from error
    finally:
        timer.cancel()


def _death(error: Exception) -> WorkerLost:
    text = one_line(error) or type(error).__name__
    return WorkerLost(
        f"data.loader: a worker has died ({text}); where memory ran out, lower data.loader.num_workers"
    )
