"""The market as a panel file: the default column names, sorted by (date, code), whole days to a row group.

The file is written beside its place and renamed into it, so that what lies there is always complete; the same
options write the same bytes. The options, their digest and the oracle's score stand in the Parquet metadata.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from atft.market.factors import Array
from atft.market.options import PARTS, MarketOptions, market_columns, market_digest
from atft.market.simulate import Market, simulate_market

ROWS_PER_GROUP = 20_000


@dataclass(frozen=True)
class MarketReport:
    """What was written, and how much of it can be known in advance."""

    path: Path
    rows: int
    days: int
    stocks: int
    digest: str
    oracle_ic: dict[int, float]
    """Horizon to the mean daily IC of the best possible score, the oracle. Also on the noise-only twin, of
    the score that would have been best, and near 0 there."""
    part_ic: dict[int, dict[str, float]]
    """The same of each part alone."""

    def __str__(self) -> str:
        """Several lines: rows, then the oracle of each horizon with its four parts."""
        size = f"{self.rows:,} rows, {self.days:,} days, {self.stocks:,} stocks"
        lines = [f"{self.path}: {size} ({self.digest})"]
        for horizon, ic in self.oracle_ic.items():
            parts = ", ".join(f"{name} {value:.3f}" for name, value in self.part_ic[horizon].items())
            lines.append(f"{horizon:>3}d: best possible IC {ic:.3f} (alone: {parts})")
        return "\n".join(lines)


def mean_ic(score: Array, target: Array, valid: np.ndarray[Any, np.dtype[np.bool_]]) -> float:
    """Average the daily Pearson correlation of score and target over the days that have one.

    Args:
        score: [days, stocks].
        target: [days, stocks], NaN where unknown.
        valid: [days, stocks]; stocks to count where both are known.

    Returns:
        The mean; NaN where no day has two different valid stocks.
    """
    valid = valid & np.isfinite(score) & np.isfinite(target)
    count = np.maximum(valid.sum(1, keepdims=True), 1)

    def center(x: Array) -> Array:
        x = np.where(valid, x, 0)
        return np.where(valid, x - x.sum(1, keepdims=True) / count, 0)

    a, b = center(score), center(target)
    spread = np.sqrt((a**2).sum(1) * (b**2).sum(1))
    ranked = spread > 0
    return float(((a * b).sum(1)[ranked] / spread[ranked]).mean()) if ranked.any() else float("nan")


def write_market(out: Path, options: MarketOptions) -> MarketReport:
    """Simulate a market and publish it as one Parquet file (0.5 s for the default).

    Args:
        out: path of the file; its folder is made, a file already there is replaced at the end.
        options: the market.

    Raises:
        InputError: the options are out of range, or the file cannot be written.
    """
    market = simulate_market(options)
    target = {h: market.columns[f"target_{h}d"] for h in options.horizons}
    report = MarketReport(
        path=out,
        rows=int(market.observed.sum()),
        days=options.days,
        stocks=options.stocks,
        digest=market_digest(options),
        oracle_ic={h: mean_ic(market.oracle(h), y, market.universe) for h, y in target.items()},
        part_ic={
            h: {
                name: mean_ic(part, y, market.universe)
                for name, part in zip(PARTS, market.oracle_parts[h], strict=True)
            }
            for h, y in target.items()
        },
    )
    _write(out, market, report)
    return report


def _write(out: Path, market: Market, report: MarketReport) -> None:
    import pyarrow as pa

    from atft.parquet import table_file

    names = market_columns(market.options)
    special = {"date": pa.date32(), "code": pa.string(), "sector": pa.string(), "universe": pa.bool_()}
    kept = {
        "atft.market": json.dumps(asdict(market.options), sort_keys=True),
        "atft.market.digest": report.digest,
        "atft.market.oracle_ic": json.dumps(report.oracle_ic),
    }
    fields = [pa.field(name, special.get(name, pa.float32())) for name in names]
    schema = pa.schema(fields, metadata=kept)
    sector = np.array([f"sector_{s}" if s >= 0 else None for s in market.sector], dtype=object)
    code, dates = np.array(market.codes, dtype=object), np.array(market.dates, dtype="datetime64[D]")
    with table_file(out, compression="zstd") as append:
        for days in _day_groups(market):
            day, stock = np.nonzero(market.observed[days])
            rows: dict[str, Any] = {
                "date": pa.array(dates[days][day]),
                "code": pa.array(code[stock], pa.string()),
                "sector": pa.array(sector[stock], pa.string()),
                "universe": pa.array(market.universe[days][day, stock]),
            }
            for name in names[len(rows) :]:
                value = market.columns[name][days][day, stock].astype(np.float32)
                rows[name] = pa.array(value, from_pandas=True)
            append(pa.table(rows, schema=schema), max(len(day), 1))


def _day_groups(market: Market) -> Iterator[slice]:
    step = max(1, ROWS_PER_GROUP // market.options.stocks)
    for first in range(0, market.options.days, step):
        yield slice(first, first + step)
