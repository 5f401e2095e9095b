"""The table finds the rows that a search finds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atft.data import row_finder
from atft.data.row_finder import RowFinder


@given(st.integers(0, 2**32 - 1), st.integers(1, 30))
def test_the_row_of_each_stock_by_table_and_by_search(seed: int, codes: int) -> None:
    rng = np.random.default_rng(seed)
    order = np.append(rng.permutation(codes), -1).astype(np.int32)
    stocks = np.flatnonzero(rng.random(codes) < rng.random())
    # A day's rows ascend by code, its numbers need not.
    number = np.argsort(order[:-1])[rng.random(codes) < rng.random()].astype(np.int32)
    stock_of_row = order[number].tolist()
    present = [int(stock) in stock_of_row for stock in stocks]
    for most in (0, 10**9):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(row_finder, "MAX_CODES_PER_STOCK", most)
            row, observed = RowFinder(order, stocks)(number)
        assert observed.tolist() == present
        assert [stock_of_row[i] for i in row[observed]] == stocks[observed].tolist()
