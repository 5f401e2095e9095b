import io
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from atft.data import records
from atft.data.records import (
    WIDE,
    DayView,
    FileRecord,
    RecordFile,
    RecordWriter,
    code_order,
    decode_day,
    encode_day,
)
from atft.errors import InputError

ORDER = code_order("gabcdefh")


def _write(folder: Path, batches: int = 3, rows: int = 50) -> tuple[FileRecord, list[pa.RecordBatch]]:
    rng = np.random.default_rng(0)
    data = [pa.record_batch({"x": rng.standard_normal(rows)}) for _ in range(batches)]
    writer = RecordWriter(folder / "f.arrow")
    for batch in data:
        writer.append(batch)
    return writer.finish(), data


def test_what_was_written_is_read_without_a_copy(tmp_path: Path) -> None:
    record, data = _write(tmp_path)
    file = RecordFile(tmp_path, record)
    before = pa.total_allocated_bytes()
    assert [file.batch(i) for i in range(3)] == data
    assert pa.total_allocated_bytes() == before


def test_the_folder_may_have_a_name_that_is_not_utf8(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    record, data = _write(folder)
    assert RecordFile(folder, record).batch(0) == data[0]


def test_the_file_is_plain_arrow_ipc(tmp_path: Path) -> None:
    _, data = _write(tmp_path)
    with pa.ipc.open_file(str(tmp_path / "f.arrow")) as reader:
        assert reader.read_all() == pa.Table.from_batches(data)


def test_the_system_is_handed_whole_aligned_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writes: list[tuple[int, int]] = []

    class Recorded(io.FileIO):
        def write(self, data: bytes) -> int:  # type: ignore[override]
            writes.append((self.tell(), len(data)))
            return super().write(data)

    def opened(path: Path, mode: str, buffering: int) -> io.BufferedWriter:
        return io.BufferedWriter(Recorded(path, mode), buffering)

    with monkeypatch.context() as patched:
        patched.setattr(records, "LARGE_PAGE", 4096)
        patched.setattr(Path, "open", opened)
        record, data = _write(tmp_path, batches=9, rows=700)
    assert [place for place, _ in writes] == list(range(0, record.size, 4096))
    assert all(size == 4096 for _, size in writes[:-1])
    assert [RecordFile(tmp_path, record).batch(i) for i in range(9)] == data


def test_every_flipped_byte_is_noticed(tmp_path: Path) -> None:
    record, _ = _write(tmp_path)
    path = tmp_path / "f.arrow"
    whole = path.read_bytes()
    for place in range(0, len(whole), 7):
        broken = bytearray(whole)
        broken[place] ^= 1 << (place % 8)
        path.write_bytes(broken)
        with pytest.raises(InputError, match=r"f\.arrow: (damaged footer|record \d is damaged)"):
            RecordFile(tmp_path, record).check(range(3))


def test_a_damaged_batch_is_never_parsed_and_the_others_still_are(tmp_path: Path) -> None:
    record, data = _write(tmp_path)
    path = tmp_path / "f.arrow"
    broken = bytearray(path.read_bytes())
    broken[record.offsets[1] + 100] ^= 1
    path.write_bytes(broken)
    file = RecordFile(tmp_path, record)
    assert file.batch(0) == data[0]
    with pytest.raises(InputError, match=r"record 1 is damaged.*delete"):
        file.batch(1)


def test_a_truncated_or_missing_file_is_named(tmp_path: Path) -> None:
    record, _ = _write(tmp_path)
    path = tmp_path / "f.arrow"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match="truncated or foreign"):
        RecordFile(tmp_path, record)
    path.unlink()
    with pytest.raises(InputError, match=r"f\.arrow: No such file"):
        RecordFile(tmp_path, record)


def test_a_day_reads_back_as_it_was_written_without_a_copy() -> None:
    rng = np.random.default_rng(0)
    widths = {**dict.fromkeys(WIDE, 2), "oracle": 0, "half_features": 3}
    arrays = {name: rng.standard_normal((7, width)).astype(np.float32) for name, width in widths.items()}
    arrays["half_features"] = arrays["half_features"].astype(np.float16)
    arrays["features"][2] = np.nan
    arrays["universe"] = rng.random(7) < 0.5
    arrays["number"] = np.array([6, 0, 3, 1, 2, 5, 4], np.int32)
    arrays["sector"] = rng.integers(-1, 4, 7).astype(np.int16)
    arrays["return_1d"] = rng.standard_normal(7).astype(np.float32)
    record = encode_day(arrays)
    before = pa.total_allocated_bytes()
    view = decode_day(record, ORDER)
    assert pa.total_allocated_bytes() == before
    for name, array in arrays.items():
        np.testing.assert_array_equal(getattr(view, name), array)
        assert getattr(view, name).dtype == array.dtype
    assert "oracle" not in record.schema.names
    assert view.oracle.shape == (7, 0)


def _day(numbers: list[int]) -> DayView:
    """A day of these codes' numbers, whose features are the numbers and whose sectors are 7."""
    rows = len(numbers)
    arrays = {name: np.zeros((rows, 1), np.float32) for name in WIDE}
    arrays["features"] = np.array(numbers, np.float32)[:, None]
    arrays["number"] = np.array(numbers, np.int32)
    arrays["universe"] = np.array(numbers) != 4
    arrays["sector"], arrays["return_1d"] = np.full(rows, 7, np.int16), np.zeros(rows, np.float32)
    return decode_day(encode_day(arrays), ORDER)


def test_codes_are_numbered_by_appearance_on_disk_and_by_their_order_in_memory() -> None:
    assert ORDER.tolist() == [6, 0, 1, 2, 3, 4, 5, 7, -1]
    view = _day([1, 4, 0])
    assert view.stock.tolist() == [0, 3, 6]
    assert view.ranked.tolist() == [0, 6]


def test_a_stock_without_a_row_reads_as_unknown() -> None:
    view = _day([1, 4, 0])
    stocks = np.array([6, 5, 0, 7])
    np.testing.assert_array_equal(view.of_stocks("features", stocks)[:, 0], [0, np.nan, 1, np.nan])
    assert view.of_stocks("sector", stocks).tolist() == [7, -1, 7, -1]
    assert view.of_stocks("universe", stocks).tolist() == [True, False, True, False]


def test_a_day_without_rows_knows_no_stock() -> None:
    view = _day([])
    assert view.features.shape == (0, 1) and view.ranked.tolist() == []
    assert np.isnan(view.of_stocks("target", np.array([0, 5]))).all()
