"""Returns over many spans, their overnight and intraday parts, and the path that they took.

All are log returns, so that parts add up: gap + intraday = return.
"""

from collections.abc import Iterator

import numpy as np

from atft.features.checked_prices import History
from atft.features.windows import (
    Series,
    positive,
    shift,
    window_highs,
    window_lines,
    window_lows,
    window_means,
    window_skew_kurtosis,
)

SPANS = (1, 2, 3, 5, 10, 20, 40, 60, 120, 250)
LAGS = (1, 2, 3)
SKIPS = ((60, 5), (120, 20), (250, 20), (250, 120))
PARTS = (5, 20, 60)
YEAR = 250
PATHS = (5, 10, 20, 60)
STREAK_DAYS = 10


def return_features(past: History) -> Iterator[tuple[str, Series]]:
    """Yield name and values of each feature.

    ``x_return_{k}d``: log close[t] / close[t-k]; NaN when the stock has no row on t-k.
    ``x_return_1d_lag{k}``: the one-day return of k days ago.
    ``x_momentum_{a}_{b}``: log close[t-b] / close[t-a].
    ``x_season_{k}d``: the return of the k days that began a year (250 trading days) ago: months repeat.
    ``x_gap_1d``, ``x_intraday_1d`` and their means over spans; ``x_tug_{k}d``: mean gap minus mean intraday
    return, the tug of war of two kinds of investors (Lou, Polk, Skouras 2019).
    """
    log_close = past.log_close
    for span in SPANS:
        yield f"x_return_{span}d", log_close - shift(log_close, span)
    for lag in LAGS:
        yield f"x_return_1d_lag{lag}", shift(past.return_1d, lag)
    for far, near in SKIPS:
        yield f"x_momentum_{far}_{near}", shift(log_close, near) - shift(log_close, far)
    for span in (5, 20):
        yield f"x_season_{span}d", shift(log_close, YEAR - span) - shift(log_close, YEAR)
    yield "x_gap_1d", past.gap
    yield "x_intraday_1d", past.intraday
    gaps, intradays = window_means(past.gap, *PARTS), window_means(past.intraday, *PARTS)
    for span in PARTS:
        yield f"x_gap_{span}d", gaps[span]
        yield f"x_intraday_{span}d", intradays[span]
    yield "x_tug_20d", gaps[20] - intradays[20]


def path_features(past: History) -> Iterator[tuple[str, Series]]:
    """Yield how many days went up, how straight, how lopsided and how extreme the path was.

    ``x_up_days_{k}d``: share of the days with a return above 0.
    ``x_streak``: days in a row with returns of one sign, signed, at most 10; 0 after a flat day.
    ``x_efficiency_{k}d``: mean return over mean absolute return; 1 is a straight way up, 0 none, -1 down.
    ``x_rsi_{k}d``: share of the absolute returns that went up (Wilder's index with plain means), in [0, 1].
    ``x_max_return_{k}d``, ``x_min_return_{k}d``: best and worst day (Bali, Cakici, Whitelaw 2011).
    ``x_skew_{k}d``, ``x_kurtosis_{k}d``: of the daily returns.
    ``x_autocorrelation_60d``: of each day's return with the day's before.
    """
    r = past.return_1d
    up = np.where(np.isnan(r), np.nan, (r > 0).astype(np.float64))
    for span, share in window_means(up, *PATHS).items():
        yield f"x_up_days_{span}d", share
    yield "x_streak", _streak(r)

    means, sizes = window_means(r, *PATHS[1:]), window_means(np.abs(r), *PATHS[1:])
    for span, size in sizes.items():
        yield f"x_efficiency_{span}d", means[span] / positive(size)
    rises, falls = window_means(np.maximum(r, 0.0), 5, 14), window_means(np.maximum(-r, 0.0), 5, 14)
    for span, rise in rises.items():
        yield f"x_rsi_{span}d", rise / positive(rise + falls[span])

    highs, lows = window_highs(r, 5, 20), window_lows(r, 5, 20)
    for span in (5, 20):
        yield f"x_max_return_{span}d", highs[span]
        yield f"x_min_return_{span}d", lows[span]
    shapes = window_skew_kurtosis(r, 20, 60, 250)
    for span, (skew, _) in shapes.items():
        yield f"x_skew_{span}d", skew
    yield "x_kurtosis_60d", shapes[60][1]
    yield "x_autocorrelation_60d", window_lines(shift(r, 1), r, 60)[60].correlation


def _streak(r: Series) -> Series:
    """Length of the run of equal signs that ends today, times the sign."""
    sign = np.sign(r)
    run, unbroken = np.zeros_like(r), sign != 0
    for back in range(STREAK_DAYS):
        unbroken = unbroken & (shift(sign, back) == sign)
        run += unbroken
    streak: Series = run * sign
    return streak
