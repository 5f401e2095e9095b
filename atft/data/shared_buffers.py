"""Shared memory that workers write blocks into, used again as soon as a block is gone.

A tensor that goes through torch's queue is copied to a new file of shared memory, whose pages the kernel clears and
maps one by one, in the worker and again in the main process: for 120 MB that takes five times as long as reading
the block. Each tensor, however small, also costs .3 ms for a handle that the main process asks the worker for. A
buffer is mapped once, and what goes through the queue says where in it the tensors are. It is free again when no
tensor of the main process shares its memory any more; what finds no room in one goes through the queue as bytes.
"""

import weakref
from collections import deque
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from atft.batch import DayBatch
from atft.data.records import Array
from atft.data.shared_memory import SharedMemory

ALIGNMENT = 64
"""Bytes between the possible starts of a tensor: those of a line of the processor's cache."""

LEFT_IN_BUFFER = ("features", "observed", "edge_index", "edge_attr")
"""Tensors that are not copied out of the buffer: nearly all bytes, and none is kept when the step is over, as
the metrics of an epoch keep targets."""


class InBuffer(NamedTuple):
    """Where in the buffer of its block a tensor is."""

    offset: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]


class SharedBuffers:
    """A number of buffers of one size; made in the main process, pickled to the workers as they start.

    Args:
        count: buffers.
        size: bytes of each; memory is taken as they are written to.
    """

    def __init__(self, count: int, size: int) -> None:
        self._memory = [SharedMemory(size) for _ in range(count)]
        self._free = list(range(count))
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

    def _bytes(self, number: int | None) -> Array:
        return np.empty(0, dtype=np.uint8) if number is None else self._memory[number].array()

    def front(self, number: int | None, *shape: int) -> Array | None:
        """The start of a buffer as a float32 array of a shape; None where it is too small, or there is none."""
        if number is None or 4 * np.prod(shape) > self._memory[number].size:
            return None
        return _part(self._bytes(number), InBuffer(0, shape, np.dtype(np.float32)))

    def pack(self, number: int | None, batch: DayBatch) -> DayBatch:
        """Write the tensors of a block into its buffer, the features first, where they may be already.

        Returns:
            The block with an `InBuffer` for each tensor that the buffer had room for, and an array for others: what
            goes through the queue. Of a tensor there torch would make a file in /dev/shm, which may be full.
        """
        memory = self._bytes(number)
        offset, sent = 0, dict[str, Any]()
        for name, tensor in batch._asdict().items():
            if not isinstance(tensor, Tensor):
                continue
            values = sent[name] = tensor.numpy()
            if offset + values.nbytes <= len(memory):
                sent[name] = InBuffer(offset, values.shape, values.dtype)
                target = _part(memory, sent[name])
                if target.ctypes.data != values.ctypes.data:
                    target[...] = values
                offset += -(-values.nbytes // ALIGNMENT) * ALIGNMENT
        return batch._replace(**sent)

    def received(self, batch: DayBatch) -> DayBatch:
        """A block as a worker has packed it, with its large tensors in the buffer that they were written into."""
        number = self._asked.popleft()
        memory = self._bytes(number)
        if number is not None:
            # Each tensor that shares its memory keeps this array.
            weakref.finalize(memory, self._free.append, number).atexit = False
        tensors: dict[str, Any] = {}
        for name, field in batch._asdict().items():
            if isinstance(field, InBuffer):
                values = _part(memory, field)
                tensors[name] = torch.from_numpy(values if name in LEFT_IN_BUFFER else values.copy())
            elif isinstance(field, np.ndarray):
                tensors[name] = torch.from_numpy(field)
        return batch._replace(**tensors)


def _part(memory: Array, within: InBuffer) -> Array:
    size = int(np.prod(within.shape)) * within.dtype.itemsize
    part: Array = memory[within.offset : within.offset + size].view(within.dtype).reshape(within.shape)
    return part
