from collections.abc import Callable

import numpy as np
import torch

from atft.data.cache import DayCache
from atft.data.graph import GraphOptions, nearest_stocks
from atft.data.graph_build import refresh

Make = Callable[..., DayCache]
OPTIONS = GraphOptions(k=3, window=20, min_observations=10, refresh_days=5, sector_k=2)


def test_each_refresh_reads_the_window_that_ends_on_its_day(make_cache: Make) -> None:
    cache = make_cache(graph=OPTIONS)
    for day in (0, 10, 35, 75):
        window = [cache.day(d).return_1d for d in range(max(0, day - 19), day + 1)]
        members = np.flatnonzero(cache.day(day).universe)
        near, weight = nearest_stocks(np.stack(window)[:, members], cache.day(day).sector[members], OPTIONS)
        neighbour, weights = cache.graph(day)
        np.testing.assert_array_equal(neighbour[members], np.where(near >= 0, members[near], -1))
        np.testing.assert_array_equal(weights[members], weight)


def test_a_day_with_too_little_history_has_no_edge(make_cache: Make) -> None:
    cache = make_cache(graph=OPTIONS)
    assert (cache.graph(5)[0] == -1).all()
    assert (cache.graph(30)[0] >= 0).any()


def test_an_empty_universe_has_no_edge() -> None:
    returns = np.random.default_rng(0).standard_normal((20, 6)).astype(np.float32)
    record = refresh(returns, np.zeros(6, bool), np.zeros(6, np.int16), OPTIONS)
    assert record.num_rows == 6
    assert set(record.column(0).flatten().to_pylist()) == {-1}


def test_building_leaves_torchs_threads_as_they_were(make_cache: Make) -> None:
    before = torch.get_num_threads()
    make_cache(graph=OPTIONS)
    assert torch.get_num_threads() == before
