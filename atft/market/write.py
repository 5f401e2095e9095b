"""The market as a panel file: the default column names, sorted by (date, code), whole days to a row group.

The same options write the same bytes; options, digest and the oracle's score are in the Parquet metadata.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atft.files.output_path import check_panel_out
from atft.market.options import PARTS, MarketOptions, market_columns, market_digest
from atft.market.series import Array
from atft.market.simulate import Market, simulate_market

ROWS_PER_GROUP = 20_000


@dataclass(frozen=True)
class MarketReport:
    """What was written, and how much of it can be known in advance."""

    path: Path
    options: MarketOptions
    rows: int
    oracle_ic: dict[int, float]
    """Horizon to the mean daily IC of the best possible score, the oracle. Also on the noise-only twin, of
    the score that would have been best, and near 0 there."""
    part_ic: dict[int, list[float]]
    """The same of each part alone."""

    def __str__(self) -> str:
        """Several lines: rows, then the oracle of each horizon with its four parts."""
        size = f"{self.rows:,} rows, {self.options.days:,} days, {self.options.stocks:,} stocks"
        lines = [f"{self.path}: {size} ({market_digest(self.options)})"]
        for horizon, ic in self.oracle_ic.items():
            alone = zip(PARTS, self.part_ic[horizon], strict=True)
            parts = ", ".join(f"{name} {value:.3f}" for name, value in alone)
            lines.append(f"{horizon:>3}d: best possible IC {ic:.3f} (alone: {parts})")
        return "\n".join(lines)


def mean_ic(score: Array, target: Array, valid: NDArray[np.bool_]) -> float:
    """Average the daily Pearson correlation of score and target [days, stocks] over the days that have one.

    Stocks count where they are valid and both are known; NaN where no day has two different ones.
    """
    valid = valid & np.isfinite(score) & np.isfinite(target)
    count = np.maximum(valid.sum(1, keepdims=True), 1)

    def center(x: Array) -> Array:
        x = np.where(valid, x, 0)
        return np.where(valid, x - x.sum(1, keepdims=True) / count, 0)

    a, b = center(score), center(target)
    length = np.sqrt((a**2).sum(1) * (b**2).sum(1))
    ranked = length > 0
    return float(((a * b).sum(1)[ranked] / length[ranked]).mean()) if ranked.any() else float("nan")


def write_market(out: Path, options: MarketOptions) -> MarketReport:
    """Simulate a market and publish it as one Parquet file (0.5 s for the default), replacing the one at ``out``.

    Raises InputError where the options are out of range, or the file has another suffix than Parquet's or cannot
    be written.
    """
    check_panel_out(out, "simulate: out")
    market = simulate_market(options)
    oracle_ic, part_ic = {}, {}
    for h in options.horizons:
        target = market.columns[f"target_{h}d"]
        oracle_ic[h] = mean_ic(market.oracle(h), target, market.universe)
        part_ic[h] = [mean_ic(part, target, market.universe) for part in market.oracle_parts[h]]
    _write(out, market, oracle_ic)
    return MarketReport(out, options, int(market.observed.sum()), oracle_ic, part_ic)


def _write(out: Path, market: Market, oracle_ic: dict[int, float]) -> None:
    import pyarrow as pa

    from atft.files.parquet import table_file

    names = market_columns(market.options)
    special = {"date": pa.date32(), "code": pa.string(), "sector": pa.string(), "universe": pa.bool_()}
    metadata = {
        "atft.market": json.dumps(asdict(market.options), sort_keys=True),
        "atft.market.digest": market_digest(market.options),
        "atft.market.oracle_ic": json.dumps(oracle_ic),
    }
    schema = pa.schema([pa.field(name, special.get(name, pa.float32())) for name in names], metadata=metadata)
    sector = np.array([f"sector_{s}" if s >= 0 else None for s in market.sector], dtype=object)
    code, dates = np.array(market.codes, dtype=object), np.array(market.dates, dtype="datetime64[D]")
    # Whole days to a row group, so that a reader streams days in bounded memory.
    step = max(1, ROWS_PER_GROUP // market.options.stocks)
    with table_file(out, compression="zstd") as append:
        for first in range(0, market.options.days, step):
            days = slice(first, first + step)
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
