"""The stock against the market and its sector: beta, the residuals, and features minus their peers' mean.

`relative_features` are the only ones that read across stocks, so they are made of whole days, in one place.
"""

from collections.abc import Iterator, Mapping

import numpy as np
from jaxtyping import Int32

from atft.features.checked_prices import History, group_sums
from atft.features.windows import Flags, Grid, Series, positive, shift, window_lines, window_means

SPANS = (20, 60, 250)
RESIDUALS = (5, 20, 60, 120)

VS_MARKET = ("return_5d", "return_20d", "return_60d", "gap_1d", "volatility_20d", "volume_ratio_1_20")
VS_SECTOR = (
    "return_1d",
    "return_5d",
    "return_20d",
    "return_60d",
    "momentum_250_20",
    "gap_1d",
    "average_distance_20d",
    "volatility_20d",
    "volume_ratio_1_20",
    "illiquidity_20d",
)
PEERS = ("return_1d", "return_5d", "return_20d")
"""All of `VS_MARKET` and `PEERS` are in `VS_SECTOR`, in its order."""
MIN_PEERS = 4
"""With fewer other stocks in its sector on a day, a stock is compared with the market."""


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


def relative_features(
    base: Mapping[str, Grid], tradable: Flags, sector: Int32[np.ndarray, "days stocks"], sectors: int
) -> dict[str, Grid]:
    """Relate features to the means over the day's tradable stocks.

    ``x_*_vs_market``: minus the market's mean. ``x_*_vs_sector``: minus the mean of the *other* stocks of the
    sector. ``x_peers_*``: that mean itself. A stock without a sector, or with fewer than four known peers in
    it that day, is compared with all other stocks. ``base`` are the features by name, of whole days; ``sector`` is
    an index below ``sectors``, -1 for none.
    """
    vs_market, vs_sector, of_peers = {}, {}, {}
    market = np.zeros(sector.shape, dtype=np.int32)
    for name in VS_SECTOR:
        value = base[f"x_{name}"]
        # What this stock adds to the sums: its peers are the others.
        counted = tradable & ~np.isnan(value)
        itself = np.where(counted, value, np.float32(0)).astype(np.float64)
        with np.errstate(invalid="ignore", divide="ignore"):
            total, n = group_sums(value, tradable, market, 1)
            if name in VS_MARKET:
                vs_market[f"x_{name}_vs_market"] = (value - total / n).astype(np.float32)
            peers = (total - itself) / (n - counted)
            if sectors:
                total, n = group_sums(value, tradable, sector, sectors)
                day = np.arange(len(value))[:, None]
                group = np.maximum(sector, 0)
                others = n[day, group] - counted
                near = (total[day, group] - itself) / others
                peers = np.where((sector >= 0) & (others >= MIN_PEERS), near, peers)
            peers[~np.isfinite(peers)] = np.nan
        vs_sector[f"x_{name}_vs_sector"] = (value - peers).astype(np.float32)
        if name in PEERS:
            of_peers[f"x_peers_{name}"] = np.where(np.isnan(value), np.nan, peers).astype(np.float32)
    return vs_market | vs_sector | of_peers
