"""Sums, extremes and regressions over trailing windows of trading days, by span.

A window of 20 days is put together from windows of 16 and 4, those from halves, and so on. So a value takes
log2(span) additions, depends on the bits of its own window and on nothing else (a running sum would carry
rounding from the whole past, and its value would depend on where the data starts), and many spans share
their halves. Days without a value are left out; a window with fewer than three quarters of its days is NaN.
Arrays are float64 [days, stocks], NaN where unknown, and everything here is causal along the first axis.
"""

from collections.abc import Iterator
from math import ceil
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Float64

Series = Float64[np.ndarray, "days stocks"]
"""Features are computed in float64 ..."""
Grid = Float32[np.ndarray, "days stocks"]
"""... and stored in float32."""
Flags = Bool[np.ndarray, "days stocks"]

MIN_KNOWN_SHARE = 0.75
MIN_VARIANCE_SHARE = 1e-13
"""Below this share of the mean square a variance is rounding: the window is flat."""
QUIET = np.errstate(all="ignore")
"""A window without a value divides by 0, and NaN is the answer."""


def needed(span: int) -> int:
    """Days of a window that must be known: three quarters, at least 2 (1 for a window of one day)."""
    return max(min(span, 2), ceil(MIN_KNOWN_SHARE * span))


def shift(x: Series, days: int) -> Series:
    """The value ``days`` trading days ago; NaN before the first day."""
    out = np.full_like(x, np.nan)
    if days < len(x):
        out[days:] = x[: len(x) - days]
    return out


def positive(x: Series) -> Series:
    """The value where it is above 0, else NaN: a divisor, or what a logarithm is taken of."""
    return np.where(x > 0, x, np.nan)


def window_sums(x: Series, *spans: int) -> dict[int, Series]:
    """Sum over the last ``span`` days, today included, for each span. ``x`` must be finite everywhere."""
    totals: dict[int, Series] = {}
    for size, level in _doubled(x, max(spans), np.add):
        for span in spans:
            if not span & size:
                continue
            # The bits of a span, from the lowest: its latest days are in the total already.
            covered = span % size
            if covered:
                totals[span][covered:] += level[: max(0, len(x) - covered)]
            else:
                totals[span] = level.copy()
    return {span: totals[span] for span in spans}


def window_highs(x: Series, *spans: int) -> dict[int, Series]:
    """Largest known value of the last ``span`` days; NaN where too few are known."""
    known = ~np.isnan(x)
    counts = _counts(known, spans)
    highs: dict[int, Series] = {}
    for size, level in _doubled(np.where(known, x, -np.inf), max(spans), np.maximum):
        for span in spans:
            if size <= span < 2 * size:
                # Two windows that overlap cover the span: a maximum may count a day twice.
                high, rest = level.copy(), span - size
                np.maximum(high[rest:], level[: max(0, len(x) - rest)], out=high[rest:])
                highs[span] = np.where(counts[span] > 0, high, np.nan)
    return {span: highs[span] for span in spans}


def window_lows(x: Series, *spans: int) -> dict[int, Series]:
    """Smallest known value of the last ``span`` days."""
    return {span: -high for span, high in window_highs(-x, *spans).items()}


def window_high_age(x: Series, span: int) -> Series:
    """Days since the window's largest value, 0 when it is today's; the youngest of equals counts."""
    known = ~np.isnan(x)
    best, age = np.where(known, x, -np.inf), np.zeros_like(x)
    size = 1
    while size < span:
        # A high of the window that ended ``step`` days ago wins if it is higher than all since.
        step = min(size, span - size)
        high, since = best.copy(), age.copy()
        past = max(0, len(x) - step)
        wins = best[:past] > high[step:]
        high[step:][wins] = best[:past][wins]
        since[step:][wins] = age[:past][wins] + step
        best, age, size = high, since, size + step
    return np.where(_counts(known, (span,))[span] > 0, age, np.nan)


@QUIET
def window_means(x: Series, *spans: int) -> dict[int, Series]:
    """Mean of the known values of the last ``span`` days."""
    known = ~np.isnan(x)
    counts, sums = _counts(known, spans), window_sums(np.where(known, x, 0.0), *spans)
    return {span: sums[span] / counts[span] for span in spans}


class Moments(NamedTuple):
    """Mean and sample standard deviation (n - 1) of a window; the deviation of a flat one is exactly 0."""

    mean: np.ndarray
    std: np.ndarray


@QUIET
def window_moments(x: Series, *spans: int) -> dict[int, Moments]:
    """Mean and standard deviation of the known values of the last ``span`` days."""
    known = ~np.isnan(x)
    value = np.where(known, x, 0.0)
    counts, sums, squares = (
        _counts(known, spans),
        window_sums(value, *spans),
        window_sums(value * value, *spans),
    )
    out = {}
    for span in spans:
        n, total, square = counts[span], sums[span], squares[span]
        # Sum of squared deviations; what is left by rounding would be a deviation of a flat window.
        deviations = square - total * total / n
        deviations = np.where(deviations > MIN_VARIANCE_SHARE * square, deviations, 0.0)
        out[span] = Moments(total / n, np.sqrt(deviations / (n - 1)))
    return out


@QUIET
def window_skew_kurtosis(x: Series, *spans: int) -> dict[int, tuple[Series, Series]]:
    """Skewness and excess kurtosis (population moments) of the last ``span`` days; NaN when flat."""
    known = ~np.isnan(x)
    value = np.where(known, x, 0.0)
    counts = _counts(known, spans)
    powers = [window_sums(value**k, *spans) for k in (1, 2, 3, 4)]
    out = {}
    for span in spans:
        m1, m2, m3, m4 = (power[span] / counts[span] for power in powers)
        variance = m2 - m1 * m1
        variance = np.where(variance > MIN_VARIANCE_SHARE * m2, variance, np.nan)
        # Central moments from raw ones.
        third = m3 - 3 * m1 * m2 + 2 * m1**3
        fourth = m4 - 4 * m1 * m3 + 6 * m1 * m1 * m2 - 3 * m1**4
        out[span] = (third / variance**1.5, fourth / (variance * variance) - 3)
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
def window_lines(x: Float64[np.ndarray, "days #stocks"], y: Series, *spans: int) -> dict[int, Line]:
    """Regress y on x over the last ``span`` days on which both are known, at least three."""
    known = ~(np.isnan(x) | np.isnan(y))
    a, b = np.where(known, x, 0.0), np.where(known, y, 0.0)
    counts = _counts(known, spans, least=3)
    sums = [window_sums(v, *spans) for v in (a, b, a * a, b * b, a * b)]
    out = {}
    for span in spans:
        n = counts[span]
        mean_x, mean_y, xx, yy, xy = (s[span] / n for s in sums)
        var_x, var_y, cov = xx - mean_x * mean_x, yy - mean_y * mean_y, xy - mean_x * mean_y
        var_x = np.where(var_x > MIN_VARIANCE_SHARE * xx, var_x, np.nan)
        # A flat y has the slope 0 and no correlation.
        var_y = np.where(var_y > MIN_VARIANCE_SHARE * yy, var_y, np.where(np.isnan(n), np.nan, 0.0))
        slope = cov / var_x
        correlation = np.clip(cov / np.sqrt(var_x * positive(var_y)), -1.0, 1.0)
        residual_std = np.sqrt(np.maximum(var_y - slope * cov, 0.0))
        out[span] = Line(slope, correlation, mean_x, mean_y, residual_std)
    return out


def _doubled(x: Series, longest: int, join: np.ufunc) -> Iterator[tuple[int, Series]]:
    """Yield 1, 2, 4, ... days, up to ``longest``, and what ``join`` makes of so many values up to each day."""
    size = 1
    while True:
        yield size, x
        if 2 * size > longest:
            return
        longer = x.copy()
        join(longer[size:], x[:-size], out=longer[size:])
        size, x = 2 * size, longer


def _counts(known: Flags, spans: tuple[int, ...], least: int = 1) -> dict[int, Series]:
    """Known days of each window; NaN, which whatever is divided by it becomes, where they are too few."""
    counts = window_sums(known.astype(np.float64), *spans)
    return {span: np.where(n >= max(least, needed(span)), n, np.nan) for span, n in counts.items()}
