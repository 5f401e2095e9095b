"""The market: four planted parts, noise around them, closes, and a panel's columns made of both.

The logarithmic return of a stock from day t to t + 1 is

    0.02 volatility[t+1] (scale noise[t+1] + strength (today + window + neighbours + masked)[t] / 2)

plus the market's move. Each part has variance 1, knows nothing of the others and is a function of columns
that stand in the panel at day t. Its expected future is closed, so the best score of any horizon is known
exactly, up to a factor that all stocks of the day share. The default market takes 0.2 s.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial

import numpy as np
from numpy.typing import NDArray

from atft.market.communities import (
    Community,
    communities,
    heavy_tailed,
    neighbour_count,
    neighbour_mean,
    sectors,
)
from atft.market.options import COMMUNITY_SIZE, PARTS, MarketOptions, check_market, feature_columns, stream
from atft.market.series import (
    MONTH_DAYS,
    Array,
    accumulate,
    cycles,
    echo,
    expected_memory,
    fading_memory,
    forward_return,
    month_mean_std,
    past_return,
    persistent,
    persistent_sum,
)

Stream = Callable[[str], np.random.Generator]
"""Purpose -> its generator."""
WARM_UP_DAYS = 2 * MONTH_DAYS
"""Simulated before the first day that is shown, so that trailing columns are known from the start."""
FIRST_DAY = np.datetime64("2015-01-05")
ORACLE_IC = 0.20
"""Expected IC of the best possible score at a horizon of one day; each part alone has half."""
PERSISTENCE = 0.5
"""Share of each part's expected return that is left a day later."""
CYCLE_WINDOW_DAYS = 20
"""Window within which the masking cycles close."""
CYCLE_AMPLITUDE = 4.0
"""Size of the masking cycles over the std of what they mask."""
DAILY_VOLATILITY = 0.02
COMMUNITY_SHARE, MOVE_SHARE = 0.6, 0.15
"""Shares of a return's variance: the common move of a community; the own visible one, which neighbours follow."""
DEGREES_OF_FREEDOM = 6.0
SUSPENDED_SHARE, SUSPENSION_DAYS = 0.01, 5
LATE_SHARE, LATEST_LISTING = 0.15, 150
UNKNOWN_SHARE = 0.002
MIN_TRADED_VALUE = 1e6


@dataclass(frozen=True)
class Market:
    """A simulated market. Arrays are [days, stocks] unless they say otherwise."""

    options: MarketOptions
    dates: tuple[date, ...]
    codes: tuple[str, ...]
    sector: NDArray[np.int64]
    """[stocks], -1 for none."""
    community: NDArray[np.int64]
    """[stocks]; the hidden graph: the members of one community are each other's neighbours."""
    close: Array
    """Known every day, also where the panel has no row."""
    observed: NDArray[np.bool_]
    """The panel has a row."""
    columns: Mapping[str, Array]
    """Every number in the panel by its name; NaN where the panel has null."""
    universe: NDArray[np.bool_]
    parts: Array
    """[parts, days, stocks]; each part's share of the next day's expected return, before noise_only."""
    oracle_parts: Mapping[int, Array]
    """Horizon to [parts, days, stocks]: the expected return over that many days that each part explains."""

    def oracle(self, horizon: int) -> Array:
        """Best possible score at day t: the expected return over the horizon, given all that day t knows."""
        return np.asarray(self.oracle_parts[horizon].sum(0))


@dataclass(frozen=True)
class _Signal:
    """The planted parts with the columns that carry them; [days, stocks] each, warm-up included."""

    columns: dict[str, Array]
    now: Array
    expected: dict[int, Array]
    moves: Array


def _waves(rng: np.random.Generator, days: int, stocks: int, amplitude: float) -> Array:
    return cycles(rng, days, stocks, CYCLE_WINDOW_DAYS, amplitude, -WARM_UP_DAYS)


def _signal(rng: Stream, days: int, horizons: list[int], community: Community) -> _Signal:
    size = days, len(community)
    names = ("x_revision", "x_demand", "x_surprise")
    columns = {name: persistent(rng(name), *size, PERSISTENCE) for name in names}
    today = (columns["x_revision"] - columns["x_demand"] + columns["x_surprise"]) / np.sqrt(3)
    columns["x_flow"] = rng("x_flow").standard_normal(size)
    memory = fading_memory(columns["x_flow"], PERSISTENCE)
    moves = rng("moves").standard_normal(size)
    columns["x_move"] = accumulate(moves, PERSISTENCE)
    spill = np.sqrt(neighbour_count(community)) * neighbour_mean(columns["x_move"], community)
    covered = persistent(rng("covered"), *size, PERSISTENCE)
    columns["x_cycle"] = covered + _waves(rng("cycles"), *size, CYCLE_AMPLITUDE)

    # Each part alone explains half the std of the signal, and the signal ORACLE_IC of the return's.
    unit = DAILY_VOLATILITY * (ORACLE_IC / np.sqrt(1 - ORACLE_IC**2) / np.sqrt(len(PARTS)))
    expected = {}
    for h in horizons:
        later = persistent_sum(PERSISTENCE, h)
        remembered = expected_memory(columns["x_flow"], memory, PERSISTENCE, h)
        expected[h] = unit * np.stack([later * today, remembered, later * spill, later * covered])
    return _Signal(columns, unit * np.stack([today, memory, spill, covered]), expected, moves)


def _closes(rng: Stream, community: Community, signal: _Signal, beta: Array, noise_only: bool) -> Array:
    days, stocks = signal.moves.shape
    alone = 1 - COMMUNITY_SHARE - MOVE_SHARE
    common = heavy_tailed(rng("common"), days, int(community.max()) + 1, DEGREES_OF_FREEDOM)
    noise = (
        np.sqrt(COMMUNITY_SHARE) * common[:, community]
        + np.sqrt(MOVE_SHARE) * signal.moves
        + np.sqrt(alone) * heavy_tailed(rng("alone"), days, stocks, DEGREES_OF_FREEDOM)
    )
    # exp(s z - s^2) has mean square 1: calm and wild stocks, and months, around the same typical size.
    scale = np.exp(0.2 * rng("scale").standard_normal(stocks) - 0.2**2)
    volatility = np.exp(0.25 * persistent(rng("volatility"), days, 1, 0.95) - 0.25**2)
    returns = DAILY_VOLATILITY * scale * noise
    if not noise_only:
        returns[1:] += signal.now.sum(0)[:-1]
    market = 0.4 * DAILY_VOLATILITY * rng("market").standard_normal((days, 1))
    start = np.exp(3.5 + 0.5 * rng("start").standard_normal(stocks))
    return np.asarray(start * np.exp(np.cumsum(volatility * (returns + beta * market), axis=0)))


def _observed(rng: Stream, days: int, stocks: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Rows the panel has, and those with a month of listing behind them; warm-up included."""
    listings = rng("listing")
    late = listings.random(stocks) < LATE_SHARE
    listing = np.where(late, WARM_UP_DAYS + listings.integers(1, LATEST_LISTING, stocks), 0)
    day = np.arange(days)[:, None]
    begins = rng("suspension").random((days, stocks)) < SUSPENDED_SHARE / SUSPENSION_DAYS
    suspended = begins.copy()
    for later in range(1, SUSPENSION_DAYS):
        suspended[later:] |= begins[:-later]
    return (day >= listing) & ~suspended, day >= listing + MONTH_DAYS * (listing > 0)


def _decoys(rng: Stream, columns: Mapping[str, Array]) -> dict[str, Array]:
    days, stocks = columns["x_flow"].shape
    size = days, stocks
    return {
        "x_revision_echo": echo(rng("x_revision_echo"), columns["x_revision"], 0.5, PERSISTENCE),
        "x_demand_echo": echo(rng("x_demand_echo"), columns["x_demand"], 0.5, PERSISTENCE),
        "x_season": rng("x_season").standard_normal(size) + _waves(rng("x_season waves"), *size, 2.0),
        "x_tide": persistent(rng("x_tide"), *size, 0.9) + _waves(rng("x_tide waves"), *size, 0.5),
        "x_slow_1": persistent(rng("x_slow_1"), *size, 0.97),
        "x_slow_2": persistent(rng("x_slow_2"), *size, 0.97),
    }


def simulate_market(options: MarketOptions) -> Market:
    """Draw a market. The same options give the same bits; more days only add days at the end."""
    check_market(options)
    rng = partial(stream, options.seed)
    size = days, stocks = WARM_UP_DAYS + options.days, options.stocks
    community = communities(rng("communities"), stocks, COMMUNITY_SIZE)
    signal = _signal(rng, days, options.horizons, community)
    beta = 1 + 0.15 * rng("beta").standard_normal(stocks)
    close = _closes(rng, community, signal, beta, options.noise_only)
    observed, listed_a_month = _observed(rng, days, stocks)

    return_1d = past_return(close, observed, 1)
    momentum = past_return(close, observed, MONTH_DAYS)
    log_value = 16 + rng("size").standard_normal(stocks) + 0.3 * persistent(rng("busy"), *size, 0.8)
    traded_value = np.exp(log_value + 10 * np.abs(np.nan_to_num(return_1d)))
    traded_value[~observed] = np.nan
    usual_value, _ = month_mean_std(traded_value)
    _, volatility = month_mean_std(return_1d)

    columns = dict(signal.columns) | _decoys(rng, signal.columns)
    columns |= {
        "x_return_1d": return_1d,
        "x_return_5d": past_return(close, observed, 5),
        "x_return_20d": momentum,
        "x_volatility_20d": volatility,
        "x_traded_value": np.log(traded_value / usual_value),
    }
    for name in feature_columns(options.features):
        if name not in columns:
            columns[name] = rng(name).standard_normal(size)
        unknown = rng(f"{name} unknown").random(size) < UNKNOWN_SHARE
        columns[name] = np.where(unknown, np.nan, columns[name])
    for h in options.horizons:
        columns[f"target_{h}d"] = forward_return(close, observed, h)
        columns[f"target_{h}d_lag1"] = forward_return(close, observed, h, lag=1)
        if not options.noise_only:
            columns[f"oracle_{h}d"] = signal.expected[h].sum(0)
    # Market-wide columns read all listed stocks; a month of daily means is known from the first shown day.
    breadth = np.nanmean(np.where(observed, return_1d, np.nan)[1:], axis=1, keepdims=True)
    trend, turbulence = month_mean_std(np.concatenate([np.zeros((1, 1)), breadth]))
    columns |= {
        "exposure_size": np.log(usual_value),
        "exposure_beta": beta * np.ones((days, 1)),
        "exposure_volatility": volatility,
        "regime_volatility": turbulence * np.ones((1, stocks)),
        "regime_trend": trend * np.ones((1, stocks)),
        "return_1d": return_1d,
        "momentum_20d": momentum,
        "traded_value": traded_value,
    }
    universe = observed & listed_a_month & (np.nan_to_num(usual_value) >= MIN_TRADED_VALUE)
    shown = slice(WARM_UP_DAYS, None)
    return Market(
        options=options,
        dates=tuple(np.busday_offset(FIRST_DAY, np.arange(options.days), "forward").tolist()),
        codes=tuple(f"S{stock:04d}" for stock in range(stocks)),
        sector=sectors(rng("sectors"), community),
        community=community,
        close=close[shown],
        observed=observed[shown],
        columns={name: np.where(observed, column, np.nan)[shown] for name, column in columns.items()},
        universe=universe[shown],
        parts=signal.now[:, shown],
        oracle_parts={h: expected[:, shown] for h, expected in signal.expected.items()},
    )
