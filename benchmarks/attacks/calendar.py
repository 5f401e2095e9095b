"""Faults planted into the calendar of prices and panels: each is one line, or the result is right to the bit.

Every fault is tried with the default options, and once more with the gates set as a user would who knows what
happened: what is no session is left out, a session of few rows is kept. Of prices, what `features` makes is
compared with the panel of the sound prices; of panels, the cache with the sound one.
"""

import random
from collections.abc import Callable
from dataclasses import fields
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from atft.data.build import CacheOptions, build_cache
from atft.data.cache import DayCache
from atft.features.build import build_panel
from atft.features.options import FeatureOptions
from atft.panel import PanelSchema
from benchmarks.attacks.calendar_faults import DAY, FAULTS, HOLIDAYS, sound_prices
from benchmarks.attacks.content import canonical, cells, difference
from benchmarks.attacks.verdict import Result, observe

EXCLUDED = {"rare_weekdays": "exclude", "thin_days": "exclude"}
KEEP_RULES = {"rare_weekdays": "keep", "thin_days": "keep"}
EXCLUDING = {"calendar": EXCLUDED, "frozen": "exclude", "splits": "adjust"}
KEEPING = EXCLUDING | {"calendar": KEEP_RULES}
SESSIONS = (
    "ten days",
    "a day",
    "two days",
    "a week of",
    "the last day",
    "a session",
    "a Friday dated",
    "panel: a day",
)
"""Beginnings of the faults whose odd days are sessions that lost rows or prices."""
STALE = "a session of the day before's prices"
"""No option makes it right: by default it is an error."""
LABELS = [f"target_{h}d{lag}" for h in (1, 5) for lag in ("", "_lag1")] + ["return_1d"]
SUMMER = DAY.is_between(date(2015, 6, 1), date(2015, 8, 31))
TUESDAY, SATURDAY = date(2015, 8, 4), date(2015, 8, 8)


def _moved(frame: pl.DataFrame, day: date, stocks: int) -> pl.DataFrame:
    """The panel with rows of some stocks dated ``day`` that are copies of the day before."""
    before = frame.filter(day > DAY)["date"].max()
    extra = frame.filter(before == DAY).head(stocks).with_columns(date=pl.lit(day))
    return pl.concat([frame, extra]).sort("date", "code")


def _unknown_rows(frame: pl.DataFrame, day: date) -> pl.DataFrame:
    known = pl.selectors.float()
    rows = frame.filter(frame["date"].max() == DAY).with_columns(
        known.cast(pl.Float32).replace_strict({}, default=None)
    )
    return pl.concat([frame, rows.with_columns(date=pl.lit(day), universe=False)]).sort("date", "code")


PANELS: dict[str, Callable[[pl.DataFrame], pl.DataFrame]] = {
    "panel: three stocks on a Saturday": lambda f: _moved(f, SATURDAY, 3),
    "panel: all stocks on a Saturday": lambda f: _moved(f, SATURDAY, 30),
    "panel: three stocks on a holiday": lambda f: _moved(f, HOLIDAYS[2], 3),
    "panel: a row in 2099": lambda f: _moved(f, date(2099, 1, 2), 1),
    "panel: a Saturday of unknown rows": lambda f: _unknown_rows(f, SATURDAY),
    "panel: a holiday of unknown rows": lambda f: _unknown_rows(f, HOLIDAYS[2]),
    "panel: three months missing": lambda f: f.filter(~SUMMER),
    "panel: three months of two stocks": lambda f: f.filter(~SUMMER | (pl.col("code") < "1302")),
    "panel: a day of two stocks": lambda f: f.filter((TUESDAY != DAY) | (pl.col("code") < "1302")),
    "panel: a row of year 1": lambda f: _moved(f, f["date"].min() + timedelta(days=1), 1).with_columns(
        date=pl.when(pl.int_range(pl.len()) == 40).then(pl.lit(date(1, 1, 1))).otherwise(DAY)
    ),
}
CASES = [*FAULTS, *PANELS]
COUNT, LIMIT_SECONDS = 2 * len(CASES), 60.0


def _options(kind: Any, wanted: dict[str, str]) -> dict[str, str]:
    names = {f.name for f in fields(kind)}
    return {k: v for k, v in wanted.items() if k in names}


def prepare(folder: Path) -> Callable[[random.Random, int, Path], Result]:
    """Make the sound panel and its cache; the attack plants the fault of its number."""
    usual: dict[str, Any] = {"min_history_days": 20, "min_traded_value": 0, "horizons": [1, 5]}
    prices = sound_prices()
    prices.write_parquet(folder / "prices.parquet")
    build_panel(folder / "prices.parquet", folder / "panel.parquet", FeatureOptions(**usual))
    panel = pl.read_parquet(folder / "panel.parquet")
    sound = canonical(panel)

    def cache_of(path: Path, root: Path, more: dict[str, str]) -> Path:
        return build_cache(path, PanelSchema(), [1, 5], CacheOptions(dir=str(root), **more), None)

    sound_cache = cache_of(folder / "panel.parquet", folder / "caches", {})
    calendar, right = DayCache(sound_cache).manifest.dates, cells(sound_cache)

    def of_prices(name: str, more: dict[str, str], place: Path) -> str:
        planted = FAULTS[name](prices)
        planted.prices.write_parquet(place / "prices.parquet")
        options = FeatureOptions(**{**usual, **_options(FeatureOptions, more)})
        build_panel(place / "prices.parquet", place / "panel.parquet", options)
        return planted.check(canonical(pl.read_parquet(place / "panel.parquet")), sound)

    def of_panels(name: str, more: dict[str, str], place: Path) -> str:
        planted = PANELS[name](panel)
        planted.write_parquet(place / "panel.parquet")
        path = cache_of(place / "panel.parquet", place / "caches", _options(CacheOptions, more))
        manifest = DayCache(path).manifest
        dates = manifest.dates
        there = set(planted["date"])
        extra = [
            d for d, rows in zip(dates, manifest.observed_rows, strict=True) if rows and d not in calendar
        ]
        if extra:
            return f"{extra[0]} is a trading day"
        # Days of the file that were left out, or inserted without rows, are no wrong ones.
        before = [d for d in calendar if d <= date(2015, 5, 29)]
        missing = [d for d in calendar if d not in dates]
        if missing and not set(missing) & there and len(missing) > 10:
            return f"{len(missing)} missing days are not on the calendar: windows straddle them after {before[-1]}"
        rows = cells(path).filter(DAY.is_in(list(calendar)))
        expected = right.join(rows.select("date", "code"), on=["date", "code"], how="semi")
        if any("gaps" in line for line in manifest.calendar):
            # What straddles a gap is unknown.
            expected = expected.with_columns(pl.when(rows[n].is_not_null()).then(pl.col(n)) for n in LABELS)
        return difference(rows, expected)

    def attack(rng: random.Random, number: int, place: Path) -> Result:
        name, more, how = CASES[number % len(CASES)], {}, ""
        if number >= len(CASES) and name != STALE:
            keep = name.startswith(SESSIONS)
            more, how = (KEEPING, ", keeping") if keep else (EXCLUDING, ", excluding")
        use = of_prices if name in FAULTS else of_panels
        what = name + how
        return observe(what, lambda: use(name, more, place))

    return attack
