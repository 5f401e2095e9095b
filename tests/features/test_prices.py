"""Prices on a grid: what each check of a row leaves out and counts."""

from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from small_prices import error_of, read, small


def test_rows_land_on_the_grid_of_days_and_codes(tmp_path: Path) -> None:
    grid = read(tmp_path, small().reverse())
    assert grid.calendar == [date(2015, 1, 5), date(2015, 1, 6)]
    assert grid.codes == ["0050", "1301"]
    assert np.array_equal(grid.close, [[11, 21], [10, 20]])
    assert grid.sectors == ["banks", "fish"]
    assert np.array_equal(grid.sector, [[0, -1], [0, 1]])
    assert grid.close.dtype == np.float32


def test_the_sector_is_optional(tmp_path: Path) -> None:
    grid = read(tmp_path, small().drop("sector"))
    assert grid.sectors == []
    assert (grid.sector == -1).all()


def test_an_open_of_0_is_a_missing_open(tmp_path: Path) -> None:
    grid = read(tmp_path, small(open=[0.0, 20.0, -1.0, None]))
    assert np.array_equal(grid.open, [[np.nan, 20], [np.nan, np.nan]], equal_nan=True)
    assert grid.exclusions["non-positive close"] == 0


def test_a_range_that_does_not_hold_the_close_is_missing(tmp_path: Path) -> None:
    grid = read(tmp_path, small(high=[0.0, 22.0, 12.0, 9.0]))
    assert np.array_equal(grid.high, [[np.nan, 22], [12, np.nan]], equal_nan=True)
    assert np.array_equal(grid.low, [[np.nan, 19], [9, np.nan]], equal_nan=True)


def test_an_open_on_another_basis_than_its_range_is_missing(tmp_path: Path) -> None:
    grid = read(tmp_path, small(open=[100.0, 20.0, 11.0, 21.0]))
    assert np.isnan(grid.open[0, 0])


def test_a_close_a_shade_outside_its_range_stretches_it(tmp_path: Path) -> None:
    grid = read(tmp_path, small(high=[10.9, 22.0, 12.0, 22.0]))
    assert grid.high[0, 0] == np.float32(11)


def test_a_close_that_is_not_above_0_is_left_out_and_counted(tmp_path: Path) -> None:
    grid = read(tmp_path, small(close=[0.0, 21.0, None, 20.0]))
    assert grid.exclusions["non-positive close"] == 2
    assert np.isnan(grid.close[:, 0]).all()


def test_a_second_row_of_a_date_and_code_raises_or_is_left_out(tmp_path: Path) -> None:
    frame = pl.concat([small(), small(close=[11.5, 21.5, 10.5, 20.5]).head(1)])
    message = error_of(tmp_path, frame)
    assert "1 rows repeat a (date, code), the first 0050 on 2015-01-05; drop them" in message
    grid = read(tmp_path, frame, duplicates="exclude")
    assert grid.close[0, 0] == 11
    assert grid.exclusions["duplicate"] == 1
