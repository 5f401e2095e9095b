"""Standard errors of means over trading days that depend on each other.

Forward returns of ``h`` days overlap on neighbouring days, so their daily statistics are correlated up to
``h - 1`` days apart; the textbook error would be too small by up to the square root of ``h``.
"""

import numpy as np

from atft.day_series import Series, mean_over_std

MIN_SPANS = 3
"""Spans of ``lags + 1`` overlapping days below which an error is not known."""


def mean_error(series: Series, lags: int) -> float:
    r"""Newey-West standard error of a series' mean.

    :math:`\sqrt{\frac{1}{n-1}\big(\gamma_0 + 2\sum_{k=1}^{L} (1 - \frac{k}{L+1})\,\gamma_k\big)}` with the
    autocovariances :math:`\gamma_k` (divided by n). Without lags this is the sample standard deviation over
    :math:`\sqrt n`. The Bartlett weights keep it real, but too small for values that overlap: of 250 days by a
    fifth at 5 days and a quarter at 20 days (benchmarks/interval_coverage.py).

    Args:
        series: one value per day, in calendar order; NaN days are left out.
        lags: ``L``, days over which values depend on each other: ``h - 1`` for a horizon of ``h`` days.

    The error is in the unit of the series; NaN with fewer than two days, or where they overlap fewer than
    ``3 (lags + 1)``: on 20 days of 20-day labels it would be a fifth of the truth. Negative lags raise ValueError.

    Paper: Newey and West (1987), A Simple, Positive Semi-definite, Heteroskedasticity and Autocorrelation
    Consistent Covariance Matrix.
    """
    if lags < 0:
        raise ValueError(f"lags must be at least 0, got {lags}")
    values = series[np.isfinite(series)]
    days = len(values)
    if days < (MIN_SPANS * (lags + 1) if lags else 2):
        return float("nan")
    if values.min() == values.max():
        return 0.0  # the mean's own rounding would leave a rest
    centred = values - values.mean()
    total = float(centred @ centred)
    # Bartlett weights: a nearer day counts more, so that the sum cannot be negative but by rounding.
    for k in range(1, lags + 1):
        total += 2 * (1 - k / (lags + 1)) * float(centred[k:] @ centred[:-k])
    return float(np.sqrt(max(total, 0.0) / days / (days - 1)))


def ratio_error(series: Series, lags: int) -> float:
    r"""Newey-West standard error of :func:`~atft.day_series.mean_over_std`, by the delta method.

    A day's influence on :math:`\theta = \mu / \sigma` is
    :math:`z_t - \frac{\theta}{2}(z_t^2 - 1)` with :math:`z_t = (x_t - \mu)/\sigma`; the error is that of the
    influences' mean. For independent normal days it is Lo's :math:`\sqrt{(1 + \theta^2/2)/n}`. Arguments are those
    of :func:`mean_error`; the error is NaN where the ratio is.

    Paper: Lo (2002), The Statistics of Sharpe Ratios, equations 6 to 9.
    """
    values = series[np.isfinite(series)]
    theta = mean_over_std(values)
    if np.isnan(theta):
        return float("nan")
    # What one day more would change in theta: its return moves the mean, its square the standard deviation.
    standard = (values - values.mean()) / values.std(ddof=1)
    return mean_error(standard - theta / 2 * (standard**2 - 1), lags)
