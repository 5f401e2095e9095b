"""Returns over many spans, the overnight and the intraday part of them, and momentum that skips the last days.

All are log returns, so that parts add up: gap + intraday = return.
"""

from collections.abc import Iterator

from atft.features.checked_prices import History
from atft.features.windows import Series, shift, window_means

SPANS = (1, 2, 3, 5, 10, 20, 40, 60, 120, 250)
LAGS = (1, 2, 3)
SKIPS = ((60, 5), (120, 20), (250, 20), (250, 120))
PARTS = (5, 20, 60)
YEAR = 250


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
