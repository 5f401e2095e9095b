"""Parts of an axis: each entry is in one of them, as many numbers at a time as the threads take."""

import pytest
import torch

from atft.nn.cache_parts import cache_parts


@pytest.mark.parametrize("count", [0, 1, 7, 100])
@pytest.mark.parametrize("numbers", [0, 1, 30, 10_000])
def test_every_entry_is_in_one_part_and_no_thread_takes_more_than_its_numbers(
    count: int, numbers: int
) -> None:
    parts, most = cache_parts(count, numbers, 100, torch.device("cpu")), 100 * torch.get_num_threads()
    assert [i for part in parts for i in range(part.start, part.stop)] == list(range(count))
    assert all((part.stop - part.start) * numbers <= most or part.stop - part.start == 1 for part in parts)


def test_parts_are_as_large_as_the_threads_allow() -> None:
    first, *_ = cache_parts(10_000, 30, 100, torch.device("cpu"))
    assert first.stop == 100 * torch.get_num_threads() // 30


def test_other_devices_take_the_whole_axis_at_once() -> None:
    assert cache_parts(7, 10_000, 100, torch.device("meta")) == [slice(0, 7)]
