"""Write the graph of every refresh day into the cache: a mapped ``[refreshes, slots, k + sector_k]`` table.

A day reads the record of the latest refresh that is not after it; `atft.data.refreshes` says which days those are.
Stocks that join the universe between two refreshes have no edge until the next. Refreshes do not depend on each
other, so each runs on one thread and several run at once: half the processor time of one refresh spread over all
cores.
"""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from atft.data.day_record import Array, decode_day
from atft.data.graph import GraphOptions, nearest_stocks
from atft.data.manifest import Manifest
from atft.data.record_file import FileRecord, RecordFile, RecordWriter
from atft.data.refreshes import Indices, refresh_indices
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
    writer: RecordWriter | None = None
    refreshes = refresh_indices(manifest.dates, manifest.universe_rows, options.refresh_days)
    threads = torch.get_num_threads()
    try:
        records = _records(days, refreshes, options)
        for record in track(records, "computing the graph", total=len(refreshes)):
            writer = writer or RecordWriter(folder / "graph.arrow", record.schema)
            writer.append(record)
    finally:
        torch.set_num_threads(threads)
    assert writer is not None, "a cache has at least one day"
    return writer.finish()


def refresh(trailing: Array, universe: Array, sector: Array, options: GraphOptions) -> pa.RecordBatch:
    """Compute one refresh: neighbours of the universe's stocks, by slot, and their weights.

    Args:
        trailing: float32 [up to window, slots]; one-day returns, the last row is the refresh day.
        universe: bool [slots]; that day's.
        sector: int16 [slots]; that day's.
        options: the graph's.
    """
    slots = len(universe)
    members = np.flatnonzero(universe)
    near, weight = nearest_stocks(np.ascontiguousarray(trailing[:, members]), sector[members], options)
    neighbour = np.full((slots, options.width), -1, dtype=np.int32)
    neighbour[members] = np.where(near >= 0, members[near], -1)
    weights = np.zeros((slots, options.width, 2), dtype=np.float32)
    weights[members] = weight
    lists = [
        pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), options.width * per_edge)
        for values, per_edge in ((neighbour, 1), (weights, 2))
    ]
    return pa.RecordBatch.from_arrays(lists, names=["neighbour", "weight"])


def _records(days: RecordFile, refreshes: Indices, options: GraphOptions) -> Iterator[pa.RecordBatch]:
    workers = pa.cpu_count()
    trailing: deque[Array] = deque(maxlen=options.window)
    with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        waiting: deque[Future[pa.RecordBatch]] = deque()
        wanted = set(refreshes.tolist())
        for day in range(int(refreshes[-1]) + 1):
            view = decode_day(days.batch(day))
            trailing.append(view.return_1d)
            if day in wanted:
                window = np.stack(trailing)
                waiting.append(pool.submit(refresh, window, view.universe, view.sector, options))
            if len(waiting) > 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
