"""Parquet files that cannot be used are one line."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from atft.errors import InputError
from atft.parquet import open_parquet


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
