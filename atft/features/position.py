"""Where the close stands between the highs and lows of a window, and how long ago those were."""

from collections.abc import Iterator

import numpy as np

from atft.features.history import History
from atft.features.windows import Series, window_high_age, window_highs, window_lows

SPANS = (5, 14, 60, 250)
EXTREMES = (20, 60, 250)


def position_features(past: History) -> Iterator[tuple[str, Series]]:
    """Yield name and values of each feature.

    ``x_stochastic_{k}d``: (close - lowest low) / (highest high - lowest low), 0 at the bottom, 1 at the top;
    a day without a range counts with its close. ``x_high_distance_{k}d``, ``x_low_distance_{k}d``: log of the
    close over the window's highest / lowest close (George, Hwang 2004). ``x_high_age_{k}d``,
    ``x_low_age_{k}d``: days since that close over the span; 0 means today.
    """
    high = np.where(np.isnan(past.high), past.close, past.high)
    low = np.where(np.isnan(past.low), past.close, past.low)
    tops, bottoms = window_highs(high, *SPANS), window_lows(low, *SPANS)
    for span in SPANS:
        width = tops[span] - bottoms[span]
        yield f"x_stochastic_{span}d", (past.close - bottoms[span]) / np.where(width > 0, width, np.nan)
    tops, bottoms = window_highs(past.log_close, *EXTREMES), window_lows(past.log_close, *EXTREMES)
    for span in EXTREMES:
        yield f"x_high_distance_{span}d", past.log_close - tops[span]
        yield f"x_low_distance_{span}d", past.log_close - bottoms[span]
    for span in (60, 250):
        yield f"x_high_age_{span}d", window_high_age(past.close, span) / span
        yield f"x_low_age_{span}d", window_high_age(-past.close, span) / span
