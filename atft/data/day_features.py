"""Features of a day's stocks as the cache has them, with the market-wide columns beside them where asked for."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from atft.data.cache import DayCache


def day_features(
    cache: DayCache, day: int, stocks: NDArray[Any], market_columns: bool = False
) -> NDArray[np.float32]:
    """Features of some stocks on one day, ``[stocks, features]``, in the manifest's order.

    With ``market_columns`` those of the day follow, the same for all stocks.
    """
    out = np.empty((len(stocks), len(cache.manifest.features)), dtype=np.float32)
    cache.read_features(day, stocks, out)
    if not market_columns:
        return out
    return np.hstack([out, np.broadcast_to(cache.regime[day], (len(stocks), cache.regime.shape[1]))])
