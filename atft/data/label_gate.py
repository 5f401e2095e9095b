"""Labels that no market gives, and features that are a label under another name.

A forward return of 1e30, or of less than -100 %, would be trained on and averaged like any other. A feature that
ranks rows as a label does is the future itself: nothing that is known on the day does.
"""

from collections.abc import Sequence
from datetime import timedelta

import numpy as np
from jaxtyping import Float32, Int32

from atft.dates import EPOCH
from atft.errors import InputError
from atft.panel import PanelColumns

LOWEST, HIGHEST = -2.0, 1000.0
"""A stock loses at most all; an excess return may be a little lower."""
COPY_CORRELATION = 0.9999
"""Of ranks. On the day, the best features known have 0.1 with the next day's returns."""
LOOKED_ROWS, MIN_ROWS = 300, 50
"""Of each batch, spread over it, so that a copy is found in milliseconds; fewer rows than 50 prove nothing."""


class LabelGate:
    """Judges the labels of a stream of rows.

    Args:
        columns: the role of each column.
        numbers: names of the columns that ``look`` is given, features first.
    """

    def __init__(self, columns: PanelColumns, numbers: Sequence[str]) -> None:
        self.features = columns.features
        self.labels = (*columns.targets, *columns.delayed_targets)
        self._places = [numbers.index(name) for name in self.labels]
        self._copies = dict.fromkeys(((f, i) for f in range(len(self.features)) for i in self._places), 0)

    def look(self, numbers: Float32[np.ndarray, "columns rows"], days: Int32[np.ndarray, " rows"]) -> None:
        """Look at some rows; ``days`` are days since 1970, for the message.

        Raises:
            InputError: a label is no forward return.
        """
        for name, values in zip(self.labels, numbers[self._places], strict=True):
            absurd = (values < LOWEST) | (values > HIGHEST)
            if absurd.any():
                row = int(absurd.argmax())
                raise InputError(
                    f"column {name!r} is {values[row]:g} on {EPOCH + timedelta(days=int(days[row]))}; a forward "
                    f"return is a fraction such as 0.01: correct it, or make it null"
                )
        some = numbers[:, :: max(1, len(days) // LOOKED_ROWS)]
        for feature, label in list(self._copies):
            both = ~np.isnan(some[feature]) & ~np.isnan(some[label])
            known = int(both.sum())
            if known < 3:
                continue
            a, b = _ranks(some[feature, both]), _ranks(some[label, both])
            if abs(np.corrcoef(a, b)[0, 1]) < COPY_CORRELATION:
                del self._copies[feature, label]
            else:
                self._copies[feature, label] += known

    def judge(self, where: str) -> None:
        """Say after the last row which feature was a copy of a label.

        Raises:
            InputError: names the first.
        """
        for (feature, label), known in self._copies.items():
            if known >= MIN_ROWS:
                name = self.labels[self._places.index(label)]
                raise InputError(
                    f"{where}: feature {self.features[feature]!r} ranks stocks exactly as {name!r} does, so it "
                    f"knows the future; add it to data.panel.schema.exclude"
                )


def _ranks(values: np.ndarray) -> np.ndarray:
    """Place of each value in ascending order; equal values in the order of their rows."""
    ranks = np.empty(len(values))
    ranks[np.argsort(values, kind="stable")] = np.arange(len(values))
    return ranks
