"""Do stocks leave? In every market some do each year; of a list that was made later they are missing.

Missing are those that fell the furthest. Among the others a low price, or a fall of a year, predicts a rise, though
prices are a random walk: a RankIC of .05 at 20 days where nothing can be known, if half of the stocks left.
"""

import numpy as np
from jaxtyping import Bool

MIN_ROWS = 60
"""Rows of a stock below which its end says nothing."""
LEFT_DAYS = 10
"""Days before the end by which a stock must be gone to count as one that left."""
MIN_STOCK_YEARS = 300
"""Stocks times years below which it may be chance that so few leave."""
USUAL_SHARE = 0.01
"""Of the stocks that leave in a year, less than in any market: 2 to 8 % are bought, merged or delisted."""


def leavers(present: Bool[np.ndarray, "days stocks"]) -> Bool[np.ndarray, " stocks"]:
    """Which stocks have `MIN_ROWS` rows and none on the last days, bool ``[stocks]``."""
    days = len(present)
    last = days - 1 - present[::-1].argmax(axis=0)
    gone: np.ndarray = (present.sum(axis=0) >= MIN_ROWS) & (last < days - LEFT_DAYS)
    return gone


def too_few_leave(present: Bool[np.ndarray, "days stocks"], years: float) -> bool:
    """Whether fewer stocks leave than in any market; False where there are too few stocks and years to say."""
    stock_years = years * float(present.mean(axis=0).sum())
    return stock_years >= MIN_STOCK_YEARS and bool(leavers(present).sum() < USUAL_SHARE * stock_years)


def survivor_lines(present: Bool[np.ndarray, "days stocks"], years: float) -> list[str]:
    """A line of the report of `features` where too few stocks leave, else none."""
    if not too_few_leave(present, years):
        return []
    stocks = int(present.any(axis=0).sum())
    return [
        f"WARNING survivors? {survivors_text(int(leavers(present).sum()), stocks, years)}; docs/prices.md"
    ]


def survivors_text(gone: int, stocks: int, years: float) -> str:
    """Say that few stocks leave, or none, and what that means."""
    who = f"{gone:,} stocks of {stocks:,} leave" if gone != 1 else f"1 stock of {stocks:,} leaves"
    if not gone:
        who = f"no stock of {stocks:,} leaves"
    return f"{who} before the end in {years:.1f} years: if the list was made later, figures are too good"
