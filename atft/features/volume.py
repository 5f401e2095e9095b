"""Volume: shocks against its own past, price impact, which side it took, and how it moves with the price."""

from collections.abc import Iterator

import numpy as np

from atft.features.checked_prices import History
from atft.features.windows import Series, positive, shift, window_lines, window_means, window_moments

LONG = (5, 20, 60, 250)
SIDES = (5, 20, 60)
RATIOS = ((1, 5), (1, 20), (5, 20), (5, 60), (20, 60), (20, 250))


def volume_features(past: History) -> Iterator[tuple[str, Series]]:
    """Yield name and values of each feature.

    ``x_volume_ratio_{a}_{b}``: log of the mean volume of a days over that of b. ``x_volume_score_{k}d``:
    today's log volume in standard deviations from its mean. ``x_volume_noise_{k}d``: standard deviation of
    the log volume. ``x_traded_value_20d``: log of the mean traded value. ``x_price_level``: log of the close,
    of prices as traded alone: adjusted ones know later splits. ``x_age``: log of the rows known so far, at most
    1,000. ``x_illiquidity_{k}d``: log of the mean of |return| over traded value (Amihud 2002);
    ``x_illiquidity_ratio_5_60``: its change.
    ``x_signed_volume_{k}d``: volume of up days minus that of down days, over all days with a return, in
    [-1, 1]. ``x_money_flow_{k}d``: volume weighted with the position of the close in the day's range, over all
    days whose high and low are known, in [-1, 1]; a day of no range counts as the middle.
    ``x_vwap_distance_{k}d``: log of the close over the volume-weighted mean close.
    """
    volume, r = past.volume, past.return_1d
    means = {1: volume} | window_means(volume, *LONG)
    for short, long in RATIOS:
        yield f"x_volume_ratio_{short}_{long}", np.log(means[short] / means[long])
    for span, (mean, std) in window_moments(past.log_volume, 20, 60).items():
        yield f"x_volume_score_{span}d", (past.log_volume - mean) / positive(std)
        yield f"x_volume_noise_{span}d", std
    yield "x_traded_value_20d", np.log(window_means(past.traded_value, 20)[20])
    if past.as_traded:
        yield "x_price_level", np.log(past.raw_close)
    # Capped: the data's first day is the oldest stock's birthday only by accident.
    yield "x_age", np.log(np.minimum(positive(past.age), 1000))

    impact = np.abs(r) / positive(past.traded_value)
    illiquidity = {span: np.log(mean) for span, mean in window_means(impact, 5, 20, 60, 250).items()}
    for span in (5, 20, 250):
        yield f"x_illiquidity_{span}d", illiquidity[span]
    yield "x_illiquidity_ratio_5_60", illiquidity[5] - illiquidity[60]

    signed = window_means(np.sign(r) * volume, *SIDES)
    sided = window_means(np.where(np.isnan(r), np.nan, volume), *SIDES)
    for span, total in sided.items():
        yield f"x_signed_volume_{span}d", signed[span] / positive(total)
    totals = {span: positive(means[span]) for span in SIDES}
    width = past.high - past.low
    position = np.where(width == 0, 0.0, (2 * past.close - past.high - past.low) / width)
    ranged = window_means(np.where(np.isnan(width), np.nan, volume), *SIDES)
    for span, flow in window_means(position * volume, *SIDES).items():
        yield f"x_money_flow_{span}d", flow / positive(ranged[span])
    for span, paid in window_means(past.close * volume, *SIDES).items():
        yield f"x_vwap_distance_{span}d", past.log_close - np.log(paid / totals[span])


def price_volume_features(past: History) -> Iterator[tuple[str, Series]]:
    """Yield correlations over windows, in [-1, 1].

    ``x_corr_price_volume_{k}d``: log close and log volume. ``x_corr_return_volume_{k}d``: return and change of
    the log volume. ``x_corr_move_volume_{k}d``: absolute return and log volume.
    """
    r, volume = past.return_1d, past.log_volume
    pairs = {
        "price_volume": (past.log_close, volume, (10, 20, 60)),
        "return_volume": (r, volume - shift(volume, 1), (20, 60)),
        "move_volume": (np.abs(r), volume, (20, 60)),
    }
    for name, (x, y, spans) in pairs.items():
        for span, line in window_lines(x, y, *spans).items():
            yield f"x_corr_{name}_{span}d", line.correlation
