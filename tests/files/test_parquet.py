"""Parquet files that cannot be used are one line."""

import itertools
import os
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from atft.errors import InputError
from atft.files.parquet import check_file, open_parquet, stream_columns, table_file


def test_two_columns_of_one_name_raise(tmp_path: Path) -> None:
    path = tmp_path / "p.parquet"
    pq.write_table(pa.table([[1], [2], [3]], names=["a", "b", "a"]), path)
    with pytest.raises(InputError, match=r"p\.parquet: two columns are named 'a'; rename or drop one"):
        open_parquet(path)


def test_a_file_that_is_absent_or_no_parquet_file_raises(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"p\.parquet: no such file"):
        open_parquet(tmp_path / "p.parquet")
    for content in (b"", b"PAR1", b"\x1b[2J" * 100, b"x" * 96 + b"\xff\xff\xff\x7fPAR1"):
        (tmp_path / "p.parquet").write_bytes(content)
        with pytest.raises(InputError, match=r"p\.parquet: not a readable Parquet file") as caught:
            open_parquet(tmp_path / "p.parquet")
        assert str(caught.value).isprintable() and len(str(caught.value)) < 250


def test_a_file_whose_name_is_no_text_is_asked_to_be_renamed() -> None:
    with pytest.raises(InputError, match=r"its name is not UTF-8 text; rename it$"):
        open_parquet(Path(os.fsdecode(b"caf\xe9.parquet")))


def test_columns_come_in_the_order_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "p.parquet"
    pq.write_table(pa.table({"a": range(5), "b": range(5), "c": range(5)}), path)
    with open_parquet(path) as file:
        batches = list(stream_columns(path, file, ["c", "a"], rows=2))
    assert [b.schema.names for b in batches] == [["c", "a"]] * 3
    assert [len(b) for b in batches] == [2, 2, 1]


def test_columns_that_end_before_the_footer_says_raise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A damaged footer can say that a column has fewer pages; Arrow then stops without an error.
    path = tmp_path / "p.parquet"
    pq.write_table(pa.table({"a": range(5)}), path, row_group_size=2)
    with open_parquet(path) as file:
        whole = file.iter_batches
        monkeypatch.setattr(file, "iter_batches", lambda **o: itertools.islice(whole(**o), 1))
        with pytest.raises(InputError, match=r"p\.parquet: damaged, 2 of 5 rows; write it again"):
            list(stream_columns(path, file, ["a"], rows=2))


def written(path: Path) -> Path:
    rng = np.random.default_rng(0)
    table = pa.table(
        {
            "code": pa.array([f"S{i % 7}" for i in range(500)]),
            "x": pa.array(rng.standard_normal(500), pa.float32(), mask=rng.random(500) < 0.1),
        }
    )
    with table_file(path, compression="zstd") as append:
        append(table, 200)
    return path


def test_a_written_file_is_sound_and_other_readers_read_it(tmp_path: Path) -> None:
    path = written(tmp_path / "p.parquet")
    check_file(path)
    with open_parquet(path) as file:
        table = file.read()
    assert table.equals(pq.read_table(path))
    assert table.to_pylist() == pl.read_parquet(path).to_dicts()
    assert written(tmp_path / "q.parquet").read_bytes() == path.read_bytes()


def test_a_float_has_a_dictionary_where_its_values_repeat(tmp_path: Path) -> None:
    rng, path = np.random.default_rng(0), tmp_path / "p.parquet"
    noise = {f"x_{kind}": rng.standard_normal(3000).astype(kind) for kind in ("f4", "f8")}
    levels = {f"level_{kind}": rng.integers(0, 5, 3000).astype(kind) / 4 for kind in ("f2", "f4", "f8")}
    table = pa.table({"date": [1] * 3000, **noise, **levels, "unknown": pa.nulls(3000, pa.float32())})
    table = table.append_column("n", pa.array(range(3000)))
    with table_file(path) as append:
        append(table, 1000)
    with open_parquet(path) as file:
        assert file.read().equals(table)
        group = file.metadata.row_group(1)
        columns = (group.column(i) for i in range(group.num_columns))
        with_one = {column.path_in_schema for column in columns if column.has_dictionary_page}
    assert with_one == {"date", *levels, "unknown", "n"}


def test_any_byte_changed_is_noticed_or_changes_nothing(tmp_path: Path) -> None:
    path = written(tmp_path / "p.parquet")
    whole, table = path.read_bytes(), pq.read_table(path)
    rng = np.random.default_rng(1)
    seal = whole.rindex(b"ATFTCRC1")
    for at in (*range(0, len(whole), 11), *range(seal, seal + 12)):
        broken = bytearray(whole)
        broken[at] ^= 1 << int(rng.integers(8))
        path.write_bytes(broken)
        try:
            check_file(path)
            with open_parquet(path) as file:
                unchanged = file.read().equals(table)
        except InputError:
            continue
        assert unchanged and seal <= at < seal + 8


def test_a_value_changed_is_noticed_by_the_page_checksums_alone(tmp_path: Path) -> None:
    path = written(tmp_path / "p.parquet")
    whole = path.read_bytes()
    for group in range(3):
        for column in range(2):
            chunk = pq.ParquetFile(path).metadata.row_group(group).column(column)
            broken = bytearray(whole)
            # The end of a chunk is the end of its last page's values.
            broken[
                (chunk.dictionary_page_offset or chunk.data_page_offset) + chunk.total_compressed_size - 1
            ] ^= 1
            path.write_bytes(broken)
            with open_parquet(path) as file, pytest.raises(OSError, match="CRC checksum verification failed"):
                file.read()
            path.write_bytes(whole)


def test_a_file_that_another_tool_wrote_from_ours_has_no_checksum_to_differ_from(tmp_path: Path) -> None:
    path = written(tmp_path / "p.parquet")
    pq.write_table(pq.read_table(path).slice(0, 10), path)
    check_file(path)
    pl.read_parquet(path).write_parquet(path)
    check_file(path)
    path.write_bytes(b"")
    check_file(path)
