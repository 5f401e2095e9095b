"""The stock against the market: beta, and what is left of its returns when the market's part is taken out."""

from collections.abc import Iterator

import numpy as np

from atft.features.checked_prices import History
from atft.features.windows import Series, positive, shift, window_lines, window_means

SPANS = (20, 60, 250)
RESIDUALS = (5, 20, 60, 120)


def beta_features(past: History) -> Iterator[tuple[str, Series]]:
    """Yield name and values of each feature.

    ``x_beta_{k}d``: slope of the stock's daily log return on the market's over k days.
    ``x_market_correlation_250d``: of the same two. ``x_idiosyncratic_{k}d``: standard deviation of the
    residuals (Ang, Hodrick, Xing, Zhang 2006). ``x_residual_{k}d``: the stock's return over k days minus
    today's 250-day beta times the market's (Blitz, Huij, Martens 2011); ``x_residual_momentum``: the same over
    the days 250 to 20 ago, in units of the residuals' standard deviation. ``x_delay_60d``: slope on
    yesterday's market return (Hou, Moskowitz 2005).
    """
    r, market = past.return_1d, past.market
    lines = window_lines(market, r, *SPANS)
    beta = lines[250].slope
    yield "x_beta_60d", lines[60].slope
    yield "x_beta_250d", beta
    yield "x_market_correlation_250d", lines[250].correlation
    for span in SPANS:
        yield f"x_idiosyncratic_{span}d", lines[span].residual_std

    yield "x_residual_1d", r - beta * market
    stock = window_means(np.where(np.isnan(market), np.nan, r), *RESIDUALS, 250)
    index = window_means(np.where(np.isnan(r), np.nan, market), *RESIDUALS, 250)
    left = {span: (stock[span] - beta * index[span]) * span for span in stock}
    for span in RESIDUALS:
        yield f"x_residual_{span}d", left[span]
    yield "x_residual_momentum", (left[250] - left[20]) / positive(lines[250].residual_std)
    yield "x_delay_60d", window_lines(shift(market, 1), r, 60)[60].slope
