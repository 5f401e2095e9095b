"""The gates that need a memory: frozen prices and jumps, judged day by day.

One pass over the calendar with a few numbers per stock. What a day's rows are judged by lies before that day,
so nothing that comes later can take a row away: no stock is dropped for a bad print that is yet to come.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float64, Int32

from atft.errors import InputError
from atft.features.options import FeatureOptions
from atft.features.prices import PriceGrid


@dataclass
class Tape:
    """What the gates know of each cell."""

    kept: Bool[np.ndarray, "days stocks"]
    """The stock has a row that passed every gate."""
    factor: Float64[np.ndarray, "days stocks"]
    """Prices times this are on one basis across excluded jumps; exactly 1 up to a stock's first jump."""
    jumps: Int32[np.ndarray, "days stocks"]
    """Excluded jumps up to and including the day."""
    history: Int32[np.ndarray, "days stocks"]
    """Kept rows up to and including the day."""


def pass_gates(prices: PriceGrid, options: FeatureOptions, where: Path, exclusions: dict[str, int]) -> Tape:
    """Walk through the days once and decide which rows stay.

    A close is frozen from the ``frozen_days``-th row on that repeats the close before. A jump is a close more
    than ``1 + return_cap`` times the one before, or less than the inverse. The row before may be an excluded
    one, so a price that jumps and stays there costs one row, one that jumps and returns costs two.

    Args:
        prices: grids that passed the row gates.
        options: what the gates do.
        where: the file, for messages.
        exclusions: rows left out, per gate; this adds to it.

    Raises:
        InputError: a gate set to "error" found a row.
    """
    days, stocks = prices.close.shape
    tape = Tape(
        kept=np.zeros((days, stocks), dtype=bool),
        factor=np.ones((days, stocks)),
        jumps=np.zeros((days, stocks), dtype=np.int32),
        history=np.zeros((days, stocks), dtype=np.int32),
    )
    last = np.full(stocks, np.nan)
    repeats = np.zeros(stocks, dtype=np.int32)
    factor = np.ones(stocks)
    jumps = np.zeros(stocks, dtype=np.int32)
    history = np.zeros(stocks, dtype=np.int32)
    limit = 1 + options.return_cap
    counts = {"frozen price": 0, "return beyond the cap": 0}

    for day in range(days):
        close = prices.close[day].astype(np.float64)
        row = close == close
        repeats = np.where(row, np.where(close == last, repeats + 1, 0), repeats)
        with np.errstate(invalid="ignore", over="ignore"):
            jumped = (close > last * limit) | (close * limit < last)
        frozen = repeats >= options.frozen_days
        if options.frozen == "error" and frozen.any():
            _refuse(
                prices,
                where,
                day,
                int(frozen.argmax()),
                f"a close unchanged for {options.frozen_days} rows",
                "frozen",
            )
        if options.jumps == "error" and jumped.any():
            _refuse(
                prices, where, day, int(jumped.argmax()), f"a return beyond {options.return_cap:g}", "jumps"
            )
        stays = row
        if options.jumps == "exclude":
            counts["return beyond the cap"] += int(jumped.sum())
            stays = stays & ~jumped
            with np.errstate(invalid="ignore"):
                factor = np.where(jumped, factor * (last / close), factor)
            jumps = jumps + jumped
        if options.frozen == "exclude":
            counts["frozen price"] += int((stays & frozen).sum())
            stays = stays & ~frozen
        history = history + stays
        last = np.where(row, close, last)
        tape.kept[day], tape.factor[day], tape.jumps[day], tape.history[day] = stays, factor, jumps, history
    exclusions.update(counts)
    return tape


def _refuse(prices: PriceGrid, where: Path, day: int, stock: int, what: str, gate: str) -> None:
    raise InputError(
        f"{where}: {prices.codes[stock]} has {what} on {prices.calendar[day]}; "
        f"correct it or set {gate} to exclude or keep"
    )
