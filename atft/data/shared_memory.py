"""Memory that a process shares with those it spawns: an anonymous file.

Unlike a file in /dev/shm it needs no room there, of which a container has 64 MB by default, and it is gone with the
last process that maps it, however that one ends.
"""

import mmap
import os
import tempfile
import weakref
from multiprocessing import reduction
from typing import Any

import numpy as np

from atft.data.records import Array


class SharedMemory:
    """Some bytes, 0 at first, which are pickled to a process while it is spawned; a page is taken as it is used.

    Args:
        size: bytes.
        descriptor: of the file, in a process that was spawned.
    """

    def __init__(self, size: int, descriptor: int | None = None) -> None:
        self.size = size
        if descriptor is None:
            descriptor = _anonymous_file()
            os.ftruncate(descriptor, max(size, 1))  # nothing of no bytes can be mapped
        self._descriptor = descriptor
        weakref.finalize(self, os.close, descriptor)
        self._map = mmap.mmap(descriptor, max(size, 1))

    def __reduce__(self) -> Any:
        return _attach, (self.size, reduction.DupFd(self._descriptor))

    def array(self) -> Array:
        """Return the bytes as a new array, which lives as long as any view of it."""
        return np.frombuffer(self._map, np.uint8, self.size)


def _attach(size: int, descriptor: Any) -> SharedMemory:
    return SharedMemory(size, descriptor.detach())


def _anonymous_file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("atft")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
