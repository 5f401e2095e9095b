"""Prices that were adjusted since: put on the stored basis, or an error where only a part of them was given."""

from dataclasses import replace

import numpy as np
import pytest

from atft.errors import InputError
from atft.features.price_basis import check_one_basis, rescaled
from atft.features.price_store import find_corrections
from atft.features.prices import EMPTY, PriceGrid
from price_market import market
from small_prices import grid_of

BAR = ("open", "high", "low", "close")


def prices(days: int = 50) -> PriceGrid:
    table = market(days=60, stocks=3)
    return grid_of(table["close"][:days], **{n: table[n][:days] for n in ("open", "high", "low", "volume")})


def test_one_factor_is_put_on_the_stored_basis_and_two_are_not() -> None:
    stored, new, last = prices(), prices(60), prices().calendar[-1]
    for name in BAR:
        getattr(new, name)[:, 1] /= 4
    new.volume[:, 1] *= 4
    new.close[5, 2] *= 1.5
    scaled, (line,) = rescaled(stored, new, last)
    assert line == "put on the stored basis, codes whose history was adjusted since: 1: s1 x 4"
    whole = prices(60)
    assert np.array_equal(scaled.close[:, 1], whole.close[:, 1], equal_nan=True)
    known = np.isfinite(whole.close[:, 1])
    assert np.array_equal(scaled.volume[known, 1], whole.volume[known, 1], equal_nan=True)
    assert np.array_equal(scaled.close[:, 2], new.close[:, 2], equal_nan=True)
    assert rescaled(stored, prices(60), last)[1] == []


@pytest.mark.parametrize(("was", "now"), [(1000.0, 0.0), (0.0, 1000.0), (np.nan, 1000.0), (1000.0, 1002.0)])
def test_a_volume_that_one_factor_cannot_explain_is_another_correction(was: float, now: float) -> None:
    stored, new, last = prices(), prices(60), prices().calendar[-1]
    day = int(np.flatnonzero(np.isfinite(stored.close[:, 1]))[7])
    for name in BAR:
        getattr(new, name)[:, 1] /= 4
    stored.volume[day, 1], new.volume[day, 1] = was, now
    same_basis, lines = rescaled(stored, new, last)
    assert lines == [] and find_corrections(stored, same_basis, last) is not None
    stored.volume[day, 1] = new.volume[day, 1] = 0
    assert len(rescaled(stored, new, last)[1]) == 1, "a day without volume has none on either basis"


def test_a_price_that_stands_still_has_no_return_on_the_stored_basis() -> None:
    stored, new = prices(50), prices(60)
    for grid, days in ((stored, 50), (new, 60)):
        for name in BAR:
            getattr(grid, name)[20:days, 1] = np.float32(12.31)
    for name in BAR:
        getattr(new, name)[:, 1] *= np.float32(0.9931)
    scaled, lines = rescaled(stored, new, stored.calendar[-1])
    assert lines
    assert (scaled.close[20:, 1] == np.float32(12.31)).all()


def from_day(grid: PriceGrid, first: int) -> PriceGrid:
    return replace(grid, calendar=grid.calendar[first:], **{n: getattr(grid, n)[first:] for n in EMPTY})


def test_a_code_that_was_adjusted_since_needs_all_its_days() -> None:
    stored, new = prices(), prices(60)
    check_one_basis(stored, from_day(new, 30))
    for name in BAR:
        getattr(new, name)[:, 1] *= np.float32(0.97)
    check_one_basis(stored, new)  # all its days
    with pytest.raises(
        InputError, match=r"p.parquet: s1 was adjusted since, the stored prices are 1\.03093 times"
    ):
        check_one_basis(stored, from_day(new, 30))
    # The last rows may be on the stored basis, as those from the day of the dividend on.
    for name in BAR:
        getattr(new, name)[45:, 1] = getattr(prices(60), name)[45:, 1]
    with pytest.raises(
        InputError, match=r"on 2015-01-\d\d, and these lack the days before; give all its days"
    ):
        check_one_basis(stored, from_day(new, 30))


def test_one_corrected_row_or_a_code_that_begins_with_these_is_no_adjustment() -> None:
    stored, new = prices(), from_day(prices(60), 30)
    first = int(np.flatnonzero(np.isfinite(new.close[:, 1]))[0])
    new.close[first, 1] *= np.float32(0.97)
    check_one_basis(stored, new)
    for name in BAR:
        getattr(new, name)[:, 1] *= np.float32(0.97)
        getattr(stored, name)[:30, 1] = np.nan
    check_one_basis(stored, new)
