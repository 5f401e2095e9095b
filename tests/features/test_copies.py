"""Copies: two codes of one stock are found among any number, and only while one repeats the other."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from atft.features.copies import SHARED_DAYS, Copy, find_copies, named_copies
from small_prices import grid_of

Market = Callable[..., dict[str, np.ndarray]]


def plain(copies: list[Copy]) -> list[tuple[int, int, int, int, int]]:
    return [(c.stock, c.original, int(c.days[0]), int(c.days[-1]), len(c.days)) for c in copies]


def test_a_copy_is_known_from_its_sixtieth_equal_move_and_named(make_market: Market) -> None:
    close = make_market(days=200, stocks=16, missing=0.0)["close"]
    close[:, 11] = close[:, 4]
    grid = grid_of(close)
    found = find_copies(grid)
    assert plain(found) == [(11, 4, SHARED_DAYS, 199, 200 - SHARED_DAYS)]
    assert named_copies(grid, found) == ["s11 = s4 from 2015-03-02"]


def test_distinct_stocks_at_few_prices_and_frozen_ones_are_no_copies() -> None:
    rng = np.random.default_rng(0)
    close = np.round(10 + 0.01 * rng.integers(-3, 4, (300, 200)), 2)
    close[:, 50:100] = 10.0
    assert find_copies(grid_of(close)) == []


def test_the_older_code_is_the_original_and_a_family_has_one(make_market: Market) -> None:
    close = make_market(days=300, stocks=16, missing=0.0)["close"]
    for other in (2, 9, 12):
        close[:, other] = close[:, 7]
    close[:20, 2] = np.nan
    assert [(c.stock, c.original) for c in find_copies(grid_of(close))] == [(2, 7), (9, 7), (12, 7)]


def test_a_code_with_a_life_of_its_own_is_a_copy_only_while_it_repeats_the_other(make_market: Market) -> None:
    close = make_market(days=400, stocks=16, missing=0.0)["close"]
    close[100:300, 11] = close[100:300, 4]
    close[250:260, 4] = np.nan
    (copy,) = find_copies(grid_of(close))
    assert (copy.stock, copy.original) == (11, 4)
    assert copy.days[0] == 100 + SHARED_DAYS
    assert 300 <= copy.days[-1] <= 306
    # Where the original has no row, there is nothing that counts twice.
    assert not set(copy.days) & set(range(250, 260))


def test_a_few_bad_prints_in_a_copy_do_not_hide_it(make_market: Market) -> None:
    close = make_market(days=300, stocks=16, missing=0.0)["close"]
    close[:, 11] = close[:, 4]
    close[100::60, 11] *= 1.01
    (copy,) = find_copies(grid_of(close))
    assert len(copy.days) == 300 - SHARED_DAYS


def test_a_copy_ends_where_one_of_the_two_moves_and_the_other_stands_still(make_market: Market) -> None:
    for still in (4, 11):
        close = make_market(days=400, stocks=16, missing=0.0)["close"]
        close[:200, 11] = close[:200, 4]
        close[200:, still] = close[199, still]
        (copy,) = find_copies(grid_of(close))
        assert (copy.stock, copy.original) == (11, 4)
        assert (
            copy.days.tolist() == list(range(SHARED_DAYS, copy.days[-1] + 1)) and 200 <= copy.days[-1] <= 206
        )


def test_a_day_on_which_neither_moves_is_what_the_last_moves_were(make_market: Market) -> None:
    close = np.repeat(make_market(days=100, stocks=16, missing=0.0)["close"], 2, axis=0)
    close[:, 11] = close[:, 4]
    (copy,) = find_copies(grid_of(close))
    # Every second day moves, so the sixtieth move is that of day 120.
    assert copy.days.tolist() == list(range(2 * SHARED_DAYS, 200))


def test_what_comes_later_decides_nothing(make_market: Market) -> None:
    close = make_market(days=300, stocks=16)["close"]
    close[50:220, 11] = close[50:220, 4]
    whole = find_copies(grid_of(close))[0].days
    for cut in (130, 200, 250):
        part = find_copies(grid_of(close[:cut]))[0].days
        assert part.tolist() == [d for d in whole if d < cut]


def test_the_last_days_alone_find_what_the_whole_finds_given_the_first_rows(make_market: Market) -> None:
    close = make_market(days=400, stocks=16, missing=0.0)["close"]
    starts = np.zeros(16, dtype=np.int32)
    for stock, original, start in ((2, 7, 20), (9, 7, 200), (11, 12, 30)):
        close[:, stock] = close[:, original]
        close[:start, stock], starts[stock] = np.nan, start
    whole = find_copies(grid_of(close))
    assert [(c.stock, c.original) for c in whole] == [(2, 7), (9, 7), (11, 12)]
    # From day 150 on all but one of them look as old as the others.
    later = replace(grid_of(close[150:]), start=150)
    found = find_copies(later, 160, np.where(starts < 150, starts, -1).astype(np.int32))
    assert [(c.stock, c.original) for c in found] == [(2, 7), (9, 7), (11, 12)]
    for part, every in zip(found, whole, strict=True):
        assert (part.days + 150).tolist() == every.days[every.days >= 310].tolist()
    # A copy that ended before the days that are judged is none of theirs.
    assert find_copies(grid_of(close[:300]), 300) == []


def test_ten_copies_among_a_thousand_stocks_are_found() -> None:
    rng = np.random.default_rng(3)
    close = np.exp(3 + np.cumsum(0.02 * rng.standard_normal((100, 1000)), axis=0))
    close[:, 990:] = close[:, :10]
    assert [(c.stock, c.original) for c in find_copies(grid_of(close))] == [(990 + i, i) for i in range(10)]
