"""Prices to panel: read, pass the gates, make features block by block, write.

A block is some hundred days of all stocks; each block reads the 260 days before it again, which costs a third
more arithmetic and keeps the memory independent of the panel's length. Within a block a few dozen stocks at a
time stay in the processor's cache. The bits of a feature depend on neither of the two.

NumPy on dense grids, not Polars' rolling expressions, because it was measured: see benchmarks/features.py.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import date
from pathlib import Path

import numpy as np

from atft.errors import InputError
from atft.features.averages import average_features
from atft.features.beta import beta_features
from atft.features.calendar import on_trading_days
from atft.features.gates import Tape, pass_gates
from atft.features.history import REACH_DAYS, History
from atft.features.options import FeatureOptions, PanelReport
from atft.features.path import path_features
from atft.features.position import position_features
from atft.features.prices import PriceGrid, read_prices
from atft.features.regime import regime_columns
from atft.features.relative import relative_features, relative_names
from atft.features.returns import return_features
from atft.features.screen import STOCKS_AT_ONCE, Screen, screen_stocks
from atft.features.spread import SpreadCheck
from atft.features.table import PanelWriter
from atft.features.targets import forward_returns
from atft.features.trend import trend_features
from atft.features.volatility import volatility_features
from atft.features.volume import price_volume_features, volume_features
from atft.features.windows import Series
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
# A block's features are held in memory: 1.5 M cells x some 150 features in float32 are 1 GB.
BLOCK_CELLS = 1_500_000


def stock_features(past: History) -> Iterator[tuple[str, Series]]:
    """Yield every feature that reads one stock's past (and the market's), family by family."""
    with np.errstate(all="ignore"):
        for family in FAMILIES:
            yield from family(past)


def feature_names() -> list[str]:
    """The ``x_*`` columns, in file order."""
    nothing = np.full((2, 1), np.nan)
    empty = History(*[nothing] * 9)
    return [name for name, _ in stock_features(empty)] + relative_names()


def build_panel(
    prices: Path,
    out: Path,
    options: FeatureOptions | None = None,
    block_days: int | None = None,
    today: date | None = None,
) -> PanelReport:
    """Turn daily prices into a panel with features, targets, exposures, regimes and a universe flag.

    Every column but the targets is known at its day's close. Unknown values are null, never NaN or infinite.

    Args:
        prices: Parquet or CSV with date, code, open, high, low, close, volume, optional sector.
        out: the Parquet file to write, sorted by (date, code), row groups of whole consecutive days.
        options: universe, horizons and gates.
        block_days: days that are made at once; by default as many as keep a block near 1 GB. The file's
            values do not depend on it.
        today: later dates are an error; null is the date of this computer.

    Raises:
        InputError: the prices cannot be used, the universe is empty, features have no spread across it, or
            the file cannot be written. Nothing is left behind.
    """
    options = options or FeatureOptions()
    options.check()
    exclusions: dict[str, int] = {}
    grid = on_trading_days(read_prices(prices, options, exclusions), options, prices, exclusions, today)
    tape = pass_gates(grid, options, prices, exclusions)
    if not tape.kept.any():
        raise InputError(f"{prices}: no row passes the gates ({exclusions}); correct it or loosen a gate")
    screen = screen_stocks(grid, tape, options)
    if not screen.universe.any():
        raise InputError(
            f"{prices}: no stock is ever in the universe; lower min_close ({options.min_close:g}), "
            f"min_traded_value ({options.min_traded_value:g}) or min_history_days ({options.min_history_days})"
        )
    days, stocks = grid.close.shape
    step = block_days or max(1, BLOCK_CELLS // stocks)
    names = feature_names()
    regimes = regime_columns(screen, grid.calendar)
    check = SpreadCheck(names)
    filling = np.zeros(days, dtype=bool)
    for gap in grid.inserted:
        filling[gap : gap + REACH_DAYS] = True
    # Parquet encoding leaves Python's lock: one block is written while the next is made.
    with PanelWriter(out) as writer, ThreadPoolExecutor(1) as pool:
        written: Future[None] | None = None
        for first in track(range(0, days, step), "features"):
            last = min(first + step, days)
            block = _block_features(grid, tape, screen, names, first, last)
            check.update(block, screen.universe[first:last], filling[first:last])
            columns, day = _columns(grid, tape, screen, regimes, names, block, first, last, options)
            if written is not None:
                written.result()
            written = pool.submit(writer.append, columns, day)
            del block, columns
        if written is not None:
            written.result()
        flat = check.flat(prices)
    unknown = {n: int((tape.kept & np.isnan(getattr(grid, n))).sum()) for n in ("open", "high", "volume")}
    unknown["high and low"] = unknown.pop("high")
    return PanelReport(
        out=str(out),
        rows=writer.rows,
        days=int(tape.kept.any(axis=1).sum()),
        stocks=int(tape.kept.any(axis=0).sum()),
        universe_rows=int(screen.universe.sum()),
        features=tuple(names),
        exclusions=exclusions,
        unknown=unknown,
        flat=flat,
        notes=(*grid.findings, *tape.notes),
    )


def past_of(grid: PriceGrid, tape: Tape, market: np.ndarray, first: int, last: int, some: slice) -> History:
    """Cut the history that the days first..last-1 of some stocks may read, lead-in included."""
    rows = slice(max(0, first - REACH_DAYS), last)
    kept, factor = tape.kept[rows, some], tape.factor[rows, some]

    def cut(of: np.ndarray) -> np.ndarray:
        return np.where(kept, of[rows, some].astype(np.float64), np.nan)

    close = cut(grid.close)
    return History(
        open=cut(grid.open) * factor,
        high=cut(grid.high) * factor,
        low=cut(grid.low) * factor,
        close=close * factor,
        volume=cut(grid.volume),
        raw_close=close,
        age=np.where(kept, tape.history[rows, some].astype(np.float64), np.nan),
        day=np.arange(rows.start, rows.stop, dtype=np.float64)[:, None],
        market=market[rows, None],
    )


def _block_features(
    grid: PriceGrid, tape: Tape, screen: Screen, names: Sequence[str], first: int, last: int
) -> np.ndarray:
    """Features float32 [features, days, stocks] of the days first..last-1."""
    stocks = len(grid.codes)
    block = np.empty((len(names), last - first, stocks), dtype=np.float32)
    own = len(names) - len(relative_names())
    for start in range(0, stocks, STOCKS_AT_ONCE):
        some = slice(start, start + STOCKS_AT_ONCE)
        past = past_of(grid, tape, screen.market, first, last, some)
        for i, (_, values) in enumerate(stock_features(past)):
            with np.errstate(all="ignore"):
                block[i, :, some] = values[first - last :]
    for i in range(own):
        block[i][~np.isfinite(block[i])] = np.nan
    base = dict(zip(names[:own], block[:own], strict=True))
    span = slice(first, last)
    more = relative_features(base, screen.tradable[span], grid.sector[span], len(grid.sectors))
    for i, values in enumerate(more.values()):
        block[own + i] = values
    return block


def _columns(
    grid: PriceGrid,
    tape: Tape,
    screen: Screen,
    regimes: dict[str, np.ndarray],
    names: Sequence[str],
    block: np.ndarray,
    first: int,
    last: int,
    options: FeatureOptions,
) -> tuple[dict[str, object], np.ndarray]:
    """The block's rows as columns in file order, and the day of each row."""
    import pyarrow as pa

    span = slice(first, last)
    cell = np.flatnonzero(tape.kept[span])
    day, stock = np.divmod(cell, len(grid.codes))

    def rows(of: np.ndarray) -> np.ndarray:
        return of.reshape(-1)[cell]

    sector = rows(grid.sector[span])
    columns: dict[str, object] = {
        "date": pa.array(grid.calendar, pa.date32()).take(pa.array(day + first)),
        "code": pa.array(grid.codes, pa.string()).take(pa.array(stock)),
        "sector": pa.array(grid.sectors, pa.string()).take(pa.array(sector, mask=sector < 0)),
        "universe": rows(screen.universe[span]),
    }
    feature = {name: rows(block[i]) for i, name in enumerate(names)}
    columns |= feature
    over = options.jump_labels == "keep"
    for suffix, lag in (("", options.lag), ("_lag1", 1)):
        for h in options.horizons:
            columns[f"target_{h}d{suffix}"] = rows(forward_returns(grid, tape, h, lag, first, last, over))
    with np.errstate(divide="ignore"):
        columns["exposure_size"] = rows(np.log(screen.mean_value[span]))
    columns["exposure_beta"] = feature["x_beta_250d"]
    columns["exposure_volatility"] = feature["x_volatility_60d"]
    columns |= {name: of[day + first] for name, of in regimes.items()}
    columns["return_1d"] = rows(screen.return_1d[span])
    with np.errstate(all="ignore"):
        columns["momentum_20d"] = np.expm1(feature["x_return_20d"])
        columns["traded_value"] = rows(grid.close[span] * grid.volume[span])
    return columns, day
