"""A cache of noise of any size, written day by day without a panel: 8.9 M rows of 112 features in some 20 s.

The production setting and a setting like ``configs/nasdaq.yaml`` are `REFERENCE` and `NASDAQ`. Every byte is in the
format of `atft.data.build`, so that loaders, residency and training read it as any other; neighbours are drawn at
random, since computing a graph of noise would measure nothing.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from atft.data.build import CacheOptions
from atft.data.graph import GraphOptions
from atft.data.graph_build import refresh_indices
from atft.data.manifest import FORMAT, Manifest, pack_bits, write_manifest
from atft.data.records import RecordWriter, encode_day, fixed_lists
from atft.panel import PanelSchema

HORIZONS = (1, 5, 10, 20)
POOL_DAYS = 8
"""Days of noise that are drawn; the others are these with their rows rotated."""
SECTORS = 33


@dataclass(frozen=True)
class Load:
    """Size of a cache of noise."""

    days: int
    stocks: int
    """In the universe of a day."""
    listed: int
    """Codes in all; the stocks of a day drift through them."""
    features: int
    regimes: int = 0
    graph: bool = True

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Columns that differ by stock."""
        return tuple(f"x_{i:03d}" for i in range(self.features))

    @property
    def regime_names(self) -> tuple[str, ...]:
        """Market-wide columns; the first is the one that ``configs/nasdaq.yaml`` weighs days by."""
        return ("regime_volatility_20d", *(f"regime_{i}" for i in range(1, self.regimes)))[: self.regimes]

    @property
    def rows(self) -> int:
        """Stock-days."""
        return self.days * self.stocks


REFERENCE = Load(days=2200, stocks=4045, listed=4484, features=112)
NASDAQ = Load(days=2450, stocks=890, listed=3064, features=170, regimes=18, graph=False)

LOADS = {"tokyo": REFERENCE, "nasdaq": NASDAQ}
"""By the shipped config that trains on such a load."""


def write_cache(root: Path, load: Load) -> Path:
    """Write the cache of a load into ``root``; its folder is returned. One that is there is used."""
    folder = root / "-".join(f"{value}" for value in asdict(load).values())
    if (folder / "manifest.json").exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    dates = weekdays(load.days)
    numbers = np.arange(load.listed, dtype=np.int32)
    first = np.linspace(0, load.listed - load.stocks, load.days).astype(np.int64)
    writer = RecordWriter(folder / "days.arrow")
    for record in _days(load, numbers, first):
        writer.append(record)
    files = {"days": writer.finish()}
    graph = asdict(GraphOptions()) if load.graph else None
    refreshes = 0
    if load.graph:
        writer = RecordWriter(folder / "graph.arrow")
        for record in _graphs(load, dates, numbers, first):
            writer.append(record)
            refreshes += 1
        files["graph"] = writer.finish()
    regime = np.random.default_rng(1).standard_normal((load.days, load.regimes)).round(6)
    all_known = pack_bits(np.ones(load.features + 1, dtype=bool))
    write_manifest(
        folder,
        Manifest(
            format=FORMAT,
            digest=folder.name,
            source="noise",
            schema={
                k: v for k, v in asdict(PanelSchema()).items() if k != "label_end"
            },  # as without the column
            options={
                k: v for k, v in asdict(CacheOptions(dtype="float16", rank=["x_*"])).items() if k != "dir"
            },
            graph=graph,
            dates=tuple(dates),
            codes=tuple(f"{i:05d}" for i in range(load.listed)),
            features=load.feature_names,
            scaling=("rank",) * load.features,
            half=(True,) * load.features,
            horizons=HORIZONS,
            lag=0,
            delayed=False,
            oracle=False,
            returns=True,
            sectors=tuple(f"s{i}" for i in range(SECTORS)),
            exposures=(),
            regimes=load.regime_names,
            context=(),
            regime=tuple(tuple(day) for day in regime.tolist()),
            observed_rows=(load.stocks,) * load.days,
            universe_rows=(load.stocks,) * load.days,
            known=(all_known,) * load.days,
            telling=(pack_bits(np.ones(load.features, dtype=bool)),) * load.days,
            known_labels=((load.stocks,) * len(HORIZONS),) * load.days,
            calendar=(),
            infinite={},
            files=files,
            day_records=(("days", load.days),),
            graph_records=(("graph", refreshes),) if load.graph else (),
            sources=(),
        ),
    )
    return folder


def weekdays(count: int) -> list[date]:
    """The first weekdays from 2016-01-04 on."""
    every = (date(2016, 1, 4) + timedelta(days=i) for i in range(7 * (count // 5 + 2)))
    return [day for day in every if day.weekday() < 5][:count]


def _days(load: Load, numbers: np.ndarray, first: np.ndarray) -> Iterator[pa.RecordBatch]:
    rng = np.random.default_rng(0)
    rows, empty = load.stocks, np.empty((load.stocks, 0), dtype=np.float32)
    width = np.float32(np.sqrt(12))
    pool = [
        (width * (rng.random((rows, load.features), dtype=np.float32) - np.float32(0.5))).astype(np.float16)
        for _ in range(POOL_DAYS)
    ]
    fields: dict[str, Any] = dict.fromkeys(("features", "delayed_target", "oracle", "exposure"), empty)
    fields |= {"context": empty, "label_end": empty, "universe": np.ones(rows, dtype=np.bool_)}
    for day, start in enumerate(first.tolist()):
        returns = 0.02 * rng.standard_normal((rows, len(HORIZONS) + 1), dtype=np.float32)
        number = numbers[start : start + rows]
        yield encode_day(
            {
                **fields,
                "number": number,
                "half_features": np.roll(pool[day % POOL_DAYS], 7 * day + 1, axis=0),
                "sector": (number % SECTORS).astype(np.int16),
                "return_1d": returns[:, 0],
                "target": returns[:, 1:],
            }
        )


def _graphs(
    load: Load, dates: list[date], numbers: np.ndarray, first: np.ndarray
) -> Iterator[pa.RecordBatch]:
    rng, options = np.random.default_rng(2), GraphOptions()
    for day in refresh_indices(dates, [load.stocks] * load.days, options.refresh_days).tolist():
        members = numbers[first[day] : first[day] + load.stocks]
        neighbour = members[rng.integers(0, load.stocks, (load.stocks, options.width))]
        weight = rng.random((load.stocks, 2 * options.width), dtype=np.float32)
        columns = [pa.array(members), fixed_lists(neighbour), fixed_lists(weight)]
        yield pa.RecordBatch.from_arrays(columns, names=["number", "neighbour", "weight"])
