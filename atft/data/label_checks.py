"""Checks of labels that no market gives, and of features that are a label under another name.

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

MIN_RETURN, MAX_RETURN = -2.0, 1000.0
"""A stock loses at most all; an excess return may be a little lower."""
COPY_CORRELATION = 0.9999
"""Of ranks. On the day, the best features known have 0.1 with the next day's returns."""
SAMPLED_ROWS, MIN_ROWS = 300, 50
"""Of each batch, spread over it, so that a copy is found in milliseconds; fewer rows than 50 prove nothing."""


class LabelChecks:
    """Checks the labels of a stream of rows.

    Args:
        columns: the role of each column.
        numbers: names of the columns that `check_rows` is given, features first.
    """

    def __init__(self, columns: PanelColumns, numbers: Sequence[str]) -> None:
        self.features = columns.features
        self.labels = (*columns.targets, *columns.delayed_targets)
        self._places = [numbers.index(name) for name in self.labels]
        # (feature, label) -> rows on which the two had one order; a pair leaves at the first batch that differs.
        self._copies = dict.fromkeys(((f, i) for f in range(len(self.features)) for i in self._places), 0)

    def check_rows(
        self, numbers: Float32[np.ndarray, "columns rows"], days: Int32[np.ndarray, " rows"]
    ) -> None:
        """Check some rows; ``days`` are days since 1970, for the message.

        Raises:
            InputError: a label is no forward return.
        """
        for name, values in zip(self.labels, numbers[self._places], strict=True):
            absurd = (values < MIN_RETURN) | (values > MAX_RETURN)
            if absurd.any():
                row = int(absurd.argmax())
                raise InputError(
                    f"column {name!r} is {values[row]:g} on {EPOCH + timedelta(days=int(days[row]))}; a forward "
                    f"return is a fraction such as 0.01: correct it, or make it null"
                )
        sample = numbers[:, :: max(1, len(days) // SAMPLED_ROWS)]
        for feature, label in list(self._copies):
            both = ~np.isnan(sample[feature]) & ~np.isnan(sample[label])
            known = int(both.sum())
            if known < 3:
                continue
            a, b = _order(sample[feature, both]), _order(sample[label, both])
            if abs(np.corrcoef(a, b)[0, 1]) < COPY_CORRELATION:
                del self._copies[feature, label]
            else:
                self._copies[feature, label] += known

    def check_copies(self, where: str) -> None:
        """Check after the last row that no feature was a copy of a label.

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


def _order(values: np.ndarray) -> np.ndarray:
    """Place of each value in ascending order; equal values in the order of their rows."""
    ranks = np.empty(len(values))
    ranks[np.argsort(values, kind="stable")] = np.arange(len(values))
    return ranks
