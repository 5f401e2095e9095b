"""Write the panel: Parquet, row groups of whole consecutive days, published by a rename.

Nothing is seen under the final name until the file is complete. LZ4: returns are noise in most of their bits,
so zstd's file is only 10 % smaller, takes a third longer to write and twice as long to read.
"""

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from atft.publish import published

GROUP_ROWS = 131_072


class PanelWriter:
    """A context in which blocks of days are appended; leaving it without an error publishes the file."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.rows = 0
        self._place = published(out)
        self._aside: Path | None = None
        self._writer: Any = None

    def __enter__(self) -> "PanelWriter":
        self._aside = self._place.__enter__()
        return self

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
        arrays = {n: _arrow(v) if isinstance(v, np.ndarray) else v for n, v in columns.items()}
        block = pa.table(arrays)
        ends = np.append(np.flatnonzero(np.diff(day)) + 1, len(day))
        if self._writer is None:
            assert self._aside is not None, "append is called inside the context"
            texts = [f.name for f in block.schema if not pa.types.is_floating(f.type)]
            self._writer = open_writer(
                self._aside, block.schema, compression="lz4", use_dictionary=texts, write_statistics=texts
            )
        start = 0
        for position, end in enumerate(ends):
            after = ends[position + 1] if position + 1 < len(ends) else None
            # A group closes before the day that would make it too large.
            if after is None or after - start > GROUP_ROWS:
                self._writer.write_table(block.slice(start, end - start), row_group_size=int(end - start))
                start = end
        self.rows += len(day)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        from atft.parquet import close_writer

        try:
            if self._writer is not None and self._aside is not None:
                if kind is None:
                    close_writer(self._writer, self._aside)
                else:
                    self._writer.close()
        except OSError as full:
            kind, error, trace = type(full), full, full.__traceback__
        self._place.__exit__(kind, error, trace)


def _arrow(values: np.ndarray) -> Any:
    import pyarrow as pa

    if values.dtype.kind == "f":
        return pa.array(values, mask=~np.isfinite(values))
    return pa.array(values)
