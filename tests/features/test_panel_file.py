"""The panel: labels on its calendar; whole days per row group, null for unknown, nothing half-written."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from atft.errors import InputError
from atft.features import panel_file as module
from atft.features import row_checks
from atft.features.options import FeatureOptions
from atft.features.panel_file import forward_returns, panel_file
from atft.features.row_checks import check_rows
from atft.files.parquet import check_file, open_parquet
from full_disk import full_disk
from small_prices import grid_of


def test_row_groups_are_whole_consecutive_days(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GROUP_ROWS", 25)
    day = np.repeat(np.arange(12), 10)
    with panel_file(tmp_path / "p.parquet") as append:
        append({"day": day[:70], "x": np.arange(70.0, dtype=np.float32)}, day[:70])
        append({"day": day[70:], "x": np.arange(50.0, dtype=np.float32)}, day[70:])
    file = pq.ParquetFile(tmp_path / "p.parquet")
    groups = [file.read_row_group(i)["day"].to_pylist() for i in range(file.num_row_groups)]
    assert [len(g) for g in groups] == [20, 20, 20, 10, 20, 20, 10]
    assert np.array_equal(np.concatenate(groups), day)
    assert file.metadata.num_rows == 120


def test_what_is_not_finite_becomes_null(tmp_path: Path) -> None:
    values = np.array([1, np.nan, np.inf, -np.inf], dtype=np.float32)
    with panel_file(tmp_path / "p.parquet") as append:
        append({"x": values}, np.zeros(4, dtype=np.int64))
    assert pq.read_table(tmp_path / "p.parquet")["x"].to_pylist() == [1, None, None, None]


def test_no_changed_byte_of_a_panel_is_read(tmp_path: Path) -> None:
    path = tmp_path / "p.parquet"
    day = np.repeat(np.arange(12), 10)
    with panel_file(path) as append:
        append({"day": day, "x": np.arange(120.0, dtype=np.float32)}, day)
    check_file(path)
    whole = path.read_bytes()
    seal = whole.rindex(b"ATFTCRC1")
    for at in (*range(4, seal, 7), *range(seal + 8, len(whole), 7)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
        with pytest.raises(InputError), open_parquet(path) as file:
            check_file(path)
            file.read()


def test_an_error_on_the_way_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    out = tmp_path / "p.parquet"
    out.write_bytes(b"old")
    with pytest.raises(KeyError), panel_file(out) as append:
        append({"x": np.ones(3, dtype=np.float32)}, np.zeros(3, dtype=np.int64))
        raise KeyError
    assert out.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [out]


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    out = tmp_path / "p.parquet"
    noise = np.random.default_rng(0).standard_normal(100_000).astype(np.float32)
    with (
        full_disk(50_000),
        pytest.raises(InputError, match=r"p\.parquet: the disk is full; make room or name another place"),
        panel_file(out) as append,
    ):
        append({"x": noise}, np.zeros(len(noise), dtype=np.int64))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_raises_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(InputError, match="cannot write there"),
        panel_file(tmp_path / "file" / "p.parquet"),
    ):
        pass


def labels(close: np.ndarray, horizon: int, lag: int, inserted: tuple[int, ...] = ()) -> np.ndarray:
    grid = grid_of(close)
    grid.inserted = inserted
    return forward_returns(check_rows(grid, FeatureOptions()), horizon, lag, 0, len(close))


@pytest.mark.parametrize("horizon", [1, 5, 10, 20])
@pytest.mark.parametrize("lag", [0, 1, 2])
def test_a_target_is_the_ratio_of_two_closes(horizon: int, lag: int) -> None:
    rng = np.random.default_rng(0)
    close = 50 * np.exp(np.cumsum(0.02 * rng.standard_normal((60, 4)), axis=0)).astype(np.float32)
    close[rng.random(close.shape) < 0.05] = np.nan
    target = labels(close, horizon, lag)
    for day, stock in np.ndindex(close.shape):
        sell = day + lag + horizon
        if sell < len(close) and not np.isnan(close[[day + lag, sell], stock]).any():
            ratio = float(close[sell, stock]) / float(close[day + lag, stock]) - 1
            np.testing.assert_allclose(target[day, stock], ratio, rtol=1e-6, atol=1e-9)
        else:
            assert np.isnan(target[day, stock])


def test_a_block_of_days_has_the_same_labels_as_the_whole() -> None:
    close = np.linspace(10, 12, 30, dtype=np.float32)[:, None]
    prices = check_rows(grid_of(close), FeatureOptions())
    whole = forward_returns(prices, 5, 1, 0, 30)
    parts = [forward_returns(prices, 5, 1, a, min(a + 7, 30)) for a in range(0, 30, 7)]
    assert np.array_equal(whole, np.concatenate(parts), equal_nan=True)


def test_a_day_without_a_row_h_days_on_has_no_label_though_a_later_row_exists() -> None:
    close = np.array([10, 11, np.nan, 12, 13.0])[:, None]
    target = labels(close, 2, 0)
    assert np.isnan(target[0, 0])
    np.testing.assert_allclose(target[1, 0], 12 / 11 - 1, rtol=1e-6)


def test_a_label_over_an_excluded_jump_is_unknown() -> None:
    close = np.array([10, 11, 1.1, 1.2, 1.3, 1.4])[:, None]
    assert np.isnan(labels(close, 3, 0)[:2]).all()
    np.testing.assert_allclose(labels(close, 2, 0)[3, 0], 1.4 / 1.2 - 1, rtol=1e-6)


def test_a_frozen_close_is_no_end_of_a_label(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_checks, "FROZEN_ROWS", 2)
    close = np.array([10, 11, 11, 11, 11, 12, 13])[:, None]
    target = labels(close, 3, 0)
    assert np.isnan(target[0, 0])
    assert np.isnan(target[1, 0])
    np.testing.assert_allclose(target[2, 0], 12 / 11 - 1, rtol=1e-6)


@pytest.mark.parametrize("lag", [0, 1, 2])
@pytest.mark.parametrize("horizon", [1, 5, 20])
def test_a_label_over_a_gap_is_unknown_also_where_both_closes_are_known(horizon: int, lag: int) -> None:
    close = 50 * np.exp(np.cumsum(0.02 * np.random.default_rng(0).standard_normal((60, 4)), axis=0))
    close[30:33] = np.nan
    got, plain = labels(close, horizon, lag, inserted=(30, 31, 32)), labels(close, horizon, lag)
    day = np.arange(60)
    over = (day < 32) & (day + lag + horizon >= 30)
    assert np.isnan(got[over]).all()
    np.testing.assert_array_equal(got[~over], plain[~over])
