"""Sums, extremes and regressions over trailing windows of trading days.

A window of 20 days is put together from windows of 16 and 4, those from halves, and so on. So a value takes
log2(span) additions, depends on the bits of its own window and on nothing else (a running sum would carry
rounding from the whole past, and its value would depend on where the data starts), and many spans share
their halves. Days without a value are left out; a window with fewer than three quarters of its days is NaN.
Arrays are float64 [days, stocks], NaN where unknown, and everything here is causal along the first axis.
"""

from collections.abc import Sequence
from math import ceil
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

Series = Float64[np.ndarray, "days stocks"]

MIN_SHARE = 0.75
# Below this share of the mean square a variance is rounding, not spread.
FLAT = 1e-13
# A window without a value divides by 0; NaN is the answer and no news.
QUIET = np.errstate(all="ignore")


def needed(span: int) -> int:
    """Days of a window that must be known: three quarters, at least 2 (1 for a window of one day)."""
    return max(min(span, 2), ceil(MIN_SHARE * span))


def shift(x: Series, days: int) -> Series:
    """The value ``days`` trading days ago; NaN before the first day."""
    out = np.full_like(x, np.nan)
    if days < len(x):
        out[days:] = x[: len(x) - days]
    return out


def window_sums(x: Series, spans: Sequence[int]) -> list[Series]:
    """Sum over the last ``span`` days, today included, for each span. ``x`` must be finite everywhere."""
    totals: list[np.ndarray | None] = [None] * len(spans)
    offset = [0] * len(spans)
    level, size = x, 1
    while True:
        for i, span in enumerate(spans):
            if span & size:
                total = totals[i]
                if total is None:
                    totals[i] = level.copy()
                elif offset[i] < len(x):
                    total[offset[i] :] += level[: len(x) - offset[i]]
                offset[i] += size
        if 2 * size > max(spans):
            return [t for t in totals if t is not None]
        longer = level.copy()
        longer[size:] += level[:-size]
        level, size = longer, 2 * size


def window_highs(x: Series, spans: Sequence[int]) -> list[Series]:
    """Largest known value of the last ``span`` days; NaN where too few are known."""
    known = ~np.isnan(x)
    counts = window_sums(known.astype(np.float64), spans)
    level, size = np.where(known, x, -np.inf), 1
    highs: list[np.ndarray] = [level] * len(spans)
    while True:
        for i, span in enumerate(spans):
            if size <= span < 2 * size:
                high = level.copy()
                rest = span - size
                np.maximum(high[rest:], level[: max(0, len(x) - rest)], out=high[rest:])
                highs[i] = high
        if 2 * size > max(spans):
            break
        longer = level.copy()
        np.maximum(longer[size:], level[:-size], out=longer[size:])
        level, size = longer, 2 * size
    return [np.where(n >= needed(s), h, np.nan) for h, n, s in zip(highs, counts, spans, strict=True)]


def window_lows(x: Series, spans: Sequence[int]) -> list[Series]:
    """Smallest known value of the last ``span`` days."""
    return [-high for high in window_highs(-x, spans)]


def window_high_age(x: Series, span: int) -> Series:
    """Days since the window's largest value, 0 when it is today's; the youngest of equals counts."""
    known = ~np.isnan(x)
    count = window_sums(known.astype(np.float64), [span])[0]
    best, age = np.where(known, x, -np.inf), np.zeros_like(x)

    def merged(days: int, older: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        high, since = best.copy(), age.copy()
        past = max(0, len(x) - days)
        wins = older[0][:past] > high[days:]
        high[days:][wins] = older[0][:past][wins]
        since[days:][wins] = older[1][:past][wins] + days
        return high, since

    size = 1
    while 2 * size <= span:
        best, age = merged(size, (best, age))
        size *= 2
    if span > size:
        best, age = merged(span - size, (best, age))
    return np.where(count >= needed(span), age, np.nan)


@QUIET
def window_means(x: Series, spans: Sequence[int]) -> list[Series]:
    """Mean of the known values of the last ``span`` days."""
    known = ~np.isnan(x)
    counts = window_sums(known.astype(np.float64), spans)
    sums = window_sums(np.where(known, x, 0.0), spans)
    return [np.where(n >= needed(s), t / n, np.nan) for t, n, s in zip(sums, counts, spans, strict=True)]


def window_stds(x: Series, spans: Sequence[int]) -> list[Series]:
    """Sample standard deviation of the known values of the last ``span`` days; exactly 0 when flat."""
    return [m.std for m in window_moments(x, spans)]


class Moments(NamedTuple):
    """Mean and sample standard deviation of a window."""

    mean: np.ndarray
    std: np.ndarray


@QUIET
def window_moments(x: Series, spans: Sequence[int]) -> list[Moments]:
    """Mean and sample standard deviation (n - 1) of the last ``span`` days."""
    known = ~np.isnan(x)
    value = np.where(known, x, 0.0)
    counts = window_sums(known.astype(np.float64), spans)
    sums = window_sums(value, spans)
    squares = window_sums(value * value, spans)
    out = []
    for span, n, s, q in zip(spans, counts, sums, squares, strict=True):
        spread = q - s * s / n
        spread = np.where(spread > FLAT * q, spread, 0.0)
        enough = n >= needed(span)
        out.append(
            Moments(np.where(enough, s / n, np.nan), np.where(enough, np.sqrt(spread / (n - 1)), np.nan))
        )
    return out


@QUIET
def window_skew_kurtosis(x: Series, spans: Sequence[int]) -> list[tuple[Series, Series]]:
    """Skewness and excess kurtosis (population moments) of the last ``span`` days; NaN when flat."""
    known = ~np.isnan(x)
    value = np.where(known, x, 0.0)
    counts = window_sums(known.astype(np.float64), spans)
    power = [window_sums(value**k, spans) for k in (1, 2, 3, 4)]
    out = []
    for i, span in enumerate(spans):
        n = np.where(counts[i] >= needed(span), counts[i], np.nan)
        m1, m2, m3, m4 = (p[i] / n for p in power)
        variance = m2 - m1 * m1
        variance = np.where(variance > FLAT * m2, variance, np.nan)
        third = m3 - 3 * m1 * m2 + 2 * m1**3
        fourth = m4 - 4 * m1 * m3 + 6 * m1 * m1 * m2 - 3 * m1**4
        out.append((third / variance**1.5, fourth / (variance * variance) - 3))
    return out


class Line(NamedTuple):
    """Least squares y = level + slope * x over a window, and how well it fits."""

    slope: np.ndarray
    """NaN where x is flat."""
    correlation: np.ndarray
    """Pearson, in [-1, 1]; NaN where x or y is flat."""
    mean_x: np.ndarray
    mean_y: np.ndarray
    residual_std: np.ndarray
    """Root mean square distance from the line; NaN where x is flat."""

    def at(self, x: Float64[np.ndarray, "days #stocks"]) -> Series:
        """The line's value at ``x``."""
        height: Series = self.mean_y + self.slope * (x - self.mean_x)
        return height


@QUIET
def window_lines(x: np.ndarray, y: Series, spans: Sequence[int]) -> list[Line]:
    """Regress y on x over the last ``span`` days on which both are known.

    Args:
        x: [days, stocks], or [days, 1] where all stocks share it.
        y: [days, stocks].
        spans: window lengths in trading days.
    """
    known = ~(np.isnan(x) | np.isnan(y))
    a, b = np.where(known, x, 0.0), np.where(known, y, 0.0)
    counts = window_sums(known.astype(np.float64), spans)
    sums = [window_sums(v, spans) for v in (a, b, a * a, b * b, a * b)]
    out = []
    for i, span in enumerate(spans):
        n = np.where(counts[i] >= max(3, needed(span)), counts[i], np.nan)
        mx, my, xx, yy, xy = (s[i] / n for s in sums)
        var_x, var_y, cov = xx - mx * mx, yy - my * my, xy - mx * my
        var_x = np.where(var_x > FLAT * xx, var_x, np.nan)
        var_y = np.where(var_y > FLAT * yy, var_y, np.where(np.isnan(n), np.nan, 0.0))
        slope = cov / var_x
        correlation = cov / np.sqrt(var_x * np.where(var_y > 0, var_y, np.nan))
        left = np.sqrt(np.maximum(var_y - slope * cov, 0.0))
        out.append(Line(slope, np.clip(correlation, -1.0, 1.0), mx, my, left))
    return out
