"""The state of a panel that grows: what was written comes back, on more codes too."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from atft.errors import InputError
from atft.features.calendar import count_dates
from atft.features.checked_prices import CheckedDays, nothing_checked
from atft.features.options import FeatureOptions
from atft.features.panel_state import (
    PanelState,
    cut_prices,
    read_panel_state,
    state_after,
    tail_days,
    with_codes,
    write_panel_state,
)
from atft.features.row_checks import check_rows
from atft.files.dates import as_dates
from price_market import market
from small_prices import grid_of

OPTIONS = FeatureOptions(horizons=[1, 5], lag=2)
EMPTY_DAYS = {"kept": False, "factor": 1, "jumps": 0, "age": 0}
TAIL_START = 320 - tail_days(OPTIONS)


@pytest.fixture(scope="module")
def state() -> PanelState:
    table = market(days=320, stocks=4)
    for name in ("open", "high", "low", "close"):
        table[name][200:, 1] /= 2
    grid = grid_of(table["close"], **{name: table[name] for name in ("open", "high", "low", "volume")})
    grid = replace(grid, sectors=["b", "d"], sector=np.tile(np.array([0, 1, -1, 0], np.int32), (320, 1)))
    grid = replace(grid, inserted=(5, TAIL_START, 310))
    prices = check_rows(cut_prices(grid, 0), OPTIONS)
    variation = np.random.default_rng(0).random((2, 3, 320)) < 0.5
    ranked = prices.universe.sum(axis=1, dtype=np.int32)
    return state_after(cut_prices(grid, 10), prices, count_dates(grid), variation, ranked)


def same(one: PanelState, two: PanelState) -> bool:
    def arrays(state: PanelState) -> list[object]:
        return [
            *state.counts,
            *state.checked[:-1],
            *state.checked.carried[:-1],
            state.variation,
            state.ranked,
        ]

    grids = ("open", "high", "low", "close", "volume", "sector")
    pairs = [(getattr(one.prices, n), getattr(two.prices, n)) for n in grids]
    pairs += list(zip(arrays(one), arrays(two), strict=True))
    names = ("calendar", "codes", "sectors", "start", "inserted")
    return (
        all(np.array_equal(a, b, equal_nan=a.dtype.kind == "f") for a, b in pairs)
        and all(getattr(one.prices, n) == getattr(two.prices, n) for n in names)
        and one.checked.carried.splits == two.checked.carried.splits
    )


def test_what_was_written_comes_back_and_damage_is_named(state: PanelState, tmp_path: Path) -> None:
    (tmp_path / "update").mkdir()
    file = write_panel_state(tmp_path, state)
    assert same(read_panel_state(tmp_path, file), state)
    assert len(state.prices.calendar) == tail_days(OPTIONS) and state.prices.start == TAIL_START
    assert state.inserted.tolist() == [5, TAIL_START, 310]
    assert state.prices.inserted == (0, 310 - TAIL_START)
    path = tmp_path / file.name
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(
        InputError, match=r"state-\w+\.npz: damaged, its bytes are not those that were written"
    ):
        read_panel_state(tmp_path, file)


def test_more_codes_and_sectors_move_no_row(state: PanelState) -> None:
    wide = with_codes(state, ["a", "s0", "s1", "s11", "s2", "s3"], ["a", "b", "c", "d"])
    stocks = [1, 2, 4, 5]
    assert np.array_equal(wide.prices.close[:, stocks], state.prices.close, equal_nan=True)
    assert wide.prices.sector[0].tolist() == [-1, 1, 3, -1, -1, 1]
    assert not wide.checked.kept[:, [0, 3]].any() and (wide.checked.factor[:, [0, 3]] == 1).all()
    assert wide.checked.carried.first_row[[0, 3]].tolist() == [-1, -1]
    # Each field of the old stocks is as it was, and a new one has seen nothing.
    old, nothing = state.checked, nothing_checked(2)
    for name, values in (old._asdict() | old.carried._asdict()).items():
        if name not in ("carried", "splits"):
            both = wide.checked if name in CheckedDays._fields else wide.checked.carried
            none = nothing if name in CheckedDays._fields else nothing.carried
            assert np.array_equal(
                getattr(both, name)[..., stocks], values, equal_nan=values.dtype.kind == "f"
            )
            new, empty = getattr(both, name)[..., [0, 3]], EMPTY_DAYS.get(name)
            assert np.array_equal(
                new, np.full_like(new, getattr(none, name)[0] if empty is None else empty), True
            )
    assert np.array_equal(wide.counts.last[:, stocks], state.counts.last, equal_nan=True)
    assert np.isnan(wide.counts.last[:, [0, 3]]).all() and wide.inserted is state.inserted
    more = with_codes(state, state.prices.codes, ["a", "b", "d"])
    assert more.prices.sectors == ["a", "b", "d"] and more.prices.sector[0].tolist() == [1, 2, -1, 1]
    splits = zip(wide.checked.carried.splits, state.checked.carried.splits, strict=True)
    assert state.checked.carried.splits and all(a.stock == stocks[b.stock] for a, b in splits)
    assert with_codes(state, state.prices.codes, state.prices.sectors) is state


def test_labels_that_are_not_known_reach_as_far_as_the_longest_trade() -> None:
    assert OPTIONS.label_days == 7
    assert FeatureOptions().label_days == 21
    assert tail_days(FeatureOptions(horizons=[500])) == 503


def test_prices_of_the_last_days_are_copies_that_count_their_days_from_the_first() -> None:
    grid = replace(grid_of(market(days=40, stocks=2)["close"]), start=100, inserted=(3, 10, 12))
    cut, as_read = cut_prices(grid, 10), grid.close.copy()
    cut.close[:] = 0
    assert np.array_equal(grid.close, as_read, equal_nan=True)
    assert (cut.start, cut.inserted, cut.calendar) == (110, (0, 2), grid.calendar[10:])


def test_the_first_day_on_which_another_calendar_differs_is_that_of_either(state: PanelState) -> None:
    days = as_dates(state.calendar)
    day = timedelta(days=1)
    assert state.first_changed(days) is None and state.first_changed([*days, days[-1] + day]) is None
    assert state.first_changed(days[:-2]) == days[-2]
    assert state.first_changed([*days[:7], *days[8:]]) == days[7]
    assert state.first_changed([days[0] - day, *days]) == days[0] - day
