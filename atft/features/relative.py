"""Features against the day's market and against the stock's sector: the same number, minus its peers' mean.

The only features that read across stocks, so they are made of whole days, in one place.
"""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Float32, Int32

from atft.features.screen import group_sums

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
# A sector with fewer other stocks on a day says less of the stock than the market does.
MIN_PEERS = 4


def relative_names() -> list[str]:
    """Names of the relative features, in order."""
    return [
        *(f"x_{name}_vs_market" for name in VS_MARKET),
        *(f"x_{name}_vs_sector" for name in VS_SECTOR),
        *(f"x_peers_{name}" for name in PEERS),
    ]


def relative_features(
    base: Mapping[str, Float32[np.ndarray, "days stocks"]],
    tradable: Bool[np.ndarray, "days stocks"],
    sector: Int32[np.ndarray, "days stocks"],
    sectors: int,
) -> dict[str, Float32[np.ndarray, "days stocks"]]:
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
    whole = np.zeros(sector.shape, dtype=np.int32)
    for name in dict.fromkeys((*VS_MARKET, *VS_SECTOR, *PEERS)):
        value = base[f"x_{name}"]
        # What this stock itself adds to the sums, to be taken out of them again.
        counted = tradable & ~np.isnan(value)
        own = np.where(counted, value, np.float32(0)).astype(np.float64)
        with np.errstate(invalid="ignore", divide="ignore"):
            total, n = group_sums(value, tradable, whole, 1)
            if name in VS_MARKET:
                out[f"x_{name}_vs_market"] = (value - total / n).astype(np.float32)
            if name not in VS_SECTOR and name not in PEERS:
                continue
            peers = (total - own) / (n - counted)
            if sectors:
                total, n = group_sums(value, tradable, sector, sectors)
                day = np.arange(len(value))[:, None]
                place = np.maximum(sector, 0)
                others = n[day, place] - counted
                near = (total[day, place] - own) / others
                peers = np.where((sector >= 0) & (others >= MIN_PEERS), near, peers)
            peers[~np.isfinite(peers)] = np.nan
        if name in VS_SECTOR:
            out[f"x_{name}_vs_sector"] = (value - peers).astype(np.float32)
        if name in PEERS:
            out[f"x_peers_{name}"] = np.where(np.isnan(value), np.nan, peers).astype(np.float32)
    return {name: out[name] for name in relative_names()}
