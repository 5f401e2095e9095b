"""Second pass over a panel: batches that hold whole days, in the order of their dates.

A panel that is sorted by date streams through once. Any other order (by stock, a file per stock) is first
dealt into temporary files of consecutive days, each small enough to be sorted in memory: the panel is written
and read once more, and memory stays at one such file.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa

from atft.data.panel_stream import read_batches
from atft.data.survey import Survey, day_numbers
from atft.panel import PanelColumns


def whole_days(
    files: Sequence[Path],
    columns: PanelColumns,
    survey: Survey,
    scratch: Path,
    bytes_per_batch: int = 64 << 20,
) -> Iterator[pa.RecordBatch]:
    """Yield the kept rows in batches of whole days, ascending; within a day in the panel's order.

    Args:
        files: the panel's files.
        columns: what to read.
        survey: what the first pass found.
        scratch: a folder for temporary files, on a disk that holds the panel uncompressed once more.
        bytes_per_batch: about how much is held at a time.
    """
    names = columns.all
    batches = (_on_calendar(b, columns, survey) for b in read_batches(files, columns, names, bytes_per_batch))
    if survey.in_order:
        return _joined(batches, columns)
    return _dealt(batches, columns, survey, scratch, max(1, bytes_per_batch // (4 * len(names))))


def _on_calendar(batch: pa.RecordBatch, columns: PanelColumns, survey: Survey) -> pa.RecordBatch:
    days = day_numbers(batch, columns.date)
    kept = (days >= survey.calendar[0]) & ~np.isin(days, survey.left_out)
    return batch if kept.all() else batch.filter(pa.array(kept))


def _joined(batches: Iterable[pa.RecordBatch], columns: PanelColumns) -> Iterator[pa.RecordBatch]:
    held: list[pa.RecordBatch] = []  # the rows so far of the day that may go on in the next batch
    open_day = -1
    for batch in batches:
        days = day_numbers(batch, columns.date)
        if not len(days):
            continue
        if held and days[0] != open_day:
            yield _concatenated(held)
            held = []
        open_day = int(days[-1])
        cut = int(np.searchsorted(days, open_day))
        if cut:
            yield _concatenated([*held, batch.slice(0, cut)])
            held = []
        held.append(batch.slice(cut))
    if held:
        yield _concatenated(held)


def _concatenated(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    return batches[0] if len(batches) == 1 else pa.concat_batches(batches)


def _dealt(
    batches: Iterable[pa.RecordBatch], columns: PanelColumns, survey: Survey, scratch: Path, rows: int
) -> Iterator[pa.RecordBatch]:
    # At most 256 files are open at once, whatever the panel's size.
    per_file = max(rows, int(survey.rows.sum()) // 256 + 1)
    file_of_day = (np.cumsum(survey.rows) - survey.rows) // per_file
    count = int(file_of_day[-1]) + 1
    paths = [scratch / f"unsorted-{i:03d}.arrow" for i in range(count)]
    writers: dict[int, pa.ipc.RecordBatchStreamWriter] = {}
    try:
        for batch in batches:
            place = file_of_day[np.searchsorted(survey.calendar, day_numbers(batch, columns.date))]
            order = np.argsort(place, kind="stable")
            bounds = np.searchsorted(place[order], np.arange(count + 1))
            for i, (start, stop) in enumerate(pairwise(bounds)):
                if stop > start:
                    if i not in writers:
                        writers[i] = pa.ipc.new_stream(str(paths[i]), batch.schema)
                    writers[i].write_batch(batch.take(pa.array(order[start:stop])))
    finally:
        for writer in writers.values():
            writer.close()
    for i in sorted(writers):
        with pa.ipc.open_stream(str(paths[i])) as reader:
            table = reader.read_all()
        paths[i].unlink()
        merged = _concatenated(table.combine_chunks().to_batches())
        yield merged.take(pa.array(np.argsort(day_numbers(merged, columns.date), kind="stable")))
