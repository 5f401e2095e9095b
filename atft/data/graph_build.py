"""Write the graph of every refresh day into the cache: a mapped ``[refreshes, slots, k + sector_k]`` table.

A day reads the record of the latest refresh that is not after it. Stocks that join the universe between two
refreshes have no edge until the next.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa

from atft.data.day_record import decode_day
from atft.data.graph import GraphOptions, nearest_stocks
from atft.data.manifest import Manifest
from atft.data.record_file import FileRecord, RecordFile, RecordWriter
from atft.progress import track


def build_graph(
    folder: Path, manifest: Manifest, options: GraphOptions, days_written_here: bool
) -> FileRecord:
    """Write ``graph.arrow`` from the returns, universes and sectors of ``days.arrow``.

    Args:
        folder: where ``days.arrow`` lies.
        manifest: describes it.
        options: the graph's.
        days_written_here: this process has just written it, so its checksums need not be read again.
    """
    days = RecordFile(folder, manifest.files["days"], days_written_here)
    slots = len(manifest.codes)
    trailing = np.full((options.window, slots), np.nan, dtype=np.float32)
    writer: RecordWriter | None = None
    for day in track(range(len(manifest.dates)), "computing the graph"):
        view = decode_day(days.batch(day))
        trailing = np.roll(trailing, -1, axis=0)
        trailing[-1] = view.return_1d
        if day % options.refresh_days:
            continue
        members = np.flatnonzero(view.universe)
        history = trailing[-min(day + 1, options.window) :, members]
        near, weight = nearest_stocks(np.ascontiguousarray(history), view.sector[members], options)
        neighbour = np.full((slots, options.width), -1, dtype=np.int32)
        neighbour[members] = np.where(near >= 0, members[near], -1)
        weights = np.zeros((slots, options.width, 2), dtype=np.float32)
        weights[members] = weight
        record = encode_refresh(neighbour, weights)
        if writer is None:
            writer = RecordWriter(folder / "graph.arrow", record.schema)
        writer.append(record)
    assert writer is not None, "a cache has at least one day"
    return writer.finish()


def encode_refresh(
    neighbour: np.ndarray[tuple[int, int], np.dtype[np.int32]],
    weights: np.ndarray[tuple[int, int, int], np.dtype[np.float32]],
) -> pa.RecordBatch:
    """Pack one refresh: ``[slots, width]`` neighbours and ``[slots, width, 2]`` weights."""
    lists = [
        pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values[0].size)
        for values in (neighbour, weights)
    ]
    return pa.RecordBatch.from_arrays(lists, names=["neighbour", "weight"])
