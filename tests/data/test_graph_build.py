"""Graphs of refresh days. Refreshes belong to dates: no cut at the front of a calendar moves one."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from atft.data.cache import DayCache
from atft.data.graph import GraphOptions, nearest_stocks
from atft.data.graph_build import days_in_window, refresh, refresh_indices

Make = Callable[..., DayCache]
OPTIONS = GraphOptions(k=3, window=20, min_observations=10, refresh_days=5, sector_k=2)


def test_each_refresh_reads_the_window_that_ends_on_its_day(make_cache: Make) -> None:
    cache = make_cache(graph=OPTIONS)
    for day in (0, 10, 35, 75):
        members = cache.day(day).ranked
        window = [cache.day(d).of_stocks("return_1d", members) for d in range(max(0, day - 19), day + 1)]
        sector = cache.day(day).of_stocks("sector", members)
        near, weight = nearest_stocks(np.stack(window), sector, OPTIONS)
        neighbour, weights = cache.graph(day, members)
        np.testing.assert_array_equal(neighbour, np.where(near >= 0, members[near], -1))
        np.testing.assert_array_equal(weights, weight)


def test_a_day_with_too_little_history_has_no_edge(make_cache: Make) -> None:
    cache = make_cache(graph=OPTIONS)
    every = np.arange(cache.stocks)
    assert (cache.graph(5, every)[0] == -1).all()
    assert (cache.graph(30, every)[0] >= 0).any()


def test_an_empty_universe_has_no_edge(make_cache: Make) -> None:
    day = make_cache(graph=None).day(30)
    record = refresh([replace(day, universe=np.zeros(len(day.number), bool))] * 20, OPTIONS)
    assert record.num_rows == 0


def test_building_leaves_torchs_threads_as_they_were(make_cache: Make) -> None:
    before = torch.get_num_threads()
    make_cache(graph=OPTIONS)
    assert torch.get_num_threads() == before


def calendar(seed: int, days: int = 120) -> list[date]:
    """Weekdays with a tenth of them missing, as holidays are."""
    rng = np.random.default_rng(seed)
    every = [date(2015, 1, 5) + timedelta(days=i) for i in range(days)]
    return [d for d in every if d.weekday() < 5 and rng.random() > 0.1]


def test_weekdays_are_counted_from_a_monday_and_a_weekend_counts_as_its_friday() -> None:
    every = [date(1970, 1, 2) + timedelta(days=i) for i in range(11)]  # Friday to the Monday after the next
    assert refresh_indices(every, [20] * 11, 1).tolist() == [0, 3, 4, 5, 6, 7, 10]
    assert refresh_indices(every, [20] * 11, 5).tolist() == [0, 3, 10]


def test_a_period_of_five_weekdays_is_a_week_and_starts_on_its_first_trading_day() -> None:
    days = [d for d in calendar(0) if d != date(2015, 1, 12)]
    found = [days[i] for i in refresh_indices(days, [20] * len(days), 5)]
    weeks: dict[tuple[int, int], date] = {}
    for day in days:
        weeks.setdefault(day.isocalendar()[:2], day)
    assert found == list(weeks.values()) and date(2015, 1, 13) in found


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10), st.integers(1, 12), st.integers(1, 60))
def test_a_panel_that_begins_later_has_the_same_refreshes(seed: int, every: int, cut: int) -> None:
    days = calendar(seed)
    whole = {days[i] for i in refresh_indices(days, [20] * len(days), every)}
    later = [days[cut:][i] for i in refresh_indices(days[cut:], [20] * len(days[cut:]), every)]
    assert later[0] == days[cut]
    assert set(later[1:]) == {d for d in whole if d > days[cut]}


def test_a_day_without_two_stocks_is_no_refresh() -> None:
    days = calendar(0)
    first = refresh_indices(days, [20] * len(days), 5)[3]
    rows = [20] * len(days)
    rows[first] = 1
    assert refresh_indices(days, rows, 5)[3] == first + 1


@pytest.mark.parametrize(("window", "seen"), [(3, [1, 3, 2]), (60, [1, 6, 10])])
def test_a_window_counts_its_days_with_rows(window: int, seen: list[int]) -> None:
    observed = [5] * 12
    observed[10] = 0
    assert days_in_window(observed, np.array([0, 5, 10]), window).tolist() == seen
