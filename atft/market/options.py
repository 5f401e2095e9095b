"""What a simulated market is made of, before a single number is drawn: options, column names, digest.

Everything random comes from `stream`: one generator per (seed, purpose), each drawn day by day. So a longer
market begins with exactly the shorter one, and the noise-only twin shares every draw with its original.
"""

from dataclasses import asdict, dataclass, field
from zlib import crc32

import numpy as np

from atft.digest import json_digest
from atft.errors import InputError

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


def stream(seed: int, purpose: str) -> np.random.Generator:
    """Open the generator of one purpose; what another purpose draws cannot move it."""
    return np.random.default_rng([seed, crc32(purpose.encode())])


def feature_columns(count: int) -> tuple[str, ...]:
    """Names of ``count`` features: informed, trailing and decoy columns first, white noise for the rest."""
    named = (*INFORMED, *TRAILING, *DECOYS)
    return (*named, *(f"x_noise_{i:02d}" for i in range(1, count - len(named) + 1)))


@dataclass(frozen=True)
class MarketOptions:
    """A simulated market whose best possible score is known.

    Args:
        stocks: stocks listed in all.
        days: trading days.
        features: feature columns; what the informed, trailing and decoy ones leave is white noise.
        lookback: days of the window within which the masking cycles close, so that their frequencies fall on
            its Fourier bins; train with the same lookback.
        horizons: trading days ahead of the forward returns.
        oracle_ic: expected IC of the best possible score at a horizon of one day; each part alone has half.
        persistence: share of each part's expected return that is left a day later, from 0 to below 1.
        cycle_amplitude: size of the masking cycles over the std of what they mask.
        community: stocks of one community of the hidden graph; all others of it are a stock's neighbours.
        community_share: share of a return's variance that a community has in common.
        missing: share of a stock's days without a row, in suspensions of a week; late listings come on top.
        seed: another seed is another market.
        noise_only: plant nothing: the same features and the same noise, no signal and no oracle.
    """

    stocks: int = 200
    days: int = 500
    features: int = 24
    lookback: int = 20
    horizons: list[int] = field(default_factory=lambda: [1, 5])
    oracle_ic: float = 0.20
    persistence: float = 0.5
    cycle_amplitude: float = 4.0
    community: int = 6
    community_share: float = 0.6
    missing: float = 0.01
    seed: int = 1
    noise_only: bool = False


def check(options: MarketOptions) -> None:
    """Refuse options that no market can be made of.

    Raises:
        InputError: a size is out of range; the message names the option, its bound and what came.
    """
    horizons = options.horizons
    if not horizons or len(set(horizons)) != len(horizons) or min(horizons) < 1:
        raise InputError(f"simulate: horizons must be distinct trading days >= 1, got {horizons}")
    named = len(INFORMED) + len(TRAILING) + len(DECOYS)
    least = {
        "stocks": 2 * options.community,
        "days": max(horizons) + 2,
        "features": named,
        "lookback": 8,
        "community": 2,
        "seed": 0,
    }
    for name, bound in least.items():
        if getattr(options, name) < bound:
            raise InputError(f"simulate: {name} must be at least {bound}, got {getattr(options, name)}")
    below = {"oracle_ic": 0.9, "persistence": 1.0, "missing": 0.5, "community_share": 0.8}
    for name, end in below.items():
        if not 0 <= getattr(options, name) < end:
            raise InputError(f"simulate: {name} must be in [0, {end}), got {getattr(options, name)}")
    if options.cycle_amplitude < 0:
        raise InputError(f"simulate: cycle_amplitude must be at least 0, got {options.cycle_amplitude}")


def market_columns(options: MarketOptions) -> tuple[str, ...]:
    """Column names of the panel that these options give, in order, without simulating it.

    Raises:
        InputError: the options are out of range.
    """
    check(options)
    labels = [name for h in options.horizons for name in (f"target_{h}d", f"target_{h}d_lag1")]
    oracle = [] if options.noise_only else [f"oracle_{h}d" for h in options.horizons]
    features = feature_columns(options.features)
    return ("date", "code", "sector", "universe", *features, *labels, *oracle, *EXPOSURES, *REGIMES, *CONTEXT)


def market_digest(options: MarketOptions) -> str:
    """Sixteen hex digits that change with any option and with the simulator's format."""
    return json_digest({"format": FORMAT, **asdict(options)})
