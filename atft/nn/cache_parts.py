"""Parts of an axis that a CPU takes one after the other: several passes over a part find it in the cache."""

import torch


def cache_parts(count: int, numbers: int, numbers_per_thread: int, device: torch.device) -> list[slice]:
    """Divide an axis into parts; into a single one on other devices than a CPU.

    Args:
        count: length of the axis.
        numbers: of each of its entries.
        numbers_per_thread: that each thread of a CPU takes at a time; a part has an entry at least.
        device: of the tensor.
    """
    size = count
    if device.type == "cpu":
        size = numbers_per_thread * torch.get_num_threads() // max(1, numbers)
    size = max(1, size)
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]
