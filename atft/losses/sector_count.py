"""How many sectors a panel has: counting those of a block would make the CPU wait for a GPU."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from torch import Tensor

_COUNT: ContextVar[int | None] = ContextVar("sectors", default=None)


@contextmanager
def known_sectors(count: int | None) -> Iterator[None]:
    """Say inside of the block how many sectors the panel has; None where that is not known."""
    token = _COUNT.set(count)
    try:
        yield
    finally:
        _COUNT.reset(token)


def sector_count(sector: Tensor) -> int:
    """The panel's number of sectors where it is known, else those up to the highest index, which waits for a GPU.

    Args:
        sector: index of each stock's sector, -1 for none.
    """
    count = _COUNT.get()
    if count is not None:
        return count
    return int(sector.max()) + 1 if sector.numel() else 0
