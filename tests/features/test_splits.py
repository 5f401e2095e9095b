"""Splits that were not adjusted: each planted one is found by name, a real fall is none."""

from collections.abc import Callable
from datetime import date
from fractions import Fraction

import numpy as np
import pytest

import small_prices
from atft.features import splits
from atft.features.prices import PriceGrid
from atft.features.splits import RATIOS, StockSplit, adjust_splits, find_splits, named_splits

Market = Callable[..., dict[str, np.ndarray]]
PRICES = ("open", "high", "low", "close")


def grid_of(table: dict[str, np.ndarray]) -> PriceGrid:
    opened = np.where(table["open"] == 0, np.nan, table["open"])
    return small_prices.grid_of(first=date(2014, 1, 1), **(table | {"open": opened}))


def split(table: dict[str, np.ndarray], day: int, stock: int, ratio: Fraction, shares: bool = True) -> None:
    """Quote a stock from a day on in other units, with its volume or not."""
    for name in PRICES:
        table[name][day:, stock] *= float(ratio)
    if shares:
        table["volume"][day:, stock] /= float(ratio)


@pytest.mark.parametrize("shares", [True, False], ids=["volume in new shares", "volume as it was"])
@pytest.mark.parametrize("seed", range(5))
def test_twenty_splits_of_two_to_one_give_twenty_findings(
    make_market: Market, shares: bool, seed: int
) -> None:
    table = make_market(days=300, stocks=40, seed=seed)
    days = np.random.default_rng(seed).integers(30, 290, 20)
    table["close"][days, np.arange(20)] = table["low"][days, np.arange(20)]
    for stock, day in enumerate(days):
        split(table, int(day), stock, Fraction(1, 2), shares)
    found = find_splits(grid_of(table))
    assert {(s.stock, s.day) for s in found} == {(i, int(d)) for i, d in enumerate(days)}
    assert {s.ratio for s in found} == {Fraction(1, 2)}


@pytest.mark.parametrize("ratio", RATIOS, ids=str)
def test_every_usual_ratio_is_found_and_named(make_market: Market, ratio: Fraction) -> None:
    table = make_market(days=120, stocks=20, missing=0.0)
    split(table, 80, 7, ratio)
    grid = grid_of(table)
    found = find_splits(grid)
    assert found == [(80, 7, ratio)]
    assert named_splits(grid, found) == [f"s7 2014-03-22 x {ratio}"]
    twice = [StockSplit(90, 7, 1 / ratio), *found]
    assert named_splits(grid, twice) == [f"s7 2014-04-01 x {1 / ratio} (2 times)"]


@pytest.mark.parametrize("seed", range(5))
def test_a_crash_with_its_range_and_volume_is_no_split_nor_is_any_usual_day(
    make_market: Market, seed: int
) -> None:
    assert find_splits(grid_of(make_market(days=300, stocks=40, seed=seed))) == []
    table = make_market(days=300, stocks=40, missing=0.0, seed=seed)
    for stock, ratio in enumerate([1 / 2, 2 / 3, 3 / 4, 1 / 3, 2.0, 1.5] * 5):
        day = 40 + 7 * stock
        for name in PRICES:
            table[name][day:, stock] *= ratio
        # Half of the fall is in the night, the rest in the day, with ten times the volume.
        table["open"][day, stock] = table["close"][day, stock] / np.sqrt(ratio)
        for name, pick in (("high", max), ("low", min)):
            table[name][day, stock] = pick(table["open"][day, stock], table["close"][day, stock])
        table["volume"][day, stock] = 10 * np.median(table["volume"][:, stock])
    assert find_splits(grid_of(table)) == []


def test_an_overnight_crash_is_known_by_its_volume_and_range_alone(make_market: Market) -> None:
    table = make_market(days=120, stocks=20, missing=0.0)
    for name in PRICES:
        table[name][80:, 7] /= 2
    table["volume"][80, 7] = 15 * np.median(table["volume"][:, 7])
    table["high"][80, 7] = 1.05 * table["close"][80, 7]
    table["low"][80, 7] = 0.95 * table["close"][80, 7]
    assert find_splits(grid_of(table)) == []


def test_range_and_volume_make_up_for_each_other_down_to_half_of_their_usual_size(
    make_market: Market,
) -> None:
    ratio, past = Fraction(1, 2), slice(50, 80)
    for range_times, volume_times, found in (
        (1, 5.5, True),
        (5.5, 1, True),
        (2, 2.5, True),
        (2, 3.5, False),
        (0.01, 11, True),
        (0.01, 13, False),
        (11, 0.01, True),
        (13, 0.01, False),
    ):
        table = make_market(days=120, stocks=20, missing=0.0)
        usual = np.median(np.log(table["high"][past, 7] / table["low"][past, 7]))
        volume = np.median(table["volume"][past, 7])
        split(table, 80, 7, ratio)
        table["close"][80:, 7] *= (
            0.5 * table["close"][79, 7] / table["close"][80, 7]
        )  # of no return of its own
        table["open"][80, 7] = table["close"][80, 7]
        table["high"][80, 7] = table["close"][80, 7] * np.exp(usual * range_times / 2)
        table["low"][80, 7] = table["close"][80, 7] * np.exp(-usual * range_times / 2)
        table["volume"][80, 7] = volume * volume_times / float(ratio)
        wanted = [(80, 7, ratio)] if found else []
        assert [s for s in find_splits(grid_of(table)) if s.day == 80] == wanted, (range_times, volume_times)


@pytest.mark.parametrize("ratio", [Fraction(1, 2), Fraction(2)], ids=str)
def test_a_move_of_the_day_is_no_split_even_where_its_range_is_unknown(
    make_market: Market, ratio: Fraction
) -> None:
    for share_of_the_day, found in ((0.5, False), (0.0, True)):
        table = make_market(days=120, stocks=20, missing=0.0)
        split(table, 80, 7, ratio)
        table["close"][80:, 7] *= 1.03 * float(ratio) * table["close"][79, 7] / table["close"][80, 7]
        table["open"][80, 7] = table["close"][80, 7] / float(ratio) ** share_of_the_day
        table["high"][80, 7] = table["low"][80, 7] = np.nan
        assert find_splits(grid_of(table)) == ([(80, 7, ratio)] if found else [])


@pytest.mark.parametrize(
    ("usual_move", "ratio", "off", "volume_times", "found"),
    [
        *(
            (0.02, Fraction(1, 20), 0.08, 1, True),
            (0.02, Fraction(1, 20), 0.12, 1, False),
        ),  # far and calm: 10 %
        *(
            (0.02, Fraction(1, 20), 0.05, 4, True),
            (0.02, Fraction(1, 20), 0.07, 4, False),
        ),  # far and busy: 6 %
        *((0.02, Fraction(2, 3), 0.02, 1, True), (0.02, Fraction(2, 3), 0.045, 1, False)),  # near: 3 %
        *((0.003, Fraction(1, 2), 0.015, 1, True), (0.003, Fraction(1, 2), 0.035, 1, False)),  # 5 deviations
        *((0.02, Fraction(2, 3), 0.0, 2.5, True), (0.02, Fraction(2, 3), 0.0, 3.5, False)),  # near and busy
    ],
)
def test_a_split_s_own_return_is_small_for_the_stock_its_ratio_and_its_volume(
    make_market: Market, usual_move: float, ratio: Fraction, off: float, volume_times: float, found: bool
) -> None:
    table = make_market(days=120, stocks=20, missing=0.0)
    market = np.median(np.log(np.delete(table["close"][80] / table["close"][79], 7)))
    moves = np.resize([usual_move, 0.0, -usual_move], 120)
    moves[80] = np.log(float(ratio)) + market + off
    close = 100 * np.exp(np.cumsum(moves))
    for name in PRICES:
        table[name][:, 7] = close
    table["volume"][:, 7] = 1000
    table["volume"][80, 7] *= volume_times / float(ratio)
    assert [s for s in find_splits(grid_of(table)) if s.stock == 7] == ([(80, 7, ratio)] if found else [])


@pytest.mark.parametrize("fall", [0.8, 0.9])
def test_the_market_s_own_fall_is_taken_out_first(make_market: Market, fall: float) -> None:
    table = make_market(days=120, stocks=20, missing=0.0)
    for name in PRICES:
        table[name][80:] *= fall
    assert find_splits(grid_of(table)) == []
    split(table, 80, 7, Fraction(1, 2))
    assert find_splits(grid_of(table)) == [(80, 7, Fraction(1, 2))]


def test_prices_without_range_and_volume_are_judged_to_one_per_cent() -> None:
    close = np.full((60, 2), 10.0) * np.exp(0.01 * np.random.default_rng(0).standard_normal((60, 2)))
    close[40:, 0] = close[39, 0] * 0.505
    close[40:, 1] = close[39, 1] * 0.53
    unknown = np.full_like(close, np.nan)
    table = {"open": unknown, "high": unknown, "low": unknown, "close": close, "volume": unknown}
    assert find_splits(grid_of(table)) == [(40, 0, Fraction(1, 2))]


def test_of_many_stocks_the_first_are_named_and_the_others_counted(make_market: Market) -> None:
    grid = grid_of(make_market(days=20, stocks=16))
    found = [StockSplit(stock, stock, Fraction(1, 2)) for stock in range(16)]
    assert named_splits(grid, found)[:2] == ["s0 2014-01-01 x 1/2", "s1 2014-01-02 x 1/2"]
    assert len(named_splits(grid, found)) == 16


def test_a_stock_without_a_past_or_with_wild_returns_is_not_judged(make_market: Market) -> None:
    table = make_market(days=120, stocks=20, missing=0.0)
    split(table, 8, 3, Fraction(1, 2))
    table["close"][:, 4] *= np.exp(0.3 * np.random.default_rng(0).standard_normal(120))
    assert find_splits(grid_of(table)) == []
    assert find_splits(grid_of({n: v[:1] for n, v in table.items()})) == []


def test_what_comes_later_decides_nothing(make_market: Market) -> None:
    table = make_market(days=200, stocks=30, missing=0.0)
    for stock, day in enumerate(range(20, 190, 10)):
        split(table, day, stock, RATIOS[stock])
    whole = find_splits(grid_of(table))
    assert len(whole) == 17
    for cut in (50, 121, 160):
        assert find_splits(grid_of({n: v[:cut] for n, v in table.items()})) == [
            s for s in whole if s.day < cut
        ]


def test_suspects_are_judged_alike_in_parts(make_market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    table = make_market(days=200, stocks=30)
    for stock, day in enumerate(range(20, 190, 10)):
        split(table, day, stock, RATIOS[stock])
    whole = find_splits(grid_of(table))
    monkeypatch.setattr(splits, "SUSPECTS_AT_ONCE", 3)
    assert find_splits(grid_of(table)) == whole


def test_adjusted_prices_are_those_that_were_never_split(make_market: Market) -> None:
    table = make_market(days=120, stocks=20, missing=0.0)
    want = grid_of(table)
    for stock, ratio in enumerate(RATIOS[:16]):
        split(table, 60 + stock, stock, ratio)
    got = grid_of(table)
    adjust_splits(got, find_splits(got))
    for name in (*PRICES, "volume"):
        np.testing.assert_allclose(getattr(got, name), getattr(want, name), rtol=1e-6)
        for stock in range(20):
            before = slice(0, 60 + stock)
            assert np.array_equal(getattr(got, name)[before, stock], getattr(want, name)[before, stock])
    assert got.calendar[0] == date(2014, 1, 1)
