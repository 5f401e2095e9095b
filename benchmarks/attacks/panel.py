"""Damage to a panel that the program wrote, and panels of another structure than a sound one.

Bytes are damaged in files of both writers (`features`, `simulate`). Structural edits (`panel_edits.py`) come with
the table that is right after them; what is accepted must be that table's cells to the bit.
"""

import random
from collections.abc import Callable
from pathlib import Path

import polars as pl

from atft.data.build import CacheOptions, build_cache
from atft.data.graph import GraphOptions
from atft.features.build import build_panel
from atft.features.options import FeatureOptions
from atft.market.options import MarketOptions
from atft.market.write import write_market
from atft.panel import PanelSchema
from benchmarks.attacks.content import canonical, cells, content_digest, difference
from benchmarks.attacks.damage import damaged
from benchmarks.attacks.panel_edits import edit_panel
from benchmarks.attacks.sound import price_frame
from benchmarks.attacks.verdict import Result, observe

COUNT, LIMIT_SECONDS = 500, 60.0
GRAPH = GraphOptions(k=3, window=20, min_observations=10, sector_k=2)


def prepare(folder: Path) -> Callable[[random.Random, int, Path], Result]:
    """Write a panel with each writer; the attack on copies of them."""
    market, features = folder / "market.parquet", folder / "features.parquet"
    write_market(market, MarketOptions(stocks=30, days=60, features=18))
    price_frame(stocks=21, days=280).write_parquet(folder / "prices.parquet")
    loose = FeatureOptions(min_history_days=20, min_traded_value=0, horizons=[1, 5])
    build_panel(folder / "prices.parquet", features, loose)

    def built(panel: Path, root: Path) -> Path:
        return build_cache(panel, PanelSchema(), [1, 5], CacheOptions(dir=str(root)), GRAPH)

    right = {p: content_digest(built(p, folder / "caches"), of_self=False) for p in (market, features)}
    sound = pl.read_parquet(market)

    def damage(rng: random.Random, place: Path) -> Result:
        panel = rng.choice((market, features))
        after, way = damaged(rng, panel.read_bytes())
        (place / panel.name).write_bytes(after)

        def use() -> str:
            same = content_digest(built(place / panel.name, place / "cache"), of_self=False) == right[panel]
            return "" if same else "another content than the sound panel's"

        return observe(f"{panel.name}: {way}", use, lambda: _left(place))

    def edit(rng: random.Random, place: Path) -> Result:
        what, expected = edit_panel(rng, sound, place / "panel")

        def use() -> str:
            path = built(place / "panel", place / "cache")
            if expected is None:
                return "accepted"
            listed = expected.filter(pl.col("universe").any().over("code"))
            return difference(cells(path), canonical(listed))

        return observe(what, use, lambda: _left(place))

    return lambda rng, number, place: (damage if number % 2 else edit)(rng, place)


def _left(place: Path) -> str:
    """What a panel that was not accepted must not leave: a cache or a part of one."""
    return ", ".join(p.name for p in (place / "cache").glob("*"))
