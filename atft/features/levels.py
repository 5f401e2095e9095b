"""Where the close stands: against its averages, against a line through it, between its highs and lows."""

from collections.abc import Iterator

import numpy as np

from atft.features.checked_prices import History
from atft.features.windows import (
    Series,
    positive,
    shift,
    window_high_age,
    window_highs,
    window_lines,
    window_lows,
    window_means,
    window_moments,
)

AVERAGES = (5, 10, 20, 50, 100, 200)
CROSSES = ((5, 20), (20, 50), (50, 200))
TRENDS = (5, 10, 20, 60, 120)
STOCHASTICS = (5, 14, 60, 250)
EXTREMES = (20, 60, 250)
MIN_RESIDUAL = 1e-6
"""Below a hundredth of a basis point the residuals of a line are rounding."""


def average_features(past: History) -> Iterator[tuple[str, Series]]:
    """Yield distances from moving averages, in log units.

    ``x_average_distance_{k}d``: log close / mean close; above 0 the price is above its average.
    ``x_average_cross_{a}_{b}``: log of the shorter average over the longer.
    ``x_average_slope_{k}d``: log of the average over itself five days ago.
    ``x_bollinger_{k}d``: close minus average, in standard deviations of the close; NaN when flat.
    """
    log_average = {span: np.log(mean) for span, mean in window_means(past.close, *AVERAGES).items()}
    for span in AVERAGES:
        yield f"x_average_distance_{span}d", past.log_close - log_average[span]
    for short, long in CROSSES:
        yield f"x_average_cross_{short}_{long}", log_average[short] - log_average[long]
    for span in (20, 100):
        yield f"x_average_slope_{span}d", log_average[span] - shift(log_average[span], 5)
    for span, (mean, std) in window_moments(past.close, 10, 20, 60).items():
        yield f"x_bollinger_{span}d", (past.close - mean) / positive(std)


def trend_features(past: History) -> Iterator[tuple[str, Series]]:
    """Yield the slope and fit of a straight line through the window's log closes.

    ``x_trend_slope_{k}d``: log return a day. ``x_trend_r2_{k}d``: share of the variance that the line
    explains, in [0, 1]. ``x_trend_residual_{k}d``: today's log close minus the line, in units of the
    residuals' standard deviation; NaN when the fit is perfect or the price flat.
    """
    for span, line in window_lines(past.day, past.log_close, *TRENDS).items():
        yield f"x_trend_slope_{span}d", line.slope
        yield f"x_trend_r2_{span}d", line.correlation**2
        residual_std = np.where(line.residual_std > MIN_RESIDUAL, line.residual_std, np.nan)
        yield f"x_trend_residual_{span}d", (past.log_close - line.at(past.day)) / residual_std


def position_features(past: History) -> Iterator[tuple[str, Series]]:
    """Yield where the close is between the highs and lows of a window, and how long ago those were.

    ``x_stochastic_{k}d``: (close - lowest low) / (highest high - lowest low), 0 at the bottom, 1 at the top;
    a day without a range counts with its close. ``x_high_distance_{k}d``, ``x_low_distance_{k}d``: log of the
    close over the window's highest / lowest close (George, Hwang 2004). ``x_high_age_{k}d``,
    ``x_low_age_{k}d``: days since that close over the span; 0 means today.
    """
    high = np.where(np.isnan(past.high), past.close, past.high)
    low = np.where(np.isnan(past.low), past.close, past.low)
    tops, bottoms = window_highs(high, *STOCHASTICS), window_lows(low, *STOCHASTICS)
    for span in STOCHASTICS:
        above = past.close - bottoms[span]
        yield f"x_stochastic_{span}d", above / positive(tops[span] - bottoms[span])
    tops, bottoms = window_highs(past.log_close, *EXTREMES), window_lows(past.log_close, *EXTREMES)
    for span in EXTREMES:
        yield f"x_high_distance_{span}d", past.log_close - tops[span]
        yield f"x_low_distance_{span}d", past.log_close - bottoms[span]
    for span in (60, 250):
        yield f"x_high_age_{span}d", window_high_age(past.close, span) / span
        yield f"x_low_age_{span}d", window_high_age(-past.close, span) / span
