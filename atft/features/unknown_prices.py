"""Features that cannot be known where the files have no open, high and low, or no volume.

They are found by making all of them for a small random market without those prices: no list of names can become
stale, and no feature is left out because one market happens to leave it unknown.
"""

from collections.abc import Callable, Mapping
from functools import cache

import numpy as np

from atft.features.checked_prices import History
from atft.features.price_dialects import PRICES
from atft.features.windows import Grid

DAYS, STOCKS = 260, 6
"""The longest windows read 250 days."""


@cache
def unknown_features(
    missing: tuple[str, ...], features_of: Callable[[History], Mapping[str, Grid]]
) -> frozenset[str]:
    """Names of the features that some prices alone make known."""
    if not missing:
        return frozenset()
    rng = np.random.default_rng(0)
    close = 50 * np.exp(np.cumsum(0.02 * rng.standard_normal((DAYS, STOCKS)), axis=0))
    known = {
        "open": close * (1 + 0.005 * rng.standard_normal(close.shape)),
        "high": close * 1.02,
        "low": close * 0.98,
        "volume": 1e6 * np.exp(0.3 * rng.standard_normal(close.shape)),
    }
    assert set(known) | {"close"} == set(PRICES)
    unknown = {name: np.full_like(close, np.nan) for name in missing}
    market = np.vstack([[np.nan], np.diff(np.log(close), axis=0).mean(axis=1, keepdims=True)])

    prices = known | unknown
    history = History(
        **prices,
        close=close,
        raw_close=close,
        raw_volume=prices["volume"],
        age=np.tile(np.arange(1.0, DAYS + 1)[:, None], STOCKS),
        day=np.arange(float(DAYS))[:, None],
        market=market,
    )
    return frozenset(name for name, of in features_of(history).items() if not np.isfinite(of).any())
