"""Prices to panel: read, check, make features block by block, write.

A block is some hundred days of all stocks; each block reads the 260 days before it again, which costs a third
more arithmetic and keeps the memory independent of the panel's length. Within a block a few dozen stocks at a
time stay in the processor's cache. The bits of a feature depend on neither of the two.

NumPy on dense grids, not Polars' rolling expressions, because it was measured: see benchmarks/features.py.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np

from atft.errors import InputError
from atft.features.calendar import on_trading_days
from atft.features.checked_prices import REACH_DAYS, STOCKS_AT_ONCE, CheckedPrices, History, past_of
from atft.features.levels import average_features, position_features, trend_features
from atft.features.options import FeatureOptions
from atft.features.panel_file import panel_columns, panel_file
from atft.features.prices import read_prices
from atft.features.regime import regime_columns
from atft.features.relative import beta_features, relative_features
from atft.features.returns import path_features, return_features
from atft.features.row_checks import check_rows
from atft.features.unknown_prices import unknown_features
from atft.features.variation import day_variation, flat_features
from atft.features.volatility import volatility_features
from atft.features.volume import price_volume_features, volume_features
from atft.features.windows import Grid, Series
from atft.progress import track

FAMILIES: tuple[Callable[[History], Iterator[tuple[str, Series]]], ...] = (
    return_features,
    path_features,
    average_features,
    trend_features,
    volatility_features,
    position_features,
    volume_features,
    price_volume_features,
    beta_features,
)
BLOCK_CELLS = 1_500_000
"""Days x stocks of a block: some 150 features of it in float32 are 1 GB. No value in the file depends on it."""


def stock_features(past: History) -> Iterator[tuple[str, Series]]:
    """Yield every feature that reads one stock's past (and the market's), family by family."""
    with np.errstate(all="ignore"):
        for family in FAMILIES:
            yield from family(past)


@dataclass(frozen=True)
class PanelReport:
    """What was written and what was left out."""

    out: Path
    prices: CheckedPrices
    features: tuple[str, ...]
    """The ``x_*`` columns, in file order."""
    flat: tuple[str, ...]
    """Features that are the same for all stocks on more than 5 % of the days (a few are tolerated)."""

    def lines(self) -> list[str]:
        """The report as text, a fact a line. A row is counted once, at the first check that it fails."""
        prices, kept = self.prices, self.prices.kept
        lines = [
            prices.layout,
            f"{self.out}: {kept.sum():,} rows, {kept.any(axis=1).sum():,} days, {kept.any(axis=0).sum():,} stocks, "
            f"{len(self.features)} features; {prices.universe.sum():,} rows in the universe",
        ]
        lines += [f"left out, {check}: {count:,} rows" for check, count in prices.exclusions.items()]
        lines += prices.notes
        if prices.missing:
            lines.append(f"no {', '.join(prices.missing)}: features made of them are left out")
        if "volume" in prices.missing:
            lines.append("no volume: the universe has no least traded value")
        for what, name in (("open", "open"), ("volume", "volume"), ("high and low", "high")):
            if name not in prices.missing:
                unknown = (kept & np.isnan(getattr(prices, name))).sum()
                lines.append(f"taken as missing, {what}: {unknown:,} rows")
        if self.flat:
            lines.append(f"the same for all stocks on more than 5 % of days: {', '.join(self.flat)}")
        return lines


def build_panel(
    path: Path,
    out: Path,
    options: FeatureOptions | None = None,
    today: date | None = None,
) -> PanelReport:
    """Turn daily prices into a panel with features, targets, exposures, regimes and a universe flag.

    The prices are a file, a folder or a glob, of any layout that `atft.features.price_rows` reads. Every column but
    the targets is known at its day's close. Unknown values are null, never NaN or infinite. The file is sorted by
    (date, code), in row groups of whole consecutive days.

    Raises:
        InputError: the prices cannot be used, the universe is empty, features do not vary across it, or the file
            cannot be written. Nothing is left behind.
    """
    options = options or FeatureOptions()
    prices = check_rows(on_trading_days(read_prices(path, options), options, today), options)
    if not prices.kept.any():
        raise InputError(
            f"{path}: no row passes the checks ({prices.exclusions}); correct it or loosen a check"
        )
    if not prices.universe.any():
        raise InputError(
            f"{path}: no stock is ever in the universe; lower min_close ({options.min_close:g}), "
            f"min_traded_value ({options.min_traded_value:g}) or min_history_days ({options.min_history_days})"
        )
    days, stocks = prices.close.shape
    regimes = regime_columns(prices)
    filling = np.zeros(days, dtype=bool)
    for gap in prices.inserted:
        filling[gap : gap + REACH_DAYS] = True
    variation = []
    step = max(1, BLOCK_CELLS // stocks)
    # Parquet encoding leaves Python's lock: one block is written while the next is made.
    with panel_file(out) as append, ThreadPoolExecutor(1) as pool:
        written: Future[None] | None = None
        for first in track(range(0, days, step), "features"):
            last = min(first + step, days)
            features = _block_features(prices, first, last)
            names = tuple(features)
            variation.append(day_variation(list(features.values()), prices.universe[first:last]))
            columns, day = panel_columns(prices, features, regimes, first)
            if written is not None:
                written.result()
            written = pool.submit(append, columns, day)
            del features, columns
        if written is not None:
            written.result()
        flat = flat_features(path, names, np.concatenate(variation, axis=2), prices.universe, filling)
    return PanelReport(out, prices, names, flat)


def _block_features(prices: CheckedPrices, first: int, last: int) -> dict[str, Grid]:
    """All features of the days first..last-1, by name, in file order."""
    days, stocks = slice(first, last), len(prices.codes)
    features: dict[str, Grid] = {}
    for start in range(0, stocks, STOCKS_AT_ONCE):
        some = slice(start, start + STOCKS_AT_ONCE)
        for name, values in stock_features(past_of(prices, first, last, some)):
            if name not in features:
                features[name] = np.empty((last - first, stocks), dtype=np.float32)
            with np.errstate(all="ignore"):
                features[name][:, some] = values[first - last :]
    for grid in features.values():
        grid[~np.isfinite(grid)] = np.nan
    sector, sectors = prices.sector[days], len(prices.sectors)
    features |= relative_features(features, prices.tradable[days], sector, sectors)
    unknown = unknown_features(prices.missing, _every_feature)
    return {name: values for name, values in features.items() if name not in unknown}


def _every_feature(past: History) -> dict[str, Grid]:
    """All features of stocks without sectors, of which all are tradable."""
    base = {name: values.astype(np.float32) for name, values in stock_features(past)}
    stocks = past.close.shape
    return base | relative_features(base, np.ones(stocks, dtype=bool), np.full(stocks, -1, dtype=np.int32), 0)
