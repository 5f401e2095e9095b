"""Damage to a panel that the program wrote, and panels of another structure than a sound one.

Bytes are damaged in files of both writers (`features`, `simulate`). Structural edits (`panel_edits.py`) come with
the table that is right after them; what is accepted must be that table's cells to the bit.
"""

import random
from collections.abc import Callable
from pathlib import Path

import polars as pl

from atft.data.build import CacheOptions
from atft.data.graph import GraphOptions
from atft.data.loader import LoaderOptions
from atft.data.split import SplitOptions
from atft.features.build import build_panel
from atft.features.options import FeatureOptions
from atft.market.options import MarketOptions
from atft.market.write import write_market
from atft.tasks.day_data import DayData
from atft.tasks.panel_source import PanelOptions
from benchmarks.attacks.content import canonical, cells, content_digest, difference
from benchmarks.attacks.damage import damaged
from benchmarks.attacks.panel_edits import edit_panel
from benchmarks.attacks.sound import price_frame
from benchmarks.attacks.verdict import Result, observe

COUNT, LIMIT_SECONDS = 500, 60.0
GRAPH = GraphOptions(k=3, window=20, min_observations=10, sector_k=2)
SPLIT = SplitOptions(["2015-01-01", "2015-02-13"], ["2015-02-16", "2015-03-20"], embargo_days=1)
LATE_SPLIT = SplitOptions(["2015-12-20", "2016-01-15"], ["2016-01-18", "2016-01-28"], embargo_days=1)
"""For the panel whose features read 250 days."""


def prepare(folder: Path) -> Callable[[random.Random, int, Path], Result]:
    """Write a panel with each writer; the attack on copies of them."""
    market, features = folder / "market.parquet", folder / "features.parquet"
    write_market(market, MarketOptions(stocks=30, days=60, features=18))
    price_frame(stocks=21, days=280).write_parquet(folder / "prices.parquet")
    loose = FeatureOptions(min_history_days=20, min_traded_value=0, horizons=[1, 5])
    build_panel(folder / "prices.parquet", features, loose)

    def built(panel: Path, root: Path, split: SplitOptions = SPLIT) -> Path:
        loader = LoaderOptions(lookback=3)
        data = DayData(
            PanelOptions(str(panel)), split, loader, CacheOptions(dir=str(root)), GRAPH, None, [1, 5]
        )
        data.prepare_training()
        return data.open_cache().path

    def digest(panel: Path, root: Path) -> str:
        split = SPLIT if panel.name == market.name else LATE_SPLIT
        return content_digest(built(panel, root, split), of_self=False)

    right = {p: digest(p, folder / "caches") for p in (market, features)}
    sound = pl.read_parquet(market)

    def damage(rng: random.Random, place: Path) -> Result:
        panel = rng.choice((market, features))
        after, way = damaged(rng, panel.read_bytes())
        (place / panel.name).write_bytes(after)

        def use() -> str:
            same = digest(place / panel.name, place / "cache") == right[panel]
            return "" if same else "another content than the sound panel's"

        return observe(f"{panel.name}: {way}", use, lambda: _left(place))

    def edit(rng: random.Random, place: Path) -> Result:
        what, expected = edit_panel(rng, sound, place / "panel")

        def use() -> str:
            path = built(place / "panel", place / "cache")
            if expected is None:
                return "accepted"
            return difference(cells(path), canonical(expected))

        return observe(what, use, lambda: _left(place))

    return lambda rng, number, place: (damage if number % 2 else edit)(rng, place)


def _left(place: Path) -> str:
    """What a panel that was not accepted must not leave: a part of a cache."""
    return ", ".join(p.name for p in (place / "cache").glob(".*"))
