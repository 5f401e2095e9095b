"""Checks of a panel's rows before a cache takes them, and what the cache notes of each day's features.

Each check stands for a way in which a run was once lost in silence: rows counted twice, infinite cells, a
market-wide column with two values; a forward return of 1e30, which would be trained on like any other; a feature
that ranks rows as a label does, which is the future itself. Whether a feature is known and varies on enough days
depends on the days that train: see `atft.data.day_checks`.
"""

from collections.abc import Sequence
from datetime import date

import numpy as np
from jaxtyping import Bool, Float32, Int32

from atft.errors import InputError
from atft.files.dates import date_of
from atft.panel import MAX_RETURN, MIN_RETURN, PanelColumns

STD_BOUNDS = (1e-3, 2.0)
"""A scaled feature's std over a day's universe. Uniform ranks and z-scores have 1, with ties or cuts less."""
COPY_CORRELATION = 0.9999
"""Of ranks. On the day, the best features known have 0.1 with the next day's returns."""
SAMPLED_ROWS, MIN_ROWS = 300, 50
"""Of each batch, spread over it, so that a copy is found in milliseconds; fewer rows than 50 prove nothing."""


def measure_features(
    values: Float32[np.ndarray, "features stocks"],
    universe: Bool[np.ndarray, " stocks"],
    scaled: Bool[np.ndarray, " features"],
) -> tuple[Bool[np.ndarray, " features"], Bool[np.ndarray, " features"]]:
    """Say which features of a day are known for two stocks or more, and which of those vary between stocks.

    Values are as the cache stores them. To vary, the ``scaled`` ones (ranks, z-scores) must have a std within
    `STD_BOUNDS`.
    """
    inside = values[:, universe]
    missing = np.isnan(inside)
    count = (~missing).sum(axis=1)
    low, high = (f.reduce(inside, axis=1, initial=np.nan) for f in (np.fmin, np.fmax))
    varies = high > low
    if scaled.any():
        rows = np.where(missing, np.float32(0), inside)
        n = np.maximum(count, 1)
        mean = rows.sum(axis=1) / n
        std = np.sqrt(np.maximum(np.einsum("fs,fs->f", rows, rows) / n - mean**2, 0))
        varies &= ~scaled | ((std > STD_BOUNDS[0]) & (std < STD_BOUNDS[1]))
    known = count >= 2
    return known, varies & known


def check_duplicates(
    days: Int32[np.ndarray, " rows"], local: Int32[np.ndarray, " rows"], codes: Sequence[str]
) -> None:
    """Check that no stock has two rows on one of some whole days; ``local`` indexes the ``codes``."""
    key = days.astype(np.int64) * len(codes) + local
    key.sort()
    twice = key[1:][key[1:] == key[:-1]]
    if len(twice):
        day, code = divmod(int(twice[0]), len(codes))
        raise InputError(
            f"the panel has duplicate rows, the first is ({date_of(day)}, {codes[code]!r}); "
            f"keep one row per date and code"
        )


def one_per_day(
    values: Float32[np.ndarray, "regimes rows"], names: Sequence[str], day: str
) -> tuple[float | None, ...]:
    """Take each market-wide column's value of a day, or raise where it has two; None where it is unknown."""
    low, high = (f.reduce(values, axis=1, initial=np.nan) for f in (np.fmin, np.fmax))
    for name, a, b in zip(names, low, high, strict=True):
        if a < b:
            raise InputError(f"market-wide column {name!r} has values {a} to {b} on {day}; it must have one")
    return tuple(None if np.isnan(a) else float(a) for a in low)


class RowChecks:
    """Checks the ``numbers`` of a stream of rows, features first; all of one panel.

    With ``infinite_as_missing`` infinite cells are counted and made NaN.
    """

    def __init__(
        self, columns: PanelColumns, numbers: Sequence[str], infinite_as_missing: bool = False
    ) -> None:
        self.numbers, self.infinite_as_missing = tuple(numbers), infinite_as_missing
        self.labels = (*columns.targets, *columns.delayed_targets)
        self._are_returns = columns.target_unit == "return"
        self._ends = [numbers.index(name) for name in columns.label_ends]
        self.infinite: dict[str, int] = {}
        """Infinite cells that were made missing, per column."""
        self._label_columns = [numbers.index(name) for name in self.labels]
        # (feature, label) -> rows on which the two had one order; a pair leaves at the first batch that differs.
        self._copies = dict.fromkeys(
            ((f, i) for f in range(len(columns.features)) for i in self._label_columns), 0
        )

    def check_rows(
        self, numbers: Float32[np.ndarray, "columns rows"], days: Int32[np.ndarray, " rows"]
    ) -> None:
        """Check that no cell is infinite, or make it NaN in place; that labels are forward returns with an end."""
        infinite = np.isinf(numbers)
        for i in np.flatnonzero(infinite.any(axis=1)):
            name, cells = self.numbers[i], infinite[i]
            if not self.infinite_as_missing:
                raise InputError(
                    f"column {name!r} is infinite on {_day(days, cells)} ({int(cells.sum())} cells near there); "
                    f"correct it, or set data.cache.infinite_as_missing to true"
                )
            self.infinite[name] = self.infinite.get(name, 0) + int(cells.sum())
            numbers[i, cells] = np.nan
        for name, values in zip(self.labels, numbers[self._label_columns], strict=True):
            absurd = (values < MIN_RETURN) | (values > MAX_RETURN)
            if self._are_returns and absurd.any():
                raise InputError(
                    f"column {name!r} is {values[absurd][0]:g} on {_day(days, absurd)}; a forward return is a "
                    f"fraction such as 0.01: correct it, or set data.panel.schema.target_unit to score"
                )
        for end in self._ends:
            early = numbers[end] <= days
            if early.any():
                raise InputError(
                    f"column {self.numbers[end]!r} is {date_of(numbers[end, early][0])} on "
                    f"{_day(days, early)}; a label is known after its day: correct it, or make it null"
                )
        self._compare_orders(numbers[:, :: max(1, len(days) // SAMPLED_ROWS)])

    def _compare_orders(self, sample: Float32[np.ndarray, "columns rows"]) -> None:
        for feature, label in list(self._copies):
            both = ~np.isnan(sample[feature]) & ~np.isnan(sample[label])
            known = int(both.sum())
            if known < 3:
                continue
            # The rank of each value; equal values are in the order of their rows.
            ranks = sample[[feature, label]][:, both].argsort(axis=1, kind="stable").argsort(axis=1)
            if abs(np.corrcoef(*ranks)[0, 1]) < COPY_CORRELATION:
                del self._copies[feature, label]
            else:
                self._copies[feature, label] += known

    def check_copies(self, where: str) -> None:
        """Check after the last row that no feature was a copy of a label."""
        for (feature, label), known in self._copies.items():
            if known >= MIN_ROWS:
                raise InputError(
                    f"{where}: feature {self.numbers[feature]!r} ranks stocks exactly as {self.numbers[label]!r} "
                    f"does, so it knows the future; add it to data.panel.schema.exclude"
                )


def _day(days: Int32[np.ndarray, " rows"], rows: Bool[np.ndarray, " rows"]) -> date:
    return date_of(days[rows.argmax()])
