"""Stored prices: what was read comes back, and what new prices say of past days is found cell by cell."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from atft.errors import InputError
from atft.features.price_store import (
    find_corrections,
    later_rows,
    merged,
    read_stored,
    with_last_sectors,
    with_same_columns,
    write_prices,
)
from atft.features.prices import EMPTY, PriceGrid
from price_market import market
from small_prices import grid_of


def prices(days: int = 50, **columns: np.ndarray) -> PriceGrid:
    table = market(days=60, stocks=3) | columns
    grid = grid_of(table["close"][:days], **{n: table[n][:days] for n in ("open", "high", "low", "volume")})
    return replace(grid, sectors=["a", "b"], sector=np.where(np.isnan(grid.close), -1, 1).astype(np.int32))


def same(one: PriceGrid, two: PriceGrid) -> bool:
    values = ((getattr(one, n), getattr(two, n)) for n in EMPTY)
    known = np.isfinite(one.close)
    return (
        (one.calendar, one.codes) == (two.calendar, two.codes)
        and np.array_equal(known, np.isfinite(two.close))
        and all(np.array_equal(a[known], b[known], equal_nan=a.dtype.kind == "f") for a, b in values)
    )


def test_prices_written_month_by_month_or_at_once_are_the_same_files(tmp_path: Path) -> None:
    whole = prices(60)
    (tmp_path / "update").mkdir()
    at_once = write_prices(tmp_path, whole)
    files = write_prices(tmp_path, prices(50))
    files = write_prices(tmp_path, later_rows(whole, date(2015, 2, 19), whole), files)
    assert files == at_once
    stored = read_stored(tmp_path, files)
    assert stored is not None
    assert stored.sectors == ["b"]
    assert same(replace(stored, sector=np.where(stored.sector < 0, -1, 1).astype(np.int32)), whole)
    part = read_stored(tmp_path, files, date(2015, 2, 1), date(2015, 2, 2))
    assert part is not None and {day.month for day in part.calendar} == {2}
    assert read_stored(tmp_path, files, date(2016, 1, 1)) is None


def test_a_cell_that_differs_or_is_new_is_a_correction_and_a_missing_row_is_none() -> None:
    stored, new = prices(), prices(60)
    assert find_corrections(stored, new, stored.calendar[-1]) is None
    few = replace(new, codes=["s1"], **{n: getattr(new, n)[:, 1:2] for n in EMPTY})
    assert find_corrections(stored, few, stored.calendar[-1]) is None
    day = int(np.flatnonzero(np.isfinite(new.close[:, 2]))[7])
    new.volume[day, 2] += 1
    new.volume[59, 0] += 1  # a later day is no past one
    found = find_corrections(stored, new, stored.calendar[-1])
    assert (
        found is not None
        and found.first == new.calendar[day]
        and found.line.startswith("past days differ in 1 row, the first")
    )
    assert f"the first s2 on {new.calendar[day]}, volume" in found.line
    unstored = find_corrections(None, new, stored.calendar[-1])
    assert unstored is not None and unstored.line.endswith("which is not stored")
    no_sector = prices(60)
    no_sector.sector[:] = -1
    assert find_corrections(stored, no_sector, stored.calendar[-1]) is None


def of_sectors(grid: PriceGrid, names: list[str], *of_stock: str) -> PriceGrid:
    """The prices with a sector of each stock, wherever it has a row; an empty one is unknown."""
    number = np.array([names.index(name) if name else -1 for name in of_stock], dtype=np.int32)
    return replace(grid, sectors=names, sector=np.where(np.isfinite(grid.close), number, -1).astype(np.int32))


def test_sectors_are_compared_by_name_whatever_their_numbers_are() -> None:
    stored, last = of_sectors(prices(), ["a", "b", "c"], "a", "b", "c"), prices().calendar[-1]
    same_names = of_sectors(prices(60), ["a", "c"], "a", "", "c")
    assert find_corrections(stored, same_names, last) is None
    for new, was, text in (
        (of_sectors(prices(60), ["a", "c", "d"], "a", "d", "c"), stored, "sector d where b is stored"),
        (of_sectors(prices(60), ["a", "b", "c"], "a", "a", "c"), stored, "sector a where b is stored"),
        (stored, of_sectors(prices(), ["b", "c"], "", "b", "c"), "sector a where nothing is stored"),
    ):
        found = find_corrections(was, new, last)
        assert found is not None and found.line.endswith(text)


def test_codes_without_a_sector_keep_their_last_one_on_later_days() -> None:
    past = of_sectors(prices(50), ["a", "b"], "a", "b", "")
    known = np.flatnonzero(np.isfinite(past.close[:, 1]))
    past.sector[known[-3], 1], past.sector[known[-2:], 1] = 0, -1
    new = replace(prices(60), sectors=[], codes=["s0", "s1", "s9"])
    kept, lines = with_last_sectors(new, past)
    assert kept.sectors == ["a", "b"] and lines == ["no sector in the prices; each code keeps its last one"]
    assert (kept.sector[:50] == -1).all() and np.array_equal(
        kept.sector[50:], np.where(np.isfinite(new.close[50:]), [0, 0, -1], -1)
    )
    named = of_sectors(prices(60), ["c"], "c", "c", "c")
    for one, other in ((named, past), (new, replace(past, sectors=[]))):
        assert with_last_sectors(one, other) == (one, [])


def test_a_merger_takes_the_new_row_and_keeps_what_it_lacks() -> None:
    stored, new = prices(50), prices(60)
    new.close[3] = [1.0, np.nan, 3.0]
    new.sector[3] = -1
    both = merged(stored, new)
    assert both.close[3].tolist() == [1.0, stored.close[3, 1], 3.0]
    assert np.array_equal(both.sector[3], stored.sector[3])
    assert len(both.calendar) == 60


def test_prices_have_the_columns_that_the_panel_was_built_with() -> None:
    whole, closes = prices(), replace(prices(), missing=("open", "volume"))
    with pytest.raises(InputError, match="no open and no volume, which the panel was built with"):
        with_same_columns(closes, ())
    same_columns = with_same_columns(whole, ("volume",))
    assert same_columns.missing == ("volume",) and np.isnan(same_columns.volume).all()
    assert same_columns.open is whole.open
