"""Write the panel: Parquet, row groups of whole consecutive days.

LZ4: returns are noise in most of their bits, so zstd's file is only 10 % smaller, takes a third longer to write
and twice as long to read.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

GROUP_ROWS = 131_072
NO_FLOATS = ["date", "code", "sector", "universe"]
"""The columns that a dictionary and statistics are worth their bytes for."""


@contextmanager
def panel_file(out: Path) -> Iterator[Callable[[Mapping[str, Any], np.ndarray], None]]:
    """A context that gives a function to append days with; leaving it without an error publishes the file.

    The function takes the columns of some whole days after all days before, Arrow or NumPy arrays in file order
    (a float that is not finite becomes null, the one way to say unknown), and the day of each row, ascending.
    """
    import pyarrow as pa

    from atft.parquet import table_file

    with table_file(out, compression="lz4", use_dictionary=NO_FLOATS, write_statistics=NO_FLOATS) as append:

        def append_days(columns: Mapping[str, Any], day: np.ndarray) -> None:
            if not len(day):
                return
            block = pa.table({name: _nullable(values) for name, values in columns.items()})
            ends = [*(np.flatnonzero(np.diff(day)) + 1).tolist(), len(day)]
            start = 0
            for end, after in zip(ends, [*ends[1:], None], strict=True):
                # A group closes before the day that would make it too large.
                if after is None or after - start > GROUP_ROWS:
                    append(block.slice(start, end - start), end - start)
                    start = end

        yield append_days


def _nullable(values: Any) -> Any:
    import pyarrow as pa

    if isinstance(values, np.ndarray) and values.dtype.kind == "f":
        return pa.array(values, mask=~np.isfinite(values))
    return values
