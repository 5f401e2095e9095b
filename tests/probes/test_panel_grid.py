"""A panel's rows on a grid of days and stocks."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from atft.errors import InputError
from atft.panel import PanelSchema
from atft.probes import panel_grid
from atft.probes.panel_grid import read_grid, target_horizons


def test_each_row_has_its_cell_and_other_cells_are_unknown(market: Path, market_rows: pl.DataFrame) -> None:
    grid = read_grid(market, PanelSchema())
    assert grid.columns.horizons == (1, 5) and grid.shape == (160, 60)
    assert int(grid.present.sum()) == len(market_rows) == len(grid.cell)
    values = grid.number("x_flow")
    row = market_rows.filter(pl.col("x_flow").is_not_null()).row(777, named=True)
    day = int(np.flatnonzero(grid.dates == np.datetime64(row["date"]))[0])
    assert values[day, grid.codes.index(row["code"])] == np.float32(row["x_flow"])
    assert np.isnan(values[~grid.present]).all()
    assert grid.universe.sum() == market_rows["universe"].sum()
    assert grid.row[0, np.flatnonzero(grid.present[0])].tolist() == list(range(int(grid.present[0].sum())))


def test_of_codes_that_come_once_as_many_are_read_as_a_grid_has_room_for(
    market_rows: pl.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "once.parquet"
    market_rows.with_columns(code=pl.int_range(pl.len()).cast(pl.String)).write_parquet(path)
    monkeypatch.setattr(panel_grid, "MAX_STOCKS", 7)
    assert read_grid(path, PanelSchema()).shape == (160, len(market_rows))
    monkeypatch.setattr(panel_grid, "MAX_CELLS", 160 * 50)
    assert read_grid(path, PanelSchema()).shape == (160, 50)


def test_of_a_large_panel_some_stocks_are_read_on_all_days(
    market: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = read_grid(market, PanelSchema())
    monkeypatch.setattr(panel_grid, "MAX_STOCKS", 7)
    grid = read_grid(market, PanelSchema())
    assert grid.shape == (160, 7) and grid.codes_in_file == whole.codes
    some = [whole.codes.index(code) for code in grid.codes]
    assert np.array_equal(grid.number("x_flow"), whole.number("x_flow")[:, some], equal_nan=True)
    assert np.array_equal(grid.sector >= 0, whole.sector[:, some] >= 0)


def test_beside_the_stocks_that_are_read_a_column_comes_with_all_rows_of_the_file(
    market: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = pl.read_parquet(market)
    monkeypatch.setattr(panel_grid, "MAX_STOCKS", 7)
    monkeypatch.setattr(panel_grid, "WHOLE_NUMBERS", 2 * len(rows))
    monkeypatch.setattr(panel_grid, "COLUMNS_AT_ONCE", 2)
    grid, names = read_grid(market, PanelSchema()), ["x_flow", "return_1d", "x_move"]
    assert [name for name, _ in grid.numbers(names)] == names
    assert np.array_equal(grid.dates[grid.day_of_row], rows["date"].to_numpy())
    read = list(grid.whole_columns(names))
    assert [name for name, _, _ in read] == names
    for name, values, whole in read:
        assert np.array_equal(values, grid.number(name), equal_nan=True)
        assert np.array_equal(whole, rows[name].cast(pl.Float32).to_numpy(), equal_nan=True)


def test_a_panel_of_several_files_is_read_as_one_of_its_rows(
    market: Path, market_rows: pl.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(panel_grid, "MAX_STOCKS", 7)
    rows = market_rows.sort("date", "code")
    for number, part in enumerate((rows[:3000], rows[3000:3001], rows[3001:])):
        part.write_parquet(tmp_path / f"{number}.parquet")
    parts, whole = read_grid(tmp_path, PanelSchema()), read_grid(market, PanelSchema())
    assert parts.shape == whole.shape == (160, 7) and np.array_equal(parts.row, whole.row, equal_nan=True)
    assert np.array_equal(parts.number("x_flow"), whole.number("x_flow"), equal_nan=True)


def test_sectors_and_members_are_those_of_each_row_and_every_row_is_a_member_where_none_is_named(
    market: Path, market_rows: pl.DataFrame, tmp_path: Path
) -> None:
    path = tmp_path / "panel.parquet"
    rows = market_rows.sort("date", "code").with_columns(pl.when(pl.col("code") != "S0003").then("sector"))
    rows.write_parquet(path)
    grid = read_grid(path, PanelSchema())
    names = np.array([*grid.sector_names, None])[grid.sector]
    day, stock = np.divmod(grid.cell, len(grid.codes))
    assert names[day, stock].tolist() == rows["sector"].to_list()
    assert (grid.sector[~grid.present] == -1).all() and not grid.universe[~grid.present].any()
    rows.drop("sector", "universe").write_parquet(path)
    grid = read_grid(path, PanelSchema())
    assert np.array_equal(grid.universe, grid.present) and not grid.universe.all()
    assert grid.sector_names == [] and (grid.sector == -1).all() and grid.sector.shape == grid.shape


def test_horizons_come_from_the_names_of_targets() -> None:
    schema = PanelSchema(targets="y{h}")
    assert target_horizons(schema, ["y20", "y5", "y5_late", "yx"], "p") == [5, 20]
    with pytest.raises(InputError, match=r"p: no column matches the targets 'y\{h\}'; name them: --targets"):
        target_horizons(schema, ["x"], "p")
