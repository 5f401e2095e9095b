"""How much the price moves: from closes, from the day's range, and how that changes."""

from collections.abc import Iterator

import numpy as np

from atft.features.checked_prices import History
from atft.features.windows import Series, positive, shift, window_means, window_moments

SPANS = (5, 10, 20, 60, 120, 250)


def volatility_features(past: History) -> Iterator[tuple[str, Series]]:
    """Yield name and values of each feature; all per day, not annualised.

    ``x_volatility_{k}d``: standard deviation of the log returns. ``x_volatility_ratio_{a}_{b}``: log of the
    short over the long. ``x_downside_share_60d``: share of the squared returns that fell.
    ``x_parkinson_{k}d``: sqrt(mean log(high/low)^2 / (4 log 2)) (Parkinson 1980). ``x_garman_klass_20d``:
    Garman, Klass 1980. ``x_true_range_{k}d``: mean of the range with yesterday's close in it, over the close.
    ``x_range_1_20``: log of today's range over its mean. ``x_vol_of_vol_60d``: standard deviation over mean
    of the absolute returns. ``x_close_location_{k}d``: mean position of the close in the day's range, in
    [-0.5, 0.5]. ``x_upper_shadow_5d``, ``x_lower_shadow_5d``: mean share of the range above / below the body.
    """
    r = past.return_1d
    stds = {span: moments.std for span, moments in window_moments(r, *SPANS).items()}
    for span, std in stds.items():
        yield f"x_volatility_{span}d", std
    for short, long in ((5, 60), (20, 250)):
        yield f"x_volatility_ratio_{short}_{long}", np.log(stds[short] / stds[long])
    squares = window_means(r * r, 60)[60]
    falls = window_means(np.minimum(r, 0.0) ** 2, 60)[60]
    yield "x_downside_share_60d", falls / positive(squares)

    width = past.log_range
    for span, mean in window_means(width * width, 5, 20).items():
        yield f"x_parkinson_{span}d", np.sqrt(mean / (4 * np.log(2)))
    garman_klass = 0.5 * width * width - (2 * np.log(2) - 1) * past.intraday**2
    yield "x_garman_klass_20d", np.sqrt(np.maximum(window_means(garman_klass, 20)[20], 0.0))
    before = shift(past.close, 1)
    true_range = (np.fmax(past.high, before) - np.fmin(past.low, before)) / past.close
    true_range = np.where(np.isnan(width), np.nan, true_range)
    for span, mean in window_means(true_range, 5, 20).items():
        yield f"x_true_range_{span}d", mean
    yield "x_range_1_20", np.log(width / window_means(width, 20)[20])
    moves = window_moments(np.abs(r), 60)[60]
    yield "x_vol_of_vol_60d", moves.std / positive(moves.mean)

    high_low = positive(past.high - past.low)
    location = (past.close - past.low) / high_low - 0.5
    yield "x_close_location_1d", location
    for span, mean in window_means(location, 5, 20).items():
        yield f"x_close_location_{span}d", mean
    body_top, body_bottom = np.maximum(past.open, past.close), np.minimum(past.open, past.close)
    # An open may be a shade outside the range (see prices); a shadow is not negative.
    yield "x_upper_shadow_5d", window_means(np.maximum(past.high - body_top, 0.0) / high_low, 5)[5]
    yield "x_lower_shadow_5d", window_means(np.maximum(body_bottom - past.low, 0.0) / high_low, 5)[5]
