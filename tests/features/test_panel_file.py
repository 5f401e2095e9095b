"""The panel file: whole days per row group, null for unknown, nothing half-written."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from atft.errors import InputError
from atft.features import panel_file as module
from atft.features.panel_file import panel_file
from atft.parquet import check_file, open_parquet


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


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    # A limit on the file's size fails in the same call as a full disk.
    out = tmp_path / "p.parquet"
    noise = np.random.default_rng(0).standard_normal(100_000).astype(np.float32)
    with (
        file_size_limit(50_000),
        pytest.raises(InputError, match=r"p\.parquet: the disk is full; make room or name another place"),
        panel_file(out) as append,
    ):
        append({"x": noise}, np.zeros(len(noise), dtype=np.int64))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_refused_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(InputError, match="cannot write there"),
        panel_file(tmp_path / "file" / "p.parquet"),
    ):
        pass
