"""A straight line through the window's log closes: its slope, its fit, and where today stands to it."""

from collections.abc import Iterator

import numpy as np

from atft.features.history import History
from atft.features.windows import Series, window_lines

SPANS = (5, 10, 20, 60, 120)


def trend_features(past: History) -> Iterator[tuple[str, Series]]:
    """Yield name and values of each feature.

    ``x_trend_slope_{k}d``: log return a day. ``x_trend_r2_{k}d``: share of the variance that the line
    explains, in [0, 1]. ``x_trend_residual_{k}d``: today's log close minus the line, in units of the
    residuals' standard deviation; NaN when the fit is perfect or the price flat.
    """
    for span, line in window_lines(past.day, past.log_close, *SPANS).items():
        yield f"x_trend_slope_{span}d", line.slope
        yield f"x_trend_r2_{span}d", line.correlation**2
        away = past.log_close - line.at(past.day)
        # Below a hundredth of a basis point the residuals are rounding.
        yield (
            f"x_trend_residual_{span}d",
            away / np.where(line.residual_std > 1e-6, line.residual_std, np.nan),
        )
