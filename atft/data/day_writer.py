"""Second pass over a panel: scale each day against its universe, write it into the cache, note what it knows.

Days are independent, so a batch of them is spread over threads (numpy and Arrow release the interpreter) while
the next batch is read; the file is written in the order of the days. Memory is two batches and their records.
"""

from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Float32, Int16, Int32

from atft.data.checks import RowChecks, check_duplicates, measure_features, one_per_day
from atft.data.manifest import DAY_FACTS, CacheRecipe, SourceFile, pack_bits
from atft.data.panel_stream import PanelIndex, day_numbers, whole_days
from atft.data.records import Array, FileRecord, RecordWriter, code_order, encode_day
from atft.data.scaling import universe_ranks, universe_zscores
from atft.errors import InputError
from atft.panel import PanelColumns
from atft.process.progress import track

SCALERS = {"rank": universe_ranks, "zscore": universe_zscores}
Day = tuple[pa.RecordBatch, dict[str, Any]]
"""A day's record, and its entry in each field of the manifest that has one for each day."""


class DayEncoder:
    """Turns batches of the panel's rows into the cache's days; numbers the sectors as they appear.

    ``first_day`` is the first that it is given, and ``sectors`` are those of the days before it.
    """

    def __init__(
        self,
        columns: PanelColumns,
        index: PanelIndex,
        recipe: CacheRecipe,
        first_day: int = 0,
        sectors: Sequence[str] = (),
    ) -> None:
        self.columns, self.index, self.half = columns, index, np.array(recipe.half)
        groups = {
            "target": columns.targets,
            "delayed_target": columns.delayed_targets,
            "oracle": columns.oracle,
            "label_end": columns.label_ends,
            "exposure": columns.exposures,
            "context": columns.context,
            "regime": columns.regime,
            "return_1d": (columns.return_1d,) if columns.return_1d else (),
        }
        # A column of several roles, as a feature that is an exposure too, is read once; features come first.
        every = [*columns.features, *(n for names in groups.values() for n in names)]
        self.numbers = tuple(dict.fromkeys(every))
        index_of = {name: i for i, name in enumerate(self.numbers)}
        self.indices = {group: [index_of[n] for n in names] for group, names in groups.items()}
        ways = np.array(recipe.scaling)
        self.scaled = {way: np.flatnonzero(ways == way) for way in SCALERS}
        self.stored_scaled = ways != "raw"
        self.number_of = {code: i for i, code in enumerate(index.codes)}
        self.order = code_order(index.codes)
        self.sector_of: dict[str, int] = {name: i for i, name in enumerate(sectors)}
        self.sector_days = [-1] * len(sectors)
        """The first day of each sector, -1 where it is before ``first_day``."""
        self.checks = RowChecks(columns, self.numbers, recipe.options["infinite_as_missing"])
        self.unknown = self._across_gaps()
        self.next_day = first_day

    def _across_gaps(self) -> list[tuple[int, Array]]:
        """Indices of the targets and the one-day return, each with bool [days]: it straddles a gap there."""
        columns, inserted = self.columns, self.index.rows == 0
        if not inserted.any():
            return []
        reaches = {i: columns.lag + h for i, h in zip(self.indices["target"], columns.horizons, strict=True)}
        for i, horizon in zip(self.indices["delayed_target"], columns.horizons, strict=False):
            reaches[i] = columns.lag + 1 + horizon
        across = [(i, days_across(inserted, n)) for i, n in reaches.items()]
        return across + [(i, np.append(False, inserted[:-1])) for i in self.indices["return_1d"]]

    def days(self, batch: pa.RecordBatch) -> list[Callable[[], Day]]:
        """Read and check the next whole days; what is returned encodes one of them each, in any thread."""
        days = day_numbers(batch, self.columns.date)
        first_day, self.next_day = self.next_day, int(np.searchsorted(self.index.calendar, days[-1])) + 1
        # Days inserted into a gap have no rows.
        ends = np.cumsum(self.index.rows[first_day : self.next_day])
        rows_by_day = [slice(start, end) for start, end in pairwise([0, *ends.tolist()])]
        codes = batch.column(self.columns.code).dictionary_encode()
        local = codes.indices.to_numpy(zero_copy_only=False)
        names = codes.dictionary.to_pylist()
        check_duplicates(days, local, names)
        number = np.array([self.number_of[c] for c in names], dtype=np.int32)[local]
        numbers = np.empty((len(self.numbers), len(days)), dtype=np.float32)
        for i, name in enumerate(self.numbers):
            numbers[i] = batch.column(name).to_numpy(zero_copy_only=False)
        self.checks.check_rows(numbers, days)
        universe = np.ones(len(days), dtype=np.bool_)
        if self.columns.universe:
            universe = batch.column(self.columns.universe).to_numpy(zero_copy_only=False)
        sector = self._sectors(batch, rows_by_day, first_day)
        return [
            partial(self.day, day, numbers[:, rows], number[rows], universe[rows], sector[rows])
            for day, rows in enumerate(rows_by_day, first_day)
        ]

    def _sectors(self, batch: pa.RecordBatch, rows_by_day: list[slice], first_day: int) -> Array:
        if not self.columns.sector:
            return np.full(batch.num_rows, -1, dtype=np.int16)
        encoded = batch.column(self.columns.sector).dictionary_encode()
        local = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        names = encoded.dictionary.to_pylist()
        # Numbered by the day they first appear on, then by name: a later day never renumbers an earlier one.
        for day, rows in enumerate(rows_by_day, first_day):
            for name in sorted(names[i] for i in np.unique(local[rows]) if i >= 0):
                if name not in self.sector_of:
                    self.sector_of[name] = len(self.sector_of)
                    self.sector_days.append(day)
        if len(self.sector_of) > np.iinfo(np.int16).max:
            raise InputError(
                f"column {self.columns.sector!r} names more than 32,767 sectors, so it is none; name another "
                f"column in data.panel.schema.sector, or null"
            )
        number = np.array([*(self.sector_of.get(n, -1) for n in names), -1], dtype=np.int16)
        sector: Array = number[local]
        return sector

    def day(
        self,
        index: int,
        numbers: Float32[np.ndarray, "columns rows"],
        number: Int32[np.ndarray, " rows"],
        universe: Bool[np.ndarray, " rows"],
        sector: Int16[np.ndarray, " rows"],
    ) -> Day:
        """Scale a day's features and lay its rows out in the order of their codes."""
        # Sums over a day then have the same bits in whatever order its rows came.
        by_code = np.argsort(self.order[number])
        numbers, number = numbers[:, by_code], number[by_code]
        universe, sector = universe[by_code], sector[by_code]
        market = numbers[self.indices["regime"]]
        for i, days in self.unknown:
            if days[index]:
                numbers[i] = np.nan
        # Copies: a feature that is scaled stays what it is in the panel where it has another role, as an exposure.
        groups = {name: numbers[of] for name, of in self.indices.items()}
        features = numbers[: len(self.columns.features)]
        for way, which in self.scaled.items():
            if len(which) and len(number):
                features[which] = SCALERS[way](features[which], universe)
        known, varies = measure_features(features, universe, self.stored_scaled)

        def count(values: Array) -> Array:
            counted: Array = (~np.isnan(values[:, universe])).sum(axis=1)
            return counted

        target, ends = groups["target"], groups["label_end"]
        returns = groups["return_1d"] if self.indices["return_1d"] else target[:1] * np.nan
        # A holiday, or a day that the calendar leaves out, is the trading day after it.
        index_of = np.searchsorted(self.index.calendar, ends).astype(np.float32)
        arrays = {
            **{group: values.T for group, values in groups.items()},
            "number": number,
            "features": features[~self.half].T,
            "half_features": features[self.half].T.astype(np.float16),
            "universe": universe,
            "sector": sector,
            "return_1d": returns[0],
            "label_end": np.where(np.isnan(ends), ends, index_of).T,
        }
        in_sector = (sector[universe] >= 0).sum()
        return encode_day(arrays), {
            "observed_rows": len(number),
            "universe_rows": int(universe.sum()),
            "known": pack_bits(np.concatenate([known, count(groups["exposure"]) > 1, [in_sector > 1]])),
            "telling": pack_bits(varies),
            "known_labels": tuple(count(target).tolist()),
            "regime": one_per_day(market, self.columns.regime, str(self.index.dates[index])),
        }

    def sources(self, fingerprints: Sequence[str]) -> tuple[SourceFile, ...]:
        """The panel's files, with their fingerprints and the sectors that were numbered by the end of each."""
        described, end = [], 0
        for file, fingerprint in zip(self.index.sources, fingerprints, strict=False):
            # A file of a former cache has both, and one without rows the sectors of the files before it.
            if not file.fingerprint:
                if file.dates:
                    end = int(np.searchsorted(self.index.calendar, file.dates[-1], "right"))
                sectors = bisect_left(self.sector_days, end)
                file = replace(file, fingerprint=fingerprint, sectors=sectors)
            described.append(file)
        return tuple(described)


def days_across(inserted: Bool[np.ndarray, " days"], days_ahead: int) -> Bool[np.ndarray, " days"]:
    """Days from which ``days_ahead`` days of the calendar go over an inserted one."""
    inserted_before = np.concatenate([[0], np.cumsum(inserted)])
    day = np.arange(len(inserted))
    across: np.ndarray = (
        inserted_before[np.minimum(day + days_ahead, len(day) - 1) + 1] > inserted_before[day + 1]
    )
    return across


def write_days(folder: Path, files: Sequence[Path], encoder: DayEncoder) -> dict[str, Any]:
    """Write ``days.arrow`` into the cache's ``folder``, where temporary files go too.

    Where the encoder begins after the first day, the ``files`` are those of later days, if there are any: each
    becomes a file of its own, named by its first day.

    Returns:
        The fields of `Manifest` that have an entry for each of these days, or tell in which files they are.

    Raises:
        InputError: a cell is infinite, a row comes twice, a market-wide column has two values on a day, a label is
            no return, or a feature is a label.
    """
    index, first_day = encoder.index, encoder.next_day
    facts: list[dict[str, Any]] = []
    records: dict[str, FileRecord] = {}
    for some in [[file] for file in files] if first_day else [files]:
        key = f"days-{index.dates[encoder.next_day]:%Y%m%d}" if first_day else "days"
        writer = RecordWriter(folder / f"{key}.arrow")
        days = _days(encoder, whole_days(some, encoder.columns, index, folder))
        for record, day_facts in track(days, "building the cache", total=len(index.calendar) - first_day):
            writer.append(record)
            facts.append(day_facts)
        records[key] = writer.finish()
    if not first_day:
        encoder.checks.check_copies(str(files[0].parent if len(files) > 1 else files[0]))
    return {
        **{name: tuple(day[name] for day in facts) for name in DAY_FACTS},
        "files": records,
        "day_records": tuple((key, len(record.crcs)) for key, record in records.items()),
    }


def _days(encoder: DayEncoder, batches: Iterator[pa.RecordBatch]) -> Iterator[Day]:
    # Arrow's pool has as many threads as the caps allow this process.
    with ThreadPoolExecutor(max_workers=pa.cpu_count()) as pool:
        pending: deque[Future[Day]] = deque()
        for batch in batches:
            of_last_batch = len(pending)
            pending.extend(pool.submit(encode) for encode in encoder.days(batch))
            for _ in range(of_last_batch):
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
