"""Market-wide columns: one value a day, the same for all stocks, known at that day's close."""

import numpy as np
from jaxtyping import Float32, Float64

from atft.features.checked_prices import CheckedPrices, day_means
from atft.features.windows import needed, shift, window_means, window_moments


def regime_columns(prices: CheckedPrices) -> dict[str, Float32[np.ndarray, " days"]]:
    """Describe each day's market, over the tradable stocks.

    ``regime_return_{k}d``: mean daily log return of the market over k days. ``regime_volatility_{k}d``: its
    standard deviation. ``regime_drawdown_250d``: log of the market's level over its highest of 250 days.
    ``regime_dispersion_{k}d``: standard deviation of the returns across stocks, averaged over k days.
    ``regime_breadth_{k}d``: share of stocks that rose, averaged. ``regime_correlation_60d``: variance of the
    market over the mean square of its members' returns, near their mean correlation. ``regime_activity_60d``:
    log of the stocks' mean traded value (of 20 days) over its own mean of 60. ``regime_weekday``: 0 Monday to
    1 Friday. ``regime_month_sin``, ``regime_month_cos``: the month on a circle.
    """
    r, tradable, market = prices.return_1d, prices.tradable, prices.market[:, None]
    mean = day_means(r, tradable)
    square = day_means(r.astype(np.float64) ** 2, tradable)
    # One stock has no dispersion; rounding may leave a hair below 0.
    dispersion = np.sqrt(np.maximum(square - mean * mean, 0.0))[:, None]
    breadth = day_means(np.where(np.isnan(r), np.nan, (r > 0).astype(np.float64)), tradable)[:, None]
    value = day_means(prices.mean_value, tradable)[:, None]
    columns: dict[str, Float64[np.ndarray, "days 1"]] = {}
    for span, of in window_means(market, 5, 20, 60, 250).items():
        columns[f"regime_return_{span}d"] = of
    stds = {span: moments.std for span, moments in window_moments(market, 20, 60, 250).items()}
    for span in (20, 60):
        columns[f"regime_volatility_{span}d"] = stds[span]
    with np.errstate(all="ignore"):
        columns["regime_volatility_ratio_20_250"] = np.log(stds[20] / stds[250])
        columns["regime_correlation_60d"] = stds[60] ** 2 / window_means(square[:, None], 60)[60]
        columns["regime_activity_60d"] = np.log(value / window_means(value, 60)[60])
    columns["regime_drawdown_250d"] = drawdown(market, 250)
    columns["regime_dispersion_1d"] = dispersion
    columns["regime_dispersion_20d"] = window_means(dispersion, 20)[20]
    columns["regime_breadth_1d"] = breadth
    columns["regime_breadth_20d"] = window_means(breadth, 20)[20]
    month = np.array([[2 * np.pi * (day.month - 1) / 12] for day in prices.calendar])
    columns["regime_weekday"] = np.array([[day.weekday() / 4] for day in prices.calendar])
    columns["regime_month_sin"], columns["regime_month_cos"] = np.sin(month), np.cos(month)
    return {"regime_return_1d": prices.market.astype(np.float32)} | {
        name: np.where(np.isfinite(of), of, np.nan)[:, 0].astype(np.float32) for name, of in columns.items()
    }


def drawdown(returns: Float64[np.ndarray, "days 1"], span: int) -> Float64[np.ndarray, "days 1"]:
    """Log of the level over its highest of ``span`` days, 0 at the highest; an unknown return counts as 0.

    The least sum of the latest returns, summed backwards from each day: a running level would carry rounding from
    the data's first day. NaN where fewer than three quarters of the days, today included, exist.
    """
    filled: np.ndarray = np.nan_to_num(returns)
    fallen, least = np.zeros_like(filled), np.zeros_like(filled)
    for back in range(span - 1):
        fallen += np.nan_to_num(shift(filled, back))
        least = np.minimum(least, fallen)
    least[: needed(span) - 1] = np.nan
    return least
