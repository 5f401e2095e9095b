"""The panel: its columns (features, labels, exposures, regimes, context) and the Parquet file that they become.

Row groups are whole consecutive days. LZ4: returns are noise in most of their bits, so zstd's file is only 10 %
smaller, takes a third longer to write and twice as long to read.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from atft.features.checked_prices import CheckedPrices
from atft.features.windows import Grid

GROUP_ROWS = 131_072
NO_FLOATS = ["date", "code", "sector", "universe"]
"""Columns whose dictionary and statistics save more bytes than they take."""
OF_VOLUME = ("exposure_size", "traded_value", "regime_activity_60d")
"""Columns beside the features that are made of close times volume."""
PARQUET_OPTIONS: dict[str, Any] = {
    "compression": "lz4",
    "use_dictionary": NO_FLOATS,
    "write_statistics": NO_FLOATS,
}


def panel_columns(
    prices: CheckedPrices, features: Mapping[str, Grid], regimes: Mapping[str, np.ndarray], first: int
) -> tuple[dict[str, Any], np.ndarray]:
    """Lay some days out as columns, and name the day of each row.

    ``features`` are those of the days from index ``first`` on, prices and ``regimes`` of the whole calendar.
    """
    import pyarrow as pa

    last = first + len(next(iter(features.values())))
    span = slice(first, last)
    cell = np.flatnonzero(prices.kept[span])
    day, stock = np.divmod(cell, len(prices.codes))

    def rows(of: np.ndarray) -> np.ndarray:
        return of.reshape(-1)[cell]

    sector = rows(prices.sector[span])
    columns: dict[str, Any] = {
        "date": pa.array(prices.calendar, pa.date32()).take(pa.array(day + first)),
        "code": pa.array(prices.codes, pa.string()).take(pa.array(stock)),
        "sector": pa.array(prices.sectors, pa.string()).take(pa.array(sector, mask=sector < 0)),
        "universe": rows(prices.universe[span]),
    }
    columns |= {name: rows(values) for name, values in features.items()}
    for name, (horizon, lag) in prices.options.labels.items():
        columns[name] = rows(forward_returns(prices, horizon, lag, first, last))
    # A row without a history has log(NaN) and the like: it stays NaN, as a feature that is not known.
    with np.errstate(all="ignore"):
        columns["exposure_size"] = rows(np.log(prices.mean_value[span]))
        columns["exposure_beta"] = columns["x_beta_250d"]
        columns["exposure_volatility"] = columns["x_volatility_60d"]
        columns |= {name: values[day + first] for name, values in regimes.items()}
        columns["return_1d"] = rows(prices.return_1d[span])
        columns["momentum_20d"] = np.expm1(columns["x_return_20d"])
        columns["traded_value"] = rows(prices.close[span] * prices.volume[span])
    for name in OF_VOLUME if "volume" in prices.missing else ():
        del columns[name]
    return columns, day


def forward_returns(prices: CheckedPrices, horizon: int, lag: int, first: int, last: int) -> Grid:
    """Return of buying at the close ``lag`` days on and selling ``horizon`` days later: the only labels.

    target[t] = close[t + lag + horizon] / close[t + lag] - 1, a fraction, of the closes as read, t counting the
    trading days of the panel's calendar (not the stock's rows). NaN where either close is missing, after the end
    or left out by a check, over an excluded jump or split, and over a gap of the calendar, whose sessions can only
    be guessed. For the days ``first`` to ``last - 1``.
    """
    days, stocks = prices.close.shape
    out = np.full((last - first, stocks), np.nan, dtype=np.float32)
    reach = max(0, min(last, days - lag - horizon) - first)
    buy = slice(first + lag, first + lag + reach)
    sell = slice(first + lag + horizon, first + lag + horizon + reach)
    known = prices.kept[buy] & prices.kept[sell] & (prices.jumps[buy] == prices.jumps[sell])
    with np.errstate(all="ignore"):
        ratio = prices.close[sell].astype(np.float64) / prices.close[buy].astype(np.float64)
        returns = (ratio - 1).astype(np.float32)
    for gap in prices.inserted:
        known[max(0, gap - lag - horizon - first) : max(0, gap - first)] = False
    out[:reach] = np.where(known & np.isfinite(returns), returns, np.float32(np.nan))
    return out


@contextmanager
def panel_file(out: Path) -> Iterator[Callable[[Mapping[str, Any], np.ndarray], None]]:
    """A context that gives a function to append days with; leaving it without an error publishes the file.

    The function takes the columns of some whole days after all days before, Arrow or NumPy arrays in file order
    (a float that is not finite becomes null, the one way to say unknown), and the day of each row, ascending.
    """
    from atft.files.parquet import table_file

    with table_file(out, **PARQUET_OPTIONS) as append:

        def append_days(columns: Mapping[str, Any], day: np.ndarray) -> None:
            if not len(day):
                return
            block = panel_table(columns)
            for start, end in day_groups(day):
                append(block.slice(start, end - start), end - start)

        yield append_days


def panel_table(columns: Mapping[str, Any]) -> Any:
    """Columns of the panel as an Arrow table; what is not finite is null."""
    import pyarrow as pa

    return pa.table({name: _nullable(values) for name, values in columns.items()})


def day_groups(day: np.ndarray) -> list[tuple[int, int]]:
    """First row of each row group and the row after its last, of rows with an ascending ``day``."""
    groups, start = [], 0
    ends = [*(np.flatnonzero(np.diff(day)) + 1).tolist(), len(day)]
    for end, after in zip(ends, [*ends[1:], None], strict=True):
        # A group closes before the day that would make it too large.
        if after is None or after - start > GROUP_ROWS:
            groups.append((start, end))
            start = end
    return groups


def _nullable(values: Any) -> Any:
    import pyarrow as pa

    if isinstance(values, np.ndarray) and values.dtype.kind == "f":
        return pa.array(values, mask=~np.isfinite(values))
    return values
