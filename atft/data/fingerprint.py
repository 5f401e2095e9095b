"""Recognise a panel without reading it: name, size, time and Parquet footer of each file.

A footer holds the place, size and statistics of every column chunk, so a rewritten file differs even where
its size does not; the time catches a byte changed in place. Costs milliseconds. A touched or copied panel is
taken for a new one: building again is cheaper than training on the wrong rows.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from atft.errors import InputError
from atft.parquet import readable


def source_fingerprint(files: Sequence[Path]) -> str:
    """Digest of the panel's files, 64 hexadecimal digits.

    Raises:
        InputError: a file is not Parquet.
    """
    digest = hashlib.sha256()
    for path in files:
        with readable(path), path.open("rb") as file:
            stat = path.stat()
            if stat.st_size < 12:
                raise InputError(f"{path}: {stat.st_size} bytes, not a Parquet file; write it again")
            file.seek(-8, 2)
            tail = file.read(8)
            length = int.from_bytes(tail[:4], "little")
            if tail[4:] != b"PAR1" or length + 12 > stat.st_size:
                raise InputError(f"{path}: no Parquet footer (truncated?); write it again")
            file.seek(-8 - length, 2)
            footer = file.read(length)
        digest.update(f"{path.name}\0{stat.st_size}\0{stat.st_mtime_ns}\0".encode())
        digest.update(hashlib.sha256(footer).digest())
    return digest.hexdigest()
