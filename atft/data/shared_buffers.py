"""Shared memory that workers write the features of blocks into, used again as soon as a block is gone.

A block that goes through torch's queue is copied to a new file of shared memory, whose pages the kernel clears and
maps one by one, in the worker and again in the main process: for 120 MB that takes five times as long as reading
the block. A buffer is mapped once. It is free again when no tensor of the main process shares its memory any more;
where none is free, or a block is larger, it goes through the queue.
"""

import weakref
from collections import deque

import numpy as np
import torch
from torch import Tensor

from atft.batch import DayBatch
from atft.data.records import Array


class SharedBuffers:
    """A number of buffers of one size; made in the main process, pickled to the workers as they start.

    Args:
        count: buffers; none where shared memory (/dev/shm) is too small for them.
        size: float32 numbers of each.
    """

    def __init__(self, count: int, size: int) -> None:
        try:
            # Not ``share_memory_``, which would fill them with a copy.
            storages = [
                torch.UntypedStorage._new_shared(4 * size, device="cpu")  # type: ignore[no-untyped-call]
                for _ in range(count)
            ]
        except RuntimeError:
            storages = []  # the queue needs what room there is
        self._memory = [torch.empty(0).set_(storage) for storage in storages]
        self._free = list(range(len(storages)))
        self._asked: deque[int | None] = deque()

    def begin(self) -> None:
        """Start a pass: what an earlier one has asked for and not received is free."""
        self._free += [number for number in self._asked if number is not None]
        self._asked.clear()

    def take(self) -> int | None:
        """Reserve a buffer for the next block, in the order of the pass; None where none is free."""
        # The latest one that was freed: its memory is in use already.
        number = self._free.pop() if self._free else None
        self._asked.append(number)
        return number

    def array(self, number: int | None, *shape: int) -> Array | None:
        """A buffer's memory as an array of a shape; None where it is too small, or there is no buffer."""
        if number is None or np.prod(shape) > len(self._memory[number]):
            return None
        array: Array = self._memory[number].numpy()[: np.prod(shape)].reshape(shape)
        return array

    def received(self, batch: DayBatch, features: int) -> DayBatch:
        """A block as a worker has sent it, with its features out of the buffer that they were written into."""
        number = self._asked.popleft()
        if batch.features.numel() or number is None:  # it came through the queue
            self._free += [] if number is None else [number]
            return batch
        array = self.array(number, *batch.observed.shape, features)
        assert array is not None
        # The tensor, and each that shares its memory, keeps the array.
        weakref.finalize(array, self._free.append, number).atexit = False
        return batch._replace(features=torch.from_numpy(array))


def sent(batch: DayBatch) -> DayBatch:
    """A block whose features are in a buffer, as a worker sends it: without them."""
    return batch._replace(features=Tensor())
