"""Features against the day's market and against the stock's sector: the same number, minus its peers' mean.

The only features that read across stocks, so they are made of whole days, in one place.
"""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float, Float64, Int32

from atft.features.windows import Flags, Grid

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
MIN_PEERS = 4
"""With fewer other stocks in its sector on a day, a stock is compared with the market."""


def relative_names() -> list[str]:
    """Names of the relative features, in order."""
    return [
        *(f"x_{name}_vs_market" for name in VS_MARKET),
        *(f"x_{name}_vs_sector" for name in VS_SECTOR),
        *(f"x_peers_{name}" for name in PEERS),
    ]


def relative_features(
    base: Mapping[str, Grid], tradable: Flags, sector: Int32[np.ndarray, "days stocks"], sectors: int
) -> dict[str, Grid]:
    """Relate features to the means over the day's tradable stocks.

    ``x_*_vs_market``: minus the market's mean. ``x_*_vs_sector``: minus the mean of the *other* stocks of the
    sector. ``x_peers_*``: that mean itself. A stock without a sector, or with fewer than four known peers in
    it that day, is compared with all other stocks.

    Args:
        base: the features by name, of whole days.
        tradable: the stocks that make up the means.
        sector: index of the sector, -1 for none.
        sectors: how many sectors there are.
    """
    out = {}
    market = np.zeros(sector.shape, dtype=np.int32)
    for name in dict.fromkeys((*VS_MARKET, *VS_SECTOR, *PEERS)):
        value = base[f"x_{name}"]
        # What this stock adds to the sums: its peers are the others.
        counted = tradable & ~np.isnan(value)
        itself = np.where(counted, value, np.float32(0)).astype(np.float64)
        with np.errstate(invalid="ignore", divide="ignore"):
            total, n = group_sums(value, tradable, market, 1)
            if name in VS_MARKET:
                out[f"x_{name}_vs_market"] = (value - total / n).astype(np.float32)
            if name not in VS_SECTOR and name not in PEERS:
                continue
            peers = (total - itself) / (n - counted)
            if sectors:
                total, n = group_sums(value, tradable, sector, sectors)
                day = np.arange(len(value))[:, None]
                group = np.maximum(sector, 0)
                others = n[day, group] - counted
                near = (total[day, group] - itself) / others
                peers = np.where((sector >= 0) & (others >= MIN_PEERS), near, peers)
            peers[~np.isfinite(peers)] = np.nan
        if name in VS_SECTOR:
            out[f"x_{name}_vs_sector"] = (value - peers).astype(np.float32)
        if name in PEERS:
            out[f"x_peers_{name}"] = np.where(np.isnan(value), np.nan, peers).astype(np.float32)
    return {name: out[name] for name in relative_names()}


def day_means(values: Float[np.ndarray, "days stocks"], count: Flags) -> Float64[np.ndarray, " days"]:
    """Mean over each day's stocks that count and are known; NaN on a day with none.

    Added one by one in the stocks' order, so that a stock without a value leaves no trace in the bits.
    """
    total, n = group_sums(values, count, np.zeros(values.shape, dtype=np.int32), 1)
    with np.errstate(invalid="ignore"):
        means: np.ndarray = total[:, 0] / n[:, 0]
    return means


def group_sums(
    values: Float[np.ndarray, "days stocks"], count: Flags, group: np.ndarray, groups: int
) -> tuple[Float64[np.ndarray, "days groups"], Float64[np.ndarray, "days groups"]]:
    """Sum and number of the known values of each day's groups.

    Args:
        values: NaN where unknown.
        count: the stocks that count.
        group: int [days, stocks], each in [0, groups) or -1 for none.
        groups: how many there are.
    """
    day, stock = np.nonzero(count & ~np.isnan(values) & (group >= 0))
    cell = day * groups + group[day, stock]
    shape = (len(values), groups)
    n = np.bincount(cell, minlength=shape[0] * groups)
    # Without a single value bincount forgets the type of its weights.
    total = np.bincount(cell, weights=values[day, stock], minlength=shape[0] * groups).astype(np.float64)
    return total.reshape(shape), n.reshape(shape).astype(np.float64)
