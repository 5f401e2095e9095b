"""The checks that need a memory: frozen prices, jumps, splits and copies, day by day.

One pass over the calendar with a few numbers per stock. A row is judged by itself and the days before
it: no stock is dropped for a bad price that is yet to come.
"""

import numpy as np

from atft.errors import InputError
from atft.features.checked_prices import CheckedPrices
from atft.features.copies import find_copies, named_copies
from atft.features.options import CHECKS, FeatureOptions
from atft.features.prices import PriceGrid
from atft.features.splits import adjust_splits, find_splits, named_splits

FROZEN_ROWS = 10
"""A close is frozen from the tenth row on that repeats the close before."""
MAX_RETURN = 3.0
"""A close of more than four times the one before, or less than a quarter of it, is a jump."""
DONE = {"exclude": "left out", "adjust": "adjusted", "keep": "kept"}


def check_rows(grid: PriceGrid, options: FeatureOptions) -> CheckedPrices:
    """Go through the days once and decide which rows stay.

    A close is compared with that of the row before, which may be an excluded one: a price that jumps and stays
    there costs one row, one that jumps and returns costs two. A split that was not adjusted is a jump of any
    size; `adjust` rewrites the prices of ``grid`` after it, in place, instead. A row that a check set to "error"
    finds raises InputError.
    """
    split, copied, notes = _splits_and_copies(grid, options)
    days, stocks = grid.close.shape
    kept, factors = np.zeros((days, stocks), dtype=bool), np.ones((days, stocks))
    jump_counts, ages = np.zeros((2, days, stocks), dtype=np.int32)
    last, factor = np.full(stocks, np.nan), np.ones(stocks)
    repeats, jumps, age = np.zeros((3, stocks), dtype=np.int32)
    beyond_cap = frozen_rows = 0
    for day in range(days):
        close = grid.close[day].astype(np.float64)
        row = ~np.isnan(close)
        repeats = np.where(row, np.where(close == last, repeats + 1, 0), repeats)
        with np.errstate(invalid="ignore", over="ignore"):
            jumped = (close > last * (1 + MAX_RETURN)) | (close * (1 + MAX_RETURN) < last)
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
    complete = vars(grid) | {"exclusions": grid.exclusions | exclusions, "notes": (*grid.notes, *notes)}
    return CheckedPrices(**complete, options=options, kept=kept, factor=factors, jumps=jump_counts, age=ages)


def _check(
    grid: PriceGrid, options: FeatureOptions, check: str, what: str, day: int, failed: np.ndarray
) -> None:
    if getattr(options, check) == "error" and failed.any():
        raise InputError(
            f"{grid.path}: {grid.codes[int(failed.argmax())]} has {what} on {grid.calendar[day]}; "
            f"correct it or set {check} to exclude or keep"
        )


def _splits_and_copies(grid: PriceGrid, options: FeatureOptions) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Rows to leave out, bool [days, stocks], as splits and as copies, and the lines that name them."""
    splits, copies = find_splits(grid), find_copies(grid)
    notes: list[str] = []
    for check, what, found, names in (
        ("splits", "splits that were not adjusted", splits, named_splits(grid, splits)),
        ("copies", "codes with the closes of another code", copies, named_copies(grid, copies)),
    ):
        way = getattr(options, check)
        most = 3 if way == "error" else 10
        more = f" and {len(names) - most:,} more codes" if len(names) > most else ""
        line = f"{what}: {len(found):,}: {', '.join(names[:most])}{more}"
        if found and way == "error":
            *ways, last = CHECKS[check][1:]
            raise InputError(
                f"{grid.path}: {line}; correct them or set {check} to {', '.join(ways)} or {last}"
            )
        if found:
            notes.append(f"{DONE[way]}, {line}")
    if options.splits == "adjust":
        adjust_splits(grid, splits)
    split, copied = np.zeros((2, *grid.close.shape), dtype=bool)
    for day, stock, _ in splits if options.splits == "exclude" else ():
        split[day, stock] = True
    for copy in copies if options.copies == "exclude" else ():
        copied[copy.days, copy.stock] = True
    return split, copied, notes
