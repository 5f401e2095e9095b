"""An Arrow IPC file of equal record batches whose every byte is covered by a checksum.

The writer notes where each batch is and its CRC-32; the reader checks a batch's bytes before Arrow parses
them, the first time this process asks for it (about a millisecond per megabyte, once). So a truncated or
flipped file is named, never read, and opening costs the footer only.
"""

import errno
import os
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa

from atft.errors import InputError


@dataclass(frozen=True)
class FileRecord:
    """What the manifest knows of one file: its size, its time, and the checksum of each of its parts."""

    name: str
    size: int
    mtime_ns: int
    offsets: tuple[int, ...]
    """Where each batch starts, and where the last one ends: ``len(crcs) + 1`` byte positions. The file's
    header counts as part of the first batch, since Arrow writes it with that."""
    crcs: tuple[int, ...]
    """CRC-32 of each batch's bytes."""
    footer_crc: int
    """CRC-32 of what follows the batches."""


class RecordWriter:
    """Writes batches one after another; ``finish()`` describes the file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: BinaryIO
        self._crc = 0
        self._offsets = [0]
        self._crcs: list[int] = []
        self._writer: Any = None

    # Arrow writes through this object, so that each byte is added to its batch's checksum on its way.
    closed = False

    def write(self, data: Any) -> int:
        self._crc = zlib.crc32(data, self._crc)
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        self._file.close()

    def append(self, batch: pa.RecordBatch) -> None:
        """Write one batch and note its bytes' place and checksum."""
        if self._writer is None:
            self._file = self.path.open("wb")
            self._writer = pa.ipc.new_file(pa.PythonFile(self, mode="w"), batch.schema)
        self._writer.write_batch(batch)
        self._crcs.append(self._crc)
        self._crc = 0
        self._offsets.append(self._file.tell())

    def finish(self) -> FileRecord:
        """Write the footer, bring everything to disk, and describe the file."""
        self._writer.close()
        self._file.flush()
        try:
            # A full disk may show itself only here; without the sync the first reader would find it.
            os.fsync(self._file.fileno())
        except OSError as error:
            if error.errno != errno.EINVAL:  # a file system without fsync
                raise
        self._file.close()
        stat = self.path.stat()
        return FileRecord(
            name=self.path.name,
            size=stat.st_size,
            mtime_ns=stat.st_mtime_ns,
            offsets=tuple(self._offsets),
            crcs=tuple(self._crcs),
            footer_crc=self._crc,
        )


class RecordFile:
    """Reads what `RecordWriter` wrote, by memory map; what this process has just written needs no check.

    Raises:
        InputError: the file is missing, or its size or footer is not the manifest's.
    """

    def __init__(self, folder: Path, record: FileRecord, written_here: bool = False) -> None:
        self.path = folder / record.name
        self.record = record
        try:
            stat = self.path.stat()
            if stat.st_size != record.size:
                raise self._error(
                    f"{stat.st_size} bytes where {record.size} were written (truncated or foreign)"
                )
            memory = pa.memory_map(str(self.path))
        except OSError as error:
            raise self._error(str(error.strerror)) from error
        if self._crc(record.offsets[-1], record.size) != record.footer_crc:
            raise self._error("damaged footer")
        self.mtime_ns = stat.st_mtime_ns
        self._reader = pa.ipc.open_file(memory)
        self._checked = bytearray([written_here]) * len(record.crcs)

    def _error(self, what: str) -> InputError:
        return InputError(f"{self.path}: {what}; delete its folder to build it again")

    def check(self, indices: Iterable[int]) -> None:
        """Compare the batches' bytes with their checksums, and raise where they differ."""
        offsets = self.record.offsets
        for index in indices:
            if self._crc(offsets[index], offsets[index + 1]) != self.record.crcs[index]:
                raise self._error(f"record {index} is damaged (checksum differs)")
            self._checked[index] = 1

    def _crc(self, start: int, stop: int) -> int:
        # Read, not mapped: checking a whole file must not make all of it resident.
        with self.path.open("rb") as file:
            file.seek(start)
            return zlib.crc32(file.read(stop - start))

    def batch(self, index: int) -> pa.RecordBatch:
        """Batch ``index`` as views of the mapped file, its bytes checked when first asked for."""
        if not self._checked[index]:
            self.check([index])
        return self._reader.get_batch(index)
