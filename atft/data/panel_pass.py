"""Second pass over a panel: scale each day against its universe, write it into its slots, note what it knows.

Days are independent, so a batch of them is spread over threads (numpy and Arrow release the interpreter) while
the next batch is read; the file is written in the order of the days. Memory is two batches and their records.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from atft.data.day_facts import DayFacts, pack_bits
from atft.data.day_record import Array, encode_day
from atft.data.day_scaling import unit_ranks, zscores
from atft.data.gates import InfiniteGate, measure_features, one_per_day, refuse_duplicates
from atft.data.label_gate import LabelGate
from atft.data.manifest import FORMAT, Manifest
from atft.data.record_file import RecordWriter
from atft.data.survey import Survey, day_numbers
from atft.data.whole_days import whole_days
from atft.errors import InputError
from atft.panel import PanelColumns
from atft.progress import track

SCALERS = {"rank": unit_ranks, "zscore": zscores}
Day = tuple[pa.RecordBatch, DayFacts]


@dataclass(frozen=True)
class Rows:
    """Rows of some whole days as plain arrays, before they are spread over slots."""

    numbers: Array
    """float32 [number columns, rows]."""
    slot: Array
    """int64 [rows]; -1 for a stock that is never in the universe."""
    universe: Array
    """bool [rows]."""
    sector: Array
    """int16 [rows]."""
    bounds: list[tuple[int, int, int]]
    """Calendar index, first and last + 1 row of each day."""


class PanelPass:
    """Turns batches of rows into days; knows the columns, the slots and the sectors met so far."""

    def __init__(self, columns: PanelColumns, survey: Survey, scaling: Sequence[str], infinite: str) -> None:
        self.columns, self.survey = columns, survey
        returns = (columns.return_1d,) if columns.return_1d else ()
        self.groups = {
            "target": columns.targets,
            "delayed_target": columns.delayed_targets,
            "oracle": columns.oracle,
            "exposure": columns.exposures,
            "context": columns.context,
            "regime": columns.regime,
            "return_1d": returns,
        }
        every = [*columns.features, *(n for names in self.groups.values() for n in names)]
        self.numbers = tuple(dict.fromkeys(every))
        place = {name: i for i, name in enumerate(self.numbers)}
        self.places = {group: [place[n] for n in names] for group, names in self.groups.items()}
        self.scaled = {way: np.array([i for i, s in enumerate(scaling) if s == way], int) for way in SCALERS}
        self.slot_of = {code: i for i, code in enumerate(survey.codes)}
        self.sector_of: dict[str, int] = {}
        self.cells = InfiniteGate(self.numbers, infinite)
        self.labels = LabelGate(columns, self.numbers)
        self.stored_scaled = np.array([s != "raw" for s in scaling])
        self.unknown = self._over_gaps()

    def _over_gaps(self) -> list[tuple[int, Array]]:
        """Places of targets and the one-day return, each with the days, bool [days], that it straddles a gap on."""
        columns, inserted = self.columns, self.survey.rows == 0
        if not inserted.any():
            return []
        so_far = np.concatenate([[0], np.cumsum(inserted)])
        day = np.arange(len(inserted))
        reaches = {p: columns.lag + h for p, h in zip(self.places["target"], columns.horizons, strict=True)}
        for place, horizon in zip(self.places["delayed_target"], columns.horizons, strict=False):
            reaches[place] = columns.lag + 1 + horizon
        over = [
            (p, so_far[np.minimum(day + n, len(day) - 1) + 1] > so_far[day + 1]) for p, n in reaches.items()
        ]
        return over + [(p, np.append(False, inserted[:-1])) for p in self.places["return_1d"]]

    def rows(self, batch: pa.RecordBatch) -> Rows:
        """Read a batch of whole days: numbers, slots, flags. Called in the order of the days.

        Raises:
            InputError: a (date, code) occurs twice, a label is no return, or a cell is infinite and that is
                refused.
        """
        days = day_numbers(batch, self.columns.date)
        first = np.searchsorted(self.survey.calendar, np.unique(days))
        starts = np.searchsorted(days, self.survey.calendar[first])
        ends = [*starts[1:], len(days)]
        bounds = [(int(d), int(a), int(b)) for d, a, b in zip(first, starts, ends, strict=True)]
        codes = batch.column(self.columns.code).dictionary_encode()
        local = codes.indices.to_numpy(zero_copy_only=False)
        names = codes.dictionary.to_pylist()
        refuse_duplicates(days, local, names)
        slots = np.array([self.slot_of.get(c, -1) for c in names], dtype=np.int64)[local]
        kept = slots >= 0
        numbers = np.empty((len(self.numbers), len(days)), dtype=np.float32)
        for i, name in enumerate(self.numbers):
            numbers[i] = batch.column(name).to_numpy(zero_copy_only=False)
        self.cells.handle(numbers, days)
        self.labels.look(numbers, days)
        universe = kept
        if self.columns.universe:
            universe = batch.column(self.columns.universe).to_numpy(zero_copy_only=False)
        return Rows(numbers, slots, universe, self._sectors(batch, bounds), bounds)

    def day(self, rows: Rows, bounds: tuple[int, int, int], half: Array) -> Day:
        """Scale one day's features and spread everything over the slots. Safe to call from several threads."""
        index, start, stop = bounds
        slot = rows.slot[start:stop]
        # In the order of the slots: sums over a day's stocks have the same bits in whatever order its rows came.
        kept = np.argsort(slot, kind="stable")[np.count_nonzero(slot < 0) :]
        slot = slot[kept]
        universe = rows.universe[start:stop][kept]
        numbers = rows.numbers[:, start:stop]
        market = numbers[self.places["regime"]]
        numbers = numbers[:, kept]
        for place, days in self.unknown:
            if days[index]:
                numbers[place] = np.nan
        features = numbers[: len(self.columns.features)]
        for way, which in self.scaled.items():
            if len(which) and len(slot):
                features[which] = SCALERS[way](features[which], universe)
        known, telling = measure_features(features, universe, self.stored_scaled)

        def count(values: Array) -> Array:
            counted: Array = (~np.isnan(values[:, universe])).sum(axis=1)
            return counted

        def spread(values: Array) -> Array:
            wide = np.full((len(self.survey.codes), len(values)), np.nan, dtype=np.float32)
            wide[slot] = values.T
            return wide

        flags = np.zeros((2, len(self.survey.codes)), dtype=np.bool_)
        flags[0, slot], flags[1, slot] = True, universe
        sector = np.full(len(self.survey.codes), -1, dtype=np.int16)
        sector[slot] = rows.sector[start:stop][kept]
        target = numbers[self.places["target"]]
        returns = numbers[self.places["return_1d"]] if self.places["return_1d"] else target[:1] * np.nan
        arrays = {
            "features": spread(features[~half]),
            "half_features": spread(features[half]).astype(np.float16),
            "observed": flags[0],
            "universe": flags[1],
            "sector": sector,
            "return_1d": spread(returns)[:, 0],
            "target": spread(target),
            **{
                g: spread(numbers[self.places[g]])
                for g in ("delayed_target", "oracle", "exposure", "context")
            },
        }
        exposures = count(numbers[self.places["exposure"]]) > 1
        facts = DayFacts(
            observed_rows=len(slot),
            universe_rows=int(universe.sum()),
            known=pack_bits(np.concatenate([known, exposures, [(sector[slot][universe] >= 0).sum() > 1]])),
            telling=pack_bits(telling),
            known_labels=tuple(count(target).tolist()),
            regime=tuple(one_per_day(market, self.columns.regime, str(self.survey.dates[index]))),
        )
        return encode_day(arrays), facts

    def _sectors(self, batch: pa.RecordBatch, bounds: list[tuple[int, int, int]]) -> Array:
        if not self.columns.sector:
            return np.full(batch.num_rows, -1, dtype=np.int16)
        encoded = batch.column(self.columns.sector).dictionary_encode()
        local = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        names = encoded.dictionary.to_pylist()
        # Numbered by the day they are first seen, then by name: a later day never renumbers an earlier one.
        for _, start, stop in bounds:
            for name in sorted(names[i] for i in np.unique(local[start:stop]) if i >= 0):
                self.sector_of.setdefault(name, len(self.sector_of))
        if len(self.sector_of) > np.iinfo(np.int16).max:
            raise InputError(f"column {self.columns.sector!r} has more than 32,767 sectors; it is no sector")
        number = np.array([*(self.sector_of.get(n, -1) for n in names), -1], dtype=np.int16)
        sector: Array = number[local]
        return sector


def write_days(
    folder: Path,
    files: Sequence[Path],
    columns: PanelColumns,
    survey: Survey,
    scaling: Sequence[str],
    infinite: str,
    dtype: str,
) -> Manifest:
    """Write ``days.arrow`` and describe it; the caller names the cache and adds the graph.

    Raises:
        InputError: a cell is infinite, a row comes twice, a market-wide column has two values on a day, a label is
            no return, or a feature is a label.
    """
    stream = PanelPass(columns, survey, scaling, infinite)
    half = np.array([s != "raw" and dtype == "float16" for s in scaling])
    writer: RecordWriter | None = None
    facts: list[DayFacts] = []
    days = _days(stream, whole_days(files, columns, survey, folder), half)
    for record, known in track(days, "building the cache", total=len(survey.calendar)):
        if writer is None:
            writer = RecordWriter(folder / "days.arrow", record.schema)
        writer.append(record)
        facts.append(known)
    assert writer is not None, "a survey without a day raises"
    stream.labels.judge(str(files[0].parent if len(files) > 1 else files[0]))
    by_day: dict[str, Any] = dict(zip(DayFacts._fields, zip(*facts, strict=True), strict=True))
    return Manifest(
        format=FORMAT,
        digest="",
        source="",
        schema={},
        options={},
        graph=None,
        dates=survey.dates,
        codes=survey.codes,
        features=columns.features,
        scaling=tuple(scaling),
        half=tuple(bool(h) for h in half),
        horizons=columns.horizons,
        lag=columns.lag,
        delayed=bool(columns.delayed_targets),
        oracle=bool(columns.oracle),
        returns=columns.return_1d is not None,
        sectors=tuple(stream.sector_of),
        exposures=columns.exposures,
        regimes=columns.regime,
        context=columns.context,
        panel_rows=int(survey.rows.sum()),
        calendar=survey.findings,
        infinite=stream.cells.counts,
        files={"days": writer.finish()},
        **by_day,
    )


def _days(stream: PanelPass, batches: Iterator[pa.RecordBatch], half: Array) -> Iterator[Day]:
    # Arrow's pool has as many threads as the caps allow this process.
    with ThreadPoolExecutor(max_workers=pa.cpu_count()) as pool:
        waiting: deque[Future[Day]] = deque()
        done = 0
        for batch in batches:
            rows = stream.rows(batch)
            before = len(waiting)
            for index, start, stop in rows.bounds:
                # Days inserted into a gap have no rows.
                waiting.extend(pool.submit(stream.day, rows, (i, 0, 0), half) for i in range(done, index))
                waiting.append(pool.submit(stream.day, rows, (index, start, stop), half))
                done = index + 1
            for _ in range(before):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
