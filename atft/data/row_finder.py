"""Find the rows of the same stocks on one day after another."""

import numpy as np
from jaxtyping import Bool, Int, Int64

from atft.files.cells import find_sorted

MAX_CODES_PER_STOCK = 8
"""Codes for each stock asked for, above which rows are found by a search."""


class RowFinder:
    """The rows of some stocks on a day, by a table of all codes that is made once for all days.

    Where few of very many codes are asked for, by a search instead, which takes five times as long a stock.

    Args:
        order: index of each code number among the ascending codes; see `code_order`.
        stocks: indices among the ascending codes, ascending.
    """

    def __init__(self, order: Int[np.ndarray, " codes"], stocks: Int[np.ndarray, " stocks"]) -> None:
        self._order, self._stocks = order, stocks
        self._stock_of: Int64[np.ndarray, " codes"] | None = None
        """Index among the stocks of each code number; their count for the others."""
        if len(order) - 1 <= MAX_CODES_PER_STOCK * len(stocks):
            # One entry more than there are codes: where a number of -1, which is no code, looks.
            stock_of = np.full(len(order), len(stocks), dtype=np.int64)
            stock_of[stocks] = np.arange(len(stocks))
            self._stock_of = stock_of.take(order)

    def __call__(
        self, number: Int[np.ndarray, " rows"]
    ) -> tuple[Int64[np.ndarray, " stocks"], Bool[np.ndarray, " stocks"]]:
        """Find the row of each stock among a day's code numbers, and say which have one; any row for the others."""
        if self._stock_of is None:
            return find_sorted(self._order.take(number), self._stocks)
        row = np.full(len(self._stocks) + 1, -1, dtype=np.int64)
        row[self._stock_of.take(number)] = np.arange(len(number))
        row = row[:-1]  # the last is the row of some stock that is not asked for
        return row, row >= 0
