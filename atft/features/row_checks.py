"""The gates that need a memory: frozen prices, jumps, splits and copies, judged day by day.

One pass over the calendar with a few numbers per stock. What a day's rows are judged by lies before that day,
so nothing that comes later can take a row away: no stock is dropped for a bad print that is yet to come.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float64, Int32

from atft.errors import InputError
from atft.features.copies import find_copies, named_copies
from atft.features.options import FeatureOptions
from atft.features.prices import PriceGrid
from atft.features.splits import adjust_splits, find_splits, named_splits


@dataclass
class Tape:
    """What the gates know of each cell."""

    kept: Bool[np.ndarray, "days stocks"]
    """The stock has a row that passed every gate."""
    factor: Float64[np.ndarray, "days stocks"]
    """Prices times this are on one basis across excluded jumps; exactly 1 up to a stock's first jump."""
    jumps: Int32[np.ndarray, "days stocks"]
    """Excluded jumps and splits up to and including the day."""
    history: Int32[np.ndarray, "days stocks"]
    """Kept rows up to and including the day."""
    notes: tuple[str, ...] = ()
    """A line that names the splits, and one that names the copies, where there are any."""


def pass_gates(prices: PriceGrid, options: FeatureOptions, where: Path, exclusions: dict[str, int]) -> Tape:
    """Walk through the days once and decide which rows stay.

    A close is frozen from the ``frozen_days``-th row on that repeats the close before. A jump is a close more
    than ``1 + return_cap`` times the one before, or less than the inverse. The row before may be an excluded
    one, so a price that jumps and stays there costs one row, one that jumps and returns costs two. A split that
    was not adjusted is a jump of any size; `adjust` rewrites the prices after it instead.

    Args:
        prices: grids that passed the row gates; changed in place where splits are adjusted.
        options: what the gates do.
        where: the file, for messages.
        exclusions: rows left out, per gate; this adds to it.

    Raises:
        InputError: a gate set to "error" found a row.
    """
    days, stocks = prices.close.shape
    split, copied, notes = _suspects(prices, options, where)
    tape = Tape(
        kept=np.zeros((days, stocks), dtype=bool),
        factor=np.ones((days, stocks)),
        jumps=np.zeros((days, stocks), dtype=np.int32),
        history=np.zeros((days, stocks), dtype=np.int32),
        notes=notes,
    )
    last = np.full(stocks, np.nan)
    repeats = np.zeros(stocks, dtype=np.int32)
    factor = np.ones(stocks)
    jumps = np.zeros(stocks, dtype=np.int32)
    history = np.zeros(stocks, dtype=np.int32)
    limit = 1 + options.return_cap
    counts = {
        "copy of another code": int(copied.sum()),
        "unadjusted split": int((split & ~copied).sum()),
        "return beyond the cap": 0,
        "frozen price": 0,
    }

    for day in range(days):
        close = prices.close[day].astype(np.float64)
        row = close == close
        repeats = np.where(row, np.where(close == last, repeats + 1, 0), repeats)
        with np.errstate(invalid="ignore", over="ignore"):
            jumped = ((close > last * limit) | (close * limit < last)) & ~split[day]
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
        stays = row & ~copied[day]
        jumped = jumped & (options.jumps == "exclude")
        counts["return beyond the cap"] += int((stays & jumped).sum())
        jumped = jumped | split[day]
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


def _suspects(
    prices: PriceGrid, options: FeatureOptions, where: Path
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Rows to leave out, bool [days, stocks], as splits and as copies, and the lines that name them."""
    splits, copies = find_splits(prices), find_copies(prices)
    split, copied = (np.zeros(prices.close.shape, dtype=bool) for _ in range(2))
    notes = []

    def judge(gate: str, count: int, what: str, names: str, ways: str) -> None:
        way = getattr(options, gate)
        if count and way == "error":
            raise InputError(f"{where}: {what}: {count:,}: {names}; correct them or set {gate} to {ways}")
        if count:
            done = {"exclude": "left out", "adjust": "adjusted", "keep": "kept"}[way]
            notes.append(f"{done}, {what}: {count:,}: {names}")

    names = named_splits(prices, splits, 3 if options.splits == "error" else 10)
    judge("splits", len(splits), "splits that were not adjusted", names, "exclude, adjust or keep")
    names = named_copies(prices, copies, 3 if options.copies == "error" else 10)
    judge("copies", len(copies), "codes with the closes of another code", names, "exclude or keep")
    if options.splits == "adjust":
        adjust_splits(prices, splits)
    for day, stock, _ in splits if options.splits == "exclude" else ():
        split[day, stock] = True
    for copy in copies if options.copies == "exclude" else ():
        copied[copy.days, copy.stock] = True
    return split, copied, tuple(notes)


def _refuse(prices: PriceGrid, where: Path, day: int, stock: int, what: str, gate: str) -> None:
    raise InputError(
        f"{where}: {prices.codes[stock]} has {what} on {prices.calendar[day]}; "
        f"correct it or set {gate} to exclude or keep"
    )
