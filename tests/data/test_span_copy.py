"""A span is the same however many threads copy it, and however its features are stored."""

from collections.abc import Callable, Iterator
from threading import Event, current_thread, main_thread

import numpy as np
import pytest
import torch

from atft.data import span_copy
from atft.data.cache import DayCache
from atft.data.row_finder import RowFinder

Make = Callable[..., DayCache]


@pytest.fixture
def set_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], None]]:
    """Let this many threads copy a span, however small."""
    monkeypatch.setattr(span_copy, "BYTES_FOR_THREADS", 0)
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.mark.parametrize("options", [{"dtype": "float32"}, {"rank": ["x_0", "x_2"]}, {"rank": ["x_*"]}])
def test_a_span_has_the_rows_of_each_day_and_nan_where_there_is_none(
    make_cache: Make, set_threads: Callable[[int], None], options: dict[str, object]
) -> None:
    cache = make_cache(graph=None, **options)
    stocks = np.arange(1, cache.stocks)
    want = np.empty((30, len(stocks), len(cache.manifest.features)), dtype=np.float32)
    half = np.array(cache.manifest.half)
    for i in range(30):
        want[i][:, ~half] = cache.day(5 + i).of_stocks("features", stocks)
        want[i][:, half] = cache.day(5 + i).of_stocks("half_features", stocks)
    present = [np.isin(stocks, cache.day(5 + i).stock) for i in range(30)]
    for threads in (1, 2, 9):
        set_threads(threads)
        out = np.zeros_like(want)
        np.testing.assert_array_equal(cache.read_span(5, stocks, out).finish(), present)
        np.testing.assert_array_equal(out, want)
    assert not np.all(present)


class FailingElsewhere(RowFinder):
    """Raises in a thread that is not the main one, which waits for that."""

    raised = Event()

    def __call__(self, number: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if current_thread() is main_thread():
            self.raised.wait()
            return super().__call__(number)
        self.raised.set()
        raise ValueError("lost")


def test_a_fault_in_another_thread_is_raised(make_cache: Make, set_threads: Callable[[int], None]) -> None:
    set_threads(2)
    cache = make_cache(graph=None)
    stocks, out = np.arange(cache.stocks), np.empty((9, cache.stocks, 6), dtype=np.float32)
    find = FailingElsewhere(cache.order, stocks)
    copy = span_copy.SpanCopy([cache.day(i) for i in range(9)], find, np.array(cache.manifest.half), out)
    with pytest.raises(ValueError, match="lost"):
        copy.finish()
