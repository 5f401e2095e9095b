from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from atft.data.record_file import FileRecord, RecordFile, RecordWriter
from atft.errors import InputError


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


def test_the_file_is_plain_arrow_ipc(tmp_path: Path) -> None:
    _, data = _write(tmp_path)
    with pa.ipc.open_file(str(tmp_path / "f.arrow")) as reader:
        assert reader.read_all() == pa.Table.from_batches(data)


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
