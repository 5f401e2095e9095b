"""One trading day as one Arrow record batch with a row for each stock, and the views that read it back.

All features of a day are one FixedSizeList column, so a day is one ``[stocks, features]`` view of the mapped file:
0.03 ms, where 112 columns of a number each would be stacked in 6 ms. Features stored as float16 (scaled ones only)
have a second such column. Stocks that the panel has no row for that day have NaN, False and -1.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Float, Float32, Int16

Array = np.ndarray[Any, np.dtype[Any]]

WIDE = ("features", "half_features", "target", "delayed_target", "oracle", "exposure", "context")
"""Columns of several numbers a stock."""
FLAT = {"observed": pa.uint8(), "universe": pa.uint8(), "sector": pa.int16(), "return_1d": pa.float32()}


@dataclass(frozen=True)
class DayView:
    """Read-only views of one day over all stocks."""

    features: Float32[np.ndarray, "stocks full"]
    half_features: Float[np.ndarray, "stocks half"]
    """The features that are stored as float16."""
    observed: Bool[np.ndarray, " stocks"]
    """The stock has a row that day."""
    universe: Bool[np.ndarray, " stocks"]
    """The stock may be ranked that day."""
    target: Float32[np.ndarray, "stocks horizons"]
    """Forward returns, NaN where unknown."""
    delayed_target: Float32[np.ndarray, "stocks delayed"]
    """The same of a trade that waits one more close; no column where the panel has none."""
    oracle: Float32[np.ndarray, "stocks oracle"]
    """The best possible score of a simulated market; no column where the market is real."""
    sector: Int16[np.ndarray, " stocks"]
    """Index into the manifest's sectors, -1 for none."""
    exposure: Float32[np.ndarray, "stocks exposures"]
    context: Float32[np.ndarray, "stocks context"]
    return_1d: Float32[np.ndarray, " stocks"]
    """The day's own return, NaN where unknown or where the panel has none."""


def encode_day(arrays: dict[str, Array]) -> pa.RecordBatch:
    """Pack a day's arrays, one per field of `DayView`; fields of zero width are left out."""
    names, columns = [], []
    # Flags are bytes: Arrow packs booleans into bits, which numpy cannot view.
    for name in (*FLAT, *WIDE):
        array = np.ascontiguousarray(arrays[name])
        if name in FLAT:
            flat = array.view(np.uint8) if array.dtype == np.bool_ else array
            names.append(name)
            columns.append(pa.array(flat, type=FLAT[name]))
        elif array.shape[1]:
            names.append(name)
            columns.append(pa.FixedSizeListArray.from_arrays(pa.array(array.ravel()), array.shape[1]))
    return pa.RecordBatch.from_arrays(columns, names=names)


def decode_day(batch: pa.RecordBatch) -> DayView:
    """Unpack a record batch into views, without a copy."""
    empty = np.empty((batch.num_rows, 0), dtype=np.float32)
    views: dict[str, Array] = dict.fromkeys(WIDE, empty)
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        views[name] = wide_view(column) if name in WIDE else column.to_numpy(zero_copy_only=True)
    for flag in ("observed", "universe"):
        views[flag] = views[flag].view(np.bool_)
    return DayView(**views)


def wide_view(column: pa.FixedSizeListArray) -> Array:
    """A FixedSizeList column as a ``[rows, width]`` view."""
    values: Array = column.flatten().to_numpy(zero_copy_only=True)
    return values.reshape(len(column), -1)
