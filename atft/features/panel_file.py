"""Write the panel: Parquet, row groups of whole consecutive days, published by a rename.

LZ4: returns are noise in most of their bits, so zstd's file is only 10 % smaller, takes a third longer to write
and twice as long to read.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from atft.publish import published

GROUP_ROWS = 131_072


class PanelWriter:
    """Appends blocks of days to a file; see `panel_writer`."""

    def __init__(self, path: Path) -> None:
        self.rows = 0
        self._path = path
        self._writer: Any = None

    def append(self, columns: Mapping[str, Any], day: np.ndarray) -> None:
        """Add the rows of some whole days, after all rows before.

        Args:
            columns: Arrow or NumPy arrays of equal length, in file order; a float that is not finite becomes
                null, the one way to say unknown.
            day: the day of each row, ascending: row groups end where it changes.
        """
        import pyarrow as pa

        from atft.parquet import open_writer

        if not len(day):
            return
        block = pa.table({name: _nullable(values) for name, values in columns.items()})
        if self._writer is None:
            texts = [f.name for f in block.schema if not pa.types.is_floating(f.type)]
            self._writer = open_writer(
                self._path, block.schema, compression="lz4", use_dictionary=texts, write_statistics=texts
            )
        ends = [*(np.flatnonzero(np.diff(day)) + 1).tolist(), len(day)]
        start = 0
        for end, after in zip(ends, [*ends[1:], None], strict=True):
            # A group closes before the day that would make it too large.
            if after is None or after - start > GROUP_ROWS:
                self._writer.write_table(block.slice(start, end - start), row_group_size=end - start)
                start = end
        self.rows += len(day)

    def close(self, whole: bool) -> None:
        """End the file; a whole one gets its checksums."""
        from atft.parquet import close_writer

        if self._writer is not None and whole:
            close_writer(self._writer, self._path)
        elif self._writer is not None:
            self._writer.close()


@contextmanager
def panel_writer(out: Path) -> Iterator[PanelWriter]:
    """A context in which blocks of days are appended; leaving it without an error publishes the file ``out``."""
    with published(out) as aside:
        writer = PanelWriter(aside)
        try:
            yield writer
        except BaseException:
            writer.close(whole=False)
            raise
        writer.close(whole=True)


def _nullable(values: Any) -> Any:
    import pyarrow as pa

    if isinstance(values, np.ndarray) and values.dtype.kind == "f":
        return pa.array(values, mask=~np.isfinite(values))
    return values
