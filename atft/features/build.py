"""Prices to panel: read, check, make features block by block, write.

A block is some hundred days of all stocks; each block reads the 260 days before it again, which costs a third
more arithmetic and keeps the memory independent of the panel's length. Within a block a few dozen stocks at a
time stay in the processor's cache. The bits of a feature depend on neither of the two.

NumPy on dense grids, not Polars' rolling expressions, because it was measured: see benchmarks/features.py.
"""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool

from atft.errors import InputError, counted
from atft.features.calendar import DateCounts, count_dates, move_to_calendar, trading_days
from atft.features.checked_prices import STOCKS_AT_ONCE, CheckedPrices, History, past_of
from atft.features.levels import average_features, position_features, trend_features
from atft.features.options import FeatureOptions
from atft.features.panel_file import panel_columns, panel_file
from atft.features.panel_folder import (
    OURS,
    MonthFiles,
    check_same_features,
    is_folder,
    locked,
    publish_list,
    read_list,
)
from atft.features.panel_state import cut_prices, read_panel_state, state_after, tail_days, write_panel_state
from atft.features.price_store import write_prices
from atft.features.prices import PriceGrid, read_prices
from atft.features.regime import regime_columns
from atft.features.relative import beta_features, relative_features
from atft.features.returns import path_features, return_features
from atft.features.row_checks import check_rows
from atft.features.survivors import survivor_lines
from atft.features.unknown_prices import unknown_features
from atft.features.variation import day_variation, flat_features
from atft.features.volatility import volatility_features
from atft.features.volume import price_volume_features, volume_features
from atft.features.windows import Grid, Series
from atft.files.output_path import check_not_read, check_panel_out
from atft.files.panel_files import FOLDER_LIST
from atft.process.progress import track

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


class PricesOfPanel(NamedTuple):
    """The prices that a panel is made of, and what it needs of them to grow."""

    prices: CheckedPrices
    tail: PriceGrid
    """The last days as they were read."""
    counts: DateCounts
    """Of every date, trading day or not."""


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
            f"{self.out}: {counted(kept.sum(), 'row')}, {counted(kept.any(axis=1).sum(), 'day')}, "
            f"{counted(kept.any(axis=0).sum(), 'stock')}, "
            f"{len(self.features)} features; {counted(prices.universe.sum(), 'row')} in the universe",
        ]
        lines += [f"left out, {check}: {counted(count, 'row')}" for check, count in prices.exclusions.items()]
        lines += prices.notes
        lines += survivor_lines(kept, (prices.calendar[-1] - prices.calendar[0]).days / 365.25)
        if prices.missing:
            lines.append(f"no {', '.join(prices.missing)}: features made of them are left out")
        if "volume" in prices.missing:
            lines.append("no volume: the universe has no least traded value")
        for what, name in (("open", "open"), ("volume", "volume"), ("high and low", "high")):
            if name not in prices.missing:
                unknown = (kept & np.isnan(getattr(prices, name))).sum()
                lines.append(f"taken as missing, {what}: {counted(unknown, 'row')}")
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
    the targets is known at its day's close. Unknown values are null, never NaN or infinite. Rows are sorted by
    (date, code), in row groups of whole consecutive days. ``out`` with a suffix is one file; without one it is a
    folder of a file a month, to which `append_prices` appends.

    Raises:
        InputError: the prices cannot be used, the universe is empty, features do not vary across it, or the file
            cannot be written. No file is left behind; in a folder, the next writer removes what was not published.
    """
    options = options or FeatureOptions()
    check_not_read(out, [path], "features: out")
    if not is_folder(out):
        check_panel_out(out, "features: out")
    read = read_prices(path, options)
    if len(read.calendar) < 2:
        raise InputError(f"{path}: only one trading day, {read.calendar[0]}; a panel needs at least two")
    if is_folder(out):
        return build_folder(read, out, options, today)
    prices = checked_prices(read, options, today).prices
    # Parquet encoding leaves Python's lock: one block is written while the next is made.
    with panel_file(out) as append:
        names, variation = write_blocks(prices, append)
        flat = flat_features(path, names, variation, prices.ranked, prices.inserted)
    return PanelReport(out, prices, names, flat)


def build_folder(
    read: PriceGrid,
    out: Path,
    options: FeatureOptions,
    today: date | None = None,
) -> PanelReport:
    """Build a panel that grows from all of its prices; see `build_panel`."""
    checked = checked_prices(read, options, today)  # raises before anything is created
    with locked(out):
        _check_ours(out)
        return write_folder(read, checked, out, options)


def write_folder(
    read: PriceGrid,
    checked: PricesOfPanel,
    out: Path,
    options: FeatureOptions,
    unchanged: date | None = None,
) -> PanelReport:
    """Write a panel that grows from all of its prices; the caller has the folder's lock.

    With ``unchanged`` the folder has the panel up to that date of the same prices: its months are not made again.

    Args:
        read: the prices as they were read.
        checked: what `checked_prices` made of them.
    """
    prices, tail, counts = checked
    months = MonthFiles(out)
    first, variation, kept = 0, [], []
    if unchanged is not None:
        # Checks run over all prices again, in seconds; the features of unchanged months are what takes minutes.
        listed = read_list(out)
        month = f"{unchanged:%Y-%m}"
        kept = [file for file in listed.months if file.month < month]
        first = sum(f"{day:%Y-%m}" < month for day in prices.calendar)
        variation = [read_panel_state(out, listed.state).variation[:, :, :first]]
    names, new = write_blocks(prices, months.append, first)
    months.finish()
    if unchanged is not None:
        check_same_features(out, listed, names)
    every = np.concatenate([*variation, new], axis=2)
    ranked = prices.ranked
    flat = flat_features(read.path, names, every, ranked, prices.inserted)
    publish_list(
        out,
        options,
        names,
        (*kept, *months.written),
        write_prices(out, read),
        write_panel_state(out, state_after(tail, prices, counts, every, ranked)),
    )
    return PanelReport(out, prices, names, flat)


def checked_prices(read: PriceGrid, options: FeatureOptions, today: date | None) -> PricesOfPanel:
    """Put prices on the calendar and check them.

    Raises:
        InputError: no row passes the checks, or no stock is ever in the universe.
    """
    counts = count_dates(read)
    on_calendar = move_to_calendar(read, trading_days(counts, options, read.path, today))
    tail = cut_prices(on_calendar, max(0, len(on_calendar.calendar) - tail_days(options)))
    # Adjusting rewrites the prices, which are also stored as they were read.
    prices = check_rows(cut_prices(on_calendar, 0) if options.splits == "adjust" else on_calendar, options)
    if not prices.kept.any():
        raise InputError(
            f"{read.path}: no row passes the checks ({prices.exclusions}); correct it or loosen a check"
        )
    if not prices.universe.any():
        raise InputError(
            f"{read.path}: no stock is ever in the universe; lower min_close ({options.min_close:g}), "
            f"min_traded_value ({options.min_traded_value:g}) or min_history_days ({options.min_history_days})"
        )
    return PricesOfPanel(prices, tail, counts)


def write_blocks(
    prices: CheckedPrices, append: Callable[[Mapping[str, Any], np.ndarray], None], first: int = 0
) -> tuple[tuple[str, ...], Bool[np.ndarray, "2 features days"]]:
    """Make the panel's columns of the days from index ``first`` on, and give them to ``append`` block by block.

    Returns:
        Names of the features, and where they vary; see `day_variation`.
    """
    days, stocks = prices.close.shape
    regimes = regime_columns(prices)
    variation = []
    names: tuple[str, ...] = ()
    step = max(1, BLOCK_CELLS // stocks)
    with ThreadPoolExecutor(1) as pool:
        written: Future[None] | None = None
        for start in track(range(first, days, step), "features"):
            end = min(start + step, days)
            features = _block_features(prices, start, end)
            names = tuple(features)
            variation.append(day_variation(list(features.values()), prices.universe[start:end]))
            columns, day = panel_columns(prices, features, regimes, start)
            if written is not None:
                written.result()
            written = pool.submit(append, columns, day)
            del features, columns
        if written is not None:
            written.result()
    return names, np.concatenate(variation, axis=2)


def _check_ours(out: Path) -> None:
    """Check that a folder has no other Parquet files: readers take all that a folder has."""
    if not (out / FOLDER_LIST).is_file():
        other = [path.name for path in out.glob("*.parquet") if not OURS.fullmatch(path.name)]
        if other:
            raise InputError(
                f"{out}: has files of another panel, as {other[0]}; name a new folder with --out"
            )


def _block_features(prices: CheckedPrices, first: int, last: int) -> dict[str, Grid]:
    """All features of the days first..last-1, by name, in file order."""
    days, stocks = slice(first, last), len(prices.codes)
    features: dict[str, Grid] = {}
    # Of stocks with a row: a feature of the others is in no file, and counts in no mean.
    present = np.flatnonzero(prices.kept[days].any(axis=0))
    for start in range(0, max(1, len(present)), STOCKS_AT_ONCE):
        some = present[start : start + STOCKS_AT_ONCE]
        for name, values in stock_features(past_of(prices, first, last, some)):
            if name not in features:
                features[name] = np.full((last - first, stocks), np.nan, dtype=np.float32)
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
    shape = past.close.shape
    return base | relative_features(base, np.ones(shape, dtype=bool), np.full(shape, -1, dtype=np.int32), 0)
