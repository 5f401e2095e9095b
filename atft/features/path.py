"""The path that a return took: how many days up, how straight, how lopsided, how extreme."""

from collections.abc import Iterator

import numpy as np

from atft.features.history import History
from atft.features.windows import (
    Series,
    shift,
    window_highs,
    window_lines,
    window_lows,
    window_means,
    window_skew_kurtosis,
)

STREAK_DAYS = 10


def path_features(past: History) -> Iterator[tuple[str, Series]]:
    """Yield name and values of each feature.

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
    for span, share in zip((5, 10, 20, 60), window_means(up, (5, 10, 20, 60)), strict=True):
        yield f"x_up_days_{span}d", share
    yield "x_streak", _streak(r)

    spans = (5, 10, 20, 60)
    means, sizes = window_means(r, spans), window_means(np.abs(r), spans)
    for span, mean, size in zip(spans, means, sizes, strict=True):
        straight = mean / np.where(size > 0, size, np.nan)
        if span != 5:
            yield f"x_efficiency_{span}d", straight
    rises = window_means(np.maximum(r, 0.0), (5, 14))
    falls = window_means(np.maximum(-r, 0.0), (5, 14))
    for span, rise, fall in zip((5, 14), rises, falls, strict=True):
        both = rise + fall
        yield f"x_rsi_{span}d", rise / np.where(both > 0, both, np.nan)

    for span, best, worst in zip((5, 20), window_highs(r, (5, 20)), window_lows(r, (5, 20)), strict=True):
        yield f"x_max_return_{span}d", best
        yield f"x_min_return_{span}d", worst
    (skew_20, _), (skew_60, kurtosis_60), (skew_250, _) = window_skew_kurtosis(r, (20, 60, 250))
    yield "x_skew_20d", skew_20
    yield "x_skew_60d", skew_60
    yield "x_skew_250d", skew_250
    yield "x_kurtosis_60d", kurtosis_60
    yield "x_autocorrelation_60d", window_lines(shift(r, 1), r, (60,))[0].correlation


def _streak(r: Series) -> Series:
    """Length of the run of equal signs that ends today, times the sign."""
    sign = np.sign(r)
    run, unbroken = np.zeros_like(r), sign != 0
    for back in range(STREAK_DAYS):
        unbroken = unbroken & (shift(sign, back) == sign)
        run += unbroken
    streak: Series = run * sign
    return streak
