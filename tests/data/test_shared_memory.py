"""Bytes are shared with a spawned process, and gone with the last that maps them."""

import multiprocessing
from pathlib import Path

import numpy as np

from atft.data.shared_memory import SharedMemory


def add_one(memory: SharedMemory) -> None:
    memory.array()[:] += 1


def test_a_spawned_process_writes_what_this_one_reads() -> None:
    memory = SharedMemory(10_000)
    before = memory.array()
    before[:] = np.arange(10_000) % 200
    process = multiprocessing.get_context("spawn").Process(target=add_one, args=(memory,))
    process.start()
    process.join()
    assert process.exitcode == 0
    np.testing.assert_array_equal(memory.array(), np.arange(10_000) % 200 + 1)
    assert memory.array().flags.writeable and len(before) == memory.size


def test_it_needs_no_room_in_dev_shm_and_takes_memory_only_as_it_is_used() -> None:
    memory = SharedMemory(1 << 36)  # 64 GB
    memory.array()[-1] = 1
    maps = Path("/proc/self/maps")
    if maps.exists():
        mapped = [line for line in maps.read_text().splitlines() if "atft" in line.split("/")[-1]]
        assert any("memfd:" in line for line in mapped) and not any("/dev/shm" in line for line in mapped)


def test_a_view_keeps_the_bytes_and_nothing_else_does() -> None:
    def descriptors() -> int:
        return sum(1 for _ in Path("/dev/fd").iterdir())

    before = descriptors()
    memory = SharedMemory(100)
    view = memory.array()[40:60]
    view[:] = 7
    del memory
    assert (view == 7).all() and descriptors() > before
    del view
    assert descriptors() == before


def test_nothing_has_no_bytes() -> None:
    assert SharedMemory(0).array().shape == (0,)
