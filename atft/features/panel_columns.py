"""The one function that makes labels."""

import numpy as np
from jaxtyping import Float32

from atft.features.gates import Tape
from atft.features.prices import PriceGrid


def forward_returns(
    prices: PriceGrid, tape: Tape, horizon: int, lag: int, first: int, last: int, over_jumps: bool
) -> Float32[np.ndarray, "days stocks"]:
    """Return of buying at the close ``lag`` days on and selling ``horizon`` days later.

    target[t] = close[t + lag + horizon] / close[t + lag] - 1, a fraction, of the closes as read, t counting the
    trading days of the panel's calendar (not the stock's rows). NaN where either close is missing, lies past
    the end or was left out by a gate, and over a gap of the calendar, whose sessions can only be guessed.

    Args:
        prices: the closes.
        tape: what the gates said.
        horizon: trading days that the position is held.
        lag: trading days before it is taken.
        first: index of the first day wanted.
        last: index after the last day wanted.
        over_jumps: also give the return over a jump that a gate left out (it may be a split that was not
            adjusted); otherwise it is NaN.
    """
    days, stocks = prices.close.shape
    out = np.full((last - first, stocks), np.nan, dtype=np.float32)
    reach = max(0, min(last, days - lag - horizon) - first)
    buy = slice(first + lag, first + lag + reach)
    sell = slice(first + lag + horizon, first + lag + horizon + reach)
    known = tape.kept[buy] & tape.kept[sell]
    if not over_jumps:
        known = known & (tape.jumps[buy] == tape.jumps[sell])
    with np.errstate(all="ignore"):
        held = prices.close[sell].astype(np.float64) / prices.close[buy].astype(np.float64) - 1
        held = held.astype(np.float32)
    for gap in prices.inserted:
        known[max(0, gap - lag - horizon - first) : max(0, gap - first)] = False
    out[:reach] = np.where(known & np.isfinite(held), held, np.float32(np.nan))
    return out
