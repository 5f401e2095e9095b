"""Write the graph of every refresh day into the cache: ``[members, k + sector_k]`` neighbours of its universe.

A refresh belongs to the calendar, not to the panel: periods of ``refresh_days`` weekdays are counted from a fixed
date, so the same days have the same graph whatever row a file begins with. A period is refreshed on its first
trading day; the first day of a panel is a refresh too, so that every day has a graph: that of the latest refresh
not after it. Stocks that join the universe between two refreshes have no edge until the next.
"""

from collections import deque
from collections.abc import Callable, Container, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from atft.data.graph import GraphOptions, nearest_stocks
from atft.data.manifest import Manifest, locate_record
from atft.data.records import (
    DayView,
    FileRecord,
    RecordFile,
    RecordWriter,
    code_order,
    decode_day,
    fixed_lists,
)
from atft.data.split import Days
from atft.process.progress import track

FIRST_MONDAY = np.datetime64("1970-01-05")


def refresh_indices(dates: Sequence[date], universe_rows: Sequence[int], refresh_days: int) -> Days:
    """Find the calendar indices of the refreshes, ascending; the first is 0.

    A day with fewer than two stocks in the universe has no neighbours to choose, so the next day of its period
    is the refresh.
    """
    weeks, weekday = np.divmod((np.array(dates, dtype="datetime64[D]") - FIRST_MONDAY).astype(np.int64), 7)
    # A weekend counts as the Friday before it.
    period = (5 * weeks + np.minimum(weekday, 4)) // refresh_days
    usable = np.flatnonzero(np.array(universe_rows) > 1)
    _, first_of_period = np.unique(period[usable], return_index=True)
    return np.union1d([0], usable[first_of_period])


def days_in_window(observed_rows: Sequence[int], refreshes: Days, window: int) -> Days:
    """Count the days with rows in each refresh's window: ``window`` where the history is complete."""
    days = np.concatenate([[0], np.cumsum(np.array(observed_rows, dtype=np.int64) > 0)])
    counted: Days = days[refreshes + 1] - days[np.maximum(refreshes + 1 - window, 0)]
    return counted


def build_graph(
    folder: Path,
    manifest: Manifest,
    options: GraphOptions,
    written_here: Container[str],
    key: str = "graph",
    first: int = 0,
) -> FileRecord | None:
    """Write a file of the refreshes from number ``first`` on, from returns, universes and sectors of the days.

    ``written_here`` are the keys of files of days that this process wrote. Returns None without a refresh.
    """
    files = {k: RecordFile(folder, manifest.files[k], k in written_here) for k, _ in manifest.day_records}
    order = code_order(manifest.codes)

    def day(index: int) -> DayView:
        key, number = locate_record(manifest.day_records, index)
        return decode_day(files[key].batch(number), order)

    refreshes = refresh_indices(manifest.dates, manifest.universe_rows, options.refresh_days)[first:]
    if not len(refreshes):
        return None
    writer = RecordWriter(folder / f"{key}.arrow")
    threads = torch.get_num_threads()
    try:
        records = _records(day, refreshes, options)
        for record in track(records, "computing the graph", total=len(refreshes)):
            writer.append(record)
    finally:
        torch.set_num_threads(threads)
    return writer.finish()


def refresh(window: Sequence[DayView], options: GraphOptions) -> pa.RecordBatch:
    """Compute one refresh: the numbers of the universe's stocks, of their neighbours (-1 for none), and weights.

    The last day of the ``window`` is the refresh's, whose universe and sectors count; of the days before it only
    the one-day returns do.
    """
    day = window[-1]
    members, number = day.ranked, day.number[day.universe]
    returns = np.stack([view.of_stocks("return_1d", members) for view in window])
    near, weight = nearest_stocks(returns, day.sector[day.universe], options)
    neighbour = np.append(number, np.int32(-1))[near]
    columns = [
        pa.array(number),
        fixed_lists(neighbour),
        fixed_lists(weight.reshape(len(weight), 2 * options.width)),
    ]
    return pa.RecordBatch.from_arrays(columns, names=["number", "neighbour", "weight"])


def _records(
    day_view: Callable[[int], DayView], refreshes: Days, options: GraphOptions
) -> Iterator[pa.RecordBatch]:
    # Refreshes do not depend on each other: one thread each takes half the processor time of all cores for one.
    workers = pa.cpu_count()
    trailing: deque[DayView] = deque(maxlen=options.window)
    refresh_days = set(refreshes.tolist())
    with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        pending: deque[Future[pa.RecordBatch]] = deque()
        for day in range(max(0, int(refreshes[0]) + 1 - options.window), int(refreshes[-1]) + 1):
            trailing.append(day_view(day))
            if day in refresh_days:
                pending.append(pool.submit(refresh, tuple(trailing), options))
            if len(pending) > 2 * workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
