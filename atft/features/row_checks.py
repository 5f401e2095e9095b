"""The checks that need a memory: frozen prices, jumps, splits and copies, day by day.

One pass over the calendar with a few numbers per stock. A row is judged by itself and the days before
it: no stock is dropped for a bad price that is yet to come.
"""

import numpy as np

from atft.errors import InputError, first_of
from atft.features.checked_prices import Carried, CheckedDays, CheckedPrices, nothing_checked
from atft.features.copies import find_copies, named_copies
from atft.features.options import CHECKS, FeatureOptions
from atft.features.prices import PriceGrid
from atft.features.splits import StockSplit, adjust_splits, find_splits, named_splits

FROZEN_ROWS = 10
"""A close is frozen from the tenth row on that repeats the close before."""
MAX_RETURN = 3.0
"""A close of more than four times the one before, or less than a quarter of it, is a jump."""
MARKET_RATIO = 1.5
"""No market rises to so many times its level in a day, or falls to the inverse: its prices have another unit."""
MIN_MOVED = 10
"""Stocks from which on half of them are the market."""
TREATMENT = {"exclude": "left out", "adjust": "adjusted", "keep": "kept"}


def check_rows(grid: PriceGrid, options: FeatureOptions, before: CheckedDays | None = None) -> CheckedPrices:
    """Go through the days once and decide which rows stay.

    A close is compared with that of the row before, which may be an excluded one: a price that jumps and stays
    there costs one row, one that jumps and returns costs two. A split that was not adjusted is a jump of any
    size; `adjust` rewrites the prices of ``grid`` after it, in place, instead. A row that a check set to "error"
    finds raises InputError. The first days of ``grid`` that were checked ``before`` are not checked again.
    """
    days, stocks = grid.close.shape
    before = before or nothing_checked(stocks)
    first, carried = len(before.kept), before.carried
    read_close = _last_closes(grid, carried.read_close)
    split, copied, splits, notes = _splits_and_copies(grid, options, before)
    kept, factors = np.zeros((days, stocks), dtype=bool), np.ones((days, stocks))
    jump_counts, ages = np.zeros((2, days, stocks), dtype=np.int32)
    kept[:first], factors[:first], jump_counts[:first], ages[:first] = before[:4]
    last, repeats = carried.close, carried.repeats
    # Of the day before the first one; what it is at a panel's first day is what no row changes.
    factor, jumps, age = factors[first - 1], jump_counts[first - 1], ages[first - 1]
    beyond_cap = frozen_rows = 0
    moves = []
    for day in range(first, days):
        close = grid.close[day].astype(np.float64)
        row = ~np.isnan(close)
        repeats = np.where(row, np.where(close == last, repeats + 1, 0), repeats)
        with np.errstate(invalid="ignore", over="ignore"):
            jumped = (close > last * (1 + MAX_RETURN)) | (close * (1 + MAX_RETURN) < last)
        if (ratio := _market_ratio(close, last)) is not None:
            moves.append(f"{ratio:.2f} times ({grid.calendar[day]})")
        jumped &= ~split[day]
        frozen = repeats >= FROZEN_ROWS
        _check(grid, options, "frozen", f"a close unchanged for {FROZEN_ROWS} rows", day, frozen)
        _check(grid, options, "jumps", f"a return beyond {MAX_RETURN:g}", day, jumped)
        stays = row & ~copied[day]
        # Each row is counted once, at the first check that it fails.
        jumped &= options.jumps == "exclude"
        beyond_cap += int((stays & jumped).sum())
        jumped |= split[day]
        stays &= ~jumped
        # What a jump changed is taken out of all later prices, so that no window straddles it.
        with np.errstate(invalid="ignore"):
            factor = np.where(jumped, factor * (last / close), factor)
        jumps = jumps + jumped
        if options.frozen == "exclude":
            frozen_rows += int((stays & frozen).sum())
            stays &= ~frozen
        age = age + stays
        last = np.where(row, close, last)
        kept[day], factors[day], jump_counts[day], ages[day] = stays, factor, jumps, age
    exclusions = {
        "copy of another code": int(copied.sum()),
        "unadjusted split": int((split & ~copied).sum()),
        "return beyond the cap": beyond_cap,
        "frozen price": frozen_rows,
    }
    if moves:
        notes.append(
            f"WARNING prices of another unit? The median close is {first_of(moves, 3)} the close before"
        )
    complete = vars(grid) | {"exclusions": grid.exclusions | exclusions, "notes": (*grid.notes, *notes)}
    return CheckedPrices(
        **complete,
        options=options,
        kept=kept,
        factor=factors,
        jumps=jump_counts,
        age=ages,
        carried=Carried(last, repeats, read_close, _first_rows(grid, carried.first_row), splits),
    )


def _market_ratio(close: np.ndarray, last: np.ndarray) -> float | None:
    """How many times the last closes a day's are, by the median stock; None for what a market may do."""
    with np.errstate(invalid="ignore", divide="ignore"):
        ratios = close / last
    ratios = ratios[np.isfinite(ratios)]
    ratio = float(np.median(ratios)) if len(ratios) >= MIN_MOVED else 1.0
    return None if 1 / MARKET_RATIO < ratio < MARKET_RATIO else ratio


def _last_closes(grid: PriceGrid, before: np.ndarray) -> np.ndarray:
    """The last close of each stock as it was read, float64; of one without a row here that of ``before``."""
    known = np.isfinite(grid.close)
    last = len(known) - 1 - known[::-1].argmax(axis=0)
    closes: np.ndarray = np.where(known.any(axis=0), grid.close[last, np.arange(len(last))], before)
    return closes


def _first_rows(grid: PriceGrid, before: np.ndarray) -> np.ndarray:
    """The calendar index of each stock's first row, -1 for none, where it is not known ``before``."""
    known = np.isfinite(grid.close)
    first = np.where(known.any(axis=0), known.argmax(axis=0) + grid.start, -1)
    rows: np.ndarray = np.where(before >= 0, before, first).astype(np.int32)
    return rows


def _check(
    grid: PriceGrid, options: FeatureOptions, check: str, what: str, day: int, failed: np.ndarray
) -> None:
    if getattr(options, check) == "error" and failed.any():
        raise InputError(
            f"{grid.path}: {grid.codes[int(failed.argmax())]} has {what} on {grid.calendar[day]}; "
            f"correct it or set {check} to exclude or keep"
        )


def _splits_and_copies(
    grid: PriceGrid, options: FeatureOptions, before: CheckedDays
) -> tuple[np.ndarray, np.ndarray, tuple[StockSplit, ...], list[str]]:
    """Rows to leave out, bool [days, stocks], as splits and as copies, all splits, and the lines that name them.

    The days of the splits that come back count from the calendar's first day.
    """
    first, carried = len(before.kept), before.carried
    splits = find_splits(grid, first, carried.read_close)
    copies = find_copies(grid, first, carried.first_row)
    notes: list[str] = []
    for check, what, cases, names in (
        ("splits", "splits that were not adjusted", splits, named_splits(grid, splits)),
        ("copies", "codes with the closes of another code", copies, named_copies(grid, copies)),
    ):
        way = getattr(options, check)
        line = f"{what}: {len(cases):,}: {first_of(names, 3 if way == 'error' else 10, 'codes')}"
        if cases and way == "error":
            *ways, last = CHECKS[check][1:]
            raise InputError(
                f"{grid.path}: {line}; correct them or set {check} to {', '.join(ways)} or {last}"
            )
        if cases:
            notes.append(f"{TREATMENT[way]}, {line}")
    # Where only the last days are in memory, those split before still are on the basis of the first day.
    moved = [split._replace(day=split.day + grid.start) for split in splits]
    if options.splits == "adjust":
        adjust_splits(grid, [*carried.splits, *moved])
    split, copied = np.zeros((2, *grid.close.shape), dtype=bool)
    for day, stock, _ in splits if options.splits == "exclude" else ():
        split[day, stock] = True
    for copy in copies if options.copies == "exclude" else ():
        copied[copy.days, copy.stock] = True
    return split, copied, (*carried.splits, *moved), notes
