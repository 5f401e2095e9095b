"""Hostile price files: each is declined in one line, or gives the panel of the prices that it means, bit by bit.

The prices that a file means are written as a plain Parquet file and go the same way; files that can mean none must
be declined. Rows that a gate leaves out are absent from the meaning.
"""

import random
from collections.abc import Callable
from pathlib import Path

import polars as pl

from atft.features.build import build_panel
from atft.features.options import FeatureOptions
from benchmarks.attacks.content import canonical, difference
from benchmarks.attacks.prices_tables import TABLES
from benchmarks.attacks.prices_text import TEXTS
from benchmarks.attacks.sound import price_frame
from benchmarks.attacks.verdict import Result, observe

CASES = {**TEXTS, **TABLES}
COUNT, LIMIT_SECONDS = len(CASES), 60.0
OPTIONS = FeatureOptions(min_history_days=20, min_traded_value=0, horizons=[1, 5])


def panel_of(prices: Path, out: Path) -> pl.DataFrame:
    """The panel that `features` makes of a price file, its rows in one order."""
    build_panel(prices, out, OPTIONS)
    return canonical(pl.read_parquet(out))


def prepare(folder: Path) -> Callable[[random.Random, int, Path], Result]:
    """Make the sound panel; attack ``number`` is the case of that place."""
    frame = price_frame(days=280)
    frame.write_parquet(folder / "prices.parquet")
    sound = panel_of(folder / "prices.parquet", folder / "panel.parquet")
    names = list(CASES)

    def attack(rng: random.Random, number: int, place: Path) -> Result:
        name = names[number]
        path, meaning = CASES[name](frame, place)
        out = place / "panel.parquet"

        def use() -> str:
            actual = panel_of(path, out)
            if meaning is None:
                return "accepted"
            if meaning is frame:
                return difference(actual, sound)
            meaning.write_parquet(place / "meaning.parquet")
            return difference(actual, panel_of(place / "meaning.parquet", place / "right.parquet"))

        return observe(name, use, lambda: ", ".join(p.name for p in place.glob("*panel.parquet*")))

    return attack
