"""What a simulated market is made of, before a single number is drawn: options, column names, digest.

Everything random comes from `stream`: one generator per (seed, purpose), each drawn day by day. So a longer
market begins with exactly the shorter one, and the noise-only twin shares every draw with its original.
"""

from dataclasses import asdict, dataclass, field
from zlib import crc32

import numpy as np

from atft.errors import InputError
from atft.files.digest import json_digest
from atft.option_types import check_least, check_option_types

FORMAT = 1
"""Raised when the same options would give other numbers."""
PARTS = ("today", "window", "neighbours", "masked")
"""The four equal parts of the planted signal, in the order of every array of parts."""
INFORMED = ("x_revision", "x_demand", "x_surprise", "x_flow", "x_move", "x_cycle")
"""Columns that the planted signal is a function of."""
TRAILING = ("x_return_1d", "x_return_5d", "x_return_20d", "x_volatility_20d", "x_traded_value")
"""Columns made of past closes and traded values."""
DECOYS = ("x_revision_echo", "x_demand_echo", "x_season", "x_tide", "x_slow_1", "x_slow_2")
"""Columns that look like informed ones (correlated, periodic, persistent) and add nothing to them."""
EXPOSURES = ("exposure_size", "exposure_beta", "exposure_volatility")
REGIMES = ("regime_volatility", "regime_trend")
CONTEXT = ("return_1d", "momentum_20d", "traded_value")
MOST = 100_000
"""Of stocks, days and features: ten times the stocks of all markets of a continent, or four centuries."""
COMMUNITY_SIZE = 6
"""Stocks of one community of the hidden graph."""


def stream(seed: int, purpose: str) -> np.random.Generator:
    """Open the generator of one purpose; what another purpose draws cannot move it."""
    return np.random.default_rng([seed, crc32(purpose.encode())])


def feature_columns(count: int) -> tuple[str, ...]:
    """Names of ``count`` features: informed, trailing and decoy columns first, white noise for the rest."""
    named = (*INFORMED, *TRAILING, *DECOYS)
    return (*named, *(f"x_noise_{i:02d}" for i in range(1, count - len(named) + 1)))


@dataclass(frozen=True)
class MarketOptions:
    """A simulated market whose best possible score is known. Train on it with a lookback of 20 days.

    Args:
        stocks: number of stocks that are ever listed.
        days: number of trading days.
        features: number of feature columns; those beyond the informed, trailing and decoy ones are white noise.
        horizons: horizons of the forward returns, in trading days.
        seed: seed of the market; another seed makes another market.
        noise_only: plant nothing: the same features and the same noise, no signal and no oracle.
    """

    stocks: int = 200
    days: int = 500
    features: int = 24
    horizons: list[int] = field(default_factory=lambda: [1, 5])
    seed: int = 1
    noise_only: bool = False

    def __post_init__(self) -> None:
        check_option_types("simulate", self)


def check_market(options: MarketOptions) -> None:
    """Raise InputError unless a market can be made of the options; it names the option and its bound."""
    horizons = options.horizons
    if not horizons or len(set(horizons)) != len(horizons) or min(horizons) < 1:
        raise InputError(f"simulate: horizons must be distinct trading days >= 1, got {horizons}")
    stocks, days, features = 2 * COMMUNITY_SIZE, max(horizons) + 2, len(feature_columns(0))
    check_least("simulate: ", options, MOST, stocks=stocks, days=days, features=features)
    check_least("simulate: ", options, seed=0)


def market_columns(options: MarketOptions) -> tuple[str, ...]:
    """Column names of the panel that these options give, in order; they are checked, nothing is simulated."""
    check_market(options)
    labels = [name for h in options.horizons for name in (f"target_{h}d", f"target_{h}d_lag1")]
    oracle = [] if options.noise_only else [f"oracle_{h}d" for h in options.horizons]
    features = feature_columns(options.features)
    return ("date", "code", "sector", "universe", *features, *labels, *oracle, *EXPOSURES, *REGIMES, *CONTEXT)


def market_digest(options: MarketOptions) -> str:
    """Sixteen hex digits that change with any option and with the simulator's format."""
    return json_digest({"format": FORMAT, **asdict(options)})
