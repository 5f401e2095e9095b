"""Prices whose history the vendor has adjusted since they were stored, for a later split or dividend.

All past rows of a code then differ from the stored ones by one factor, and its volumes by another.
"""

from bisect import bisect_left, bisect_right
from dataclasses import replace
from datetime import date

import numpy as np

from atft.errors import InputError, first_of
from atft.features.price_dialects import PRICES
from atft.features.price_store import different_cells, stored_like
from atft.features.prices import PriceGrid

MAX_RATIO_ERROR = 1e-3
"""Prices rounded to cents differ from an exact multiple by less, from a dollar or two on."""


def rescaled(stored: PriceGrid | None, new: PriceGrid, last: date) -> tuple[PriceGrid, list[str]]:
    """Put codes whose past rows all differ by one factor on the stored basis, later rows included.

    That is what adjusting a history for a later split or dividend does. Volumes have a factor of their own.

    Returns:
        The prices, in which the past rows of those codes are the stored ones, and a line that names the codes.
    """
    if stored is None:
        return new, []
    before = stored_like(stored, new)
    end = bisect_right(new.calendar, last)
    shared = np.isfinite(new.close) & np.isfinite(before.close)
    changed = shared & np.any([different_cells(before, new, name) for name in PRICES], axis=0)
    grids = {name: values.copy() for name, values in new.grids().items()}
    names = []
    for stock in np.flatnonzero(changed.any(axis=0)):
        rows = shared[:, stock]
        factors = _factors(before, new, rows, int(stock))
        if factors is None:
            continue  # another correction, which the comparison finds
        for name, factor in factors.items():
            values, old = grids[name][:, stock], getattr(before, name)[rows, stock]
            # A price that stands still keeps its bits: rounding would be a return.
            still = dict(zip(values[rows].tolist(), old.tolist(), strict=True))
            values[end:] = [still.get(value, value * factor) for value in values[end:].tolist()]
            values[rows] = old
        names.append(f"{new.codes[stock]} x {factors['close']:.6g}")
    line = f"put on the stored basis, codes whose history was adjusted since: {len(names)}: "
    return replace(new, **grids), [line + first_of(names, 10, "codes")] if names else []


def check_one_basis(stored: PriceGrid, new: PriceGrid) -> None:
    """Check that no code was adjusted since then whose first stored rows ``new`` lacks.

    They would stay on the stored basis, and the return to the first row of ``new`` would be false. It was adjusted
    where the first two rows that both have differ by one factor; a single row may be a correction.
    """
    with np.errstate(invalid="ignore"):
        ratio = stored_like(stored, new).close.astype(np.float64) / new.close
    for stock in np.flatnonzero(np.isfinite(ratio).sum(axis=0) > 1).tolist():
        first, second = np.flatnonzero(np.isfinite(ratio[:, stock]))[:2].tolist()
        one, other, day = ratio[first, stock], ratio[second, stock], new.calendar[first]
        if abs(one - 1) <= MAX_RATIO_ERROR or abs(other / one - 1) > MAX_RATIO_ERROR:
            continue
        before = stored.close[: bisect_left(stored.calendar, day), stored.codes.index(new.codes[stock])]
        if np.isfinite(before).any():
            raise InputError(
                f"{new.path}: {new.codes[stock]} was adjusted since, the stored prices are {one:.6g} times these "
                f"on {day}, and these lack the days before; give all its days, or set corrections to rescale"
            )


def _factors(before: PriceGrid, new: PriceGrid, rows: np.ndarray, stock: int) -> dict[str, float] | None:
    """Stored over new price, one number for all prices of a stock, and volume; None where it is not one number."""
    factors: dict[str, float] = {}
    for name in ("close", "open", "high", "low", "volume"):
        one, two = (getattr(of, name)[rows, stock].astype(np.float64) for of in (before, new))
        with np.errstate(all="ignore"):
            ratio = one / two
        ratio = ratio[np.isfinite(ratio) & (ratio > 0)]
        if name in ("close", "volume"):
            factor = float(np.median(ratio)) if len(ratio) else 1.0
        else:
            factor = factors["close"]
        # No factor makes a number of nothing, or of 0.
        if (np.isnan(one) != np.isnan(two)).any() or ((one == 0) != (two == 0)).any():
            return None
        if (np.abs(ratio / factor - 1) > MAX_RATIO_ERROR).any():
            return None
        factors[name] = factor
    return factors
