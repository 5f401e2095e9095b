"""The market: four planted parts, noise around them, closes, and a panel's columns made of both.

The logarithmic return of a stock from day t to t + 1 is

    0.02 volatility[t+1] (scale noise[t+1] + strength (today + window + neighbours + masked)[t] / 2)

plus the market's move. Each part has variance 1, knows nothing of the others and is a function of columns
that stand in the panel at day t. Its expected future is closed, so the best score of any horizon is known
exactly, up to a factor that all stocks of the day share. The default market takes 0.2 s.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from atft.market.factors import Array, accumulate, echo, persistent, persistent_sum
from atft.market.graph import (
    common_moves,
    communities,
    heavy_tailed,
    neighbour_count,
    neighbour_mean,
    sectors,
)
from atft.market.options import PARTS, MarketOptions, check, feature_columns, stream
from atft.market.periodic import cycles
from atft.market.trailing import MONTH, forward_return, month_mean, month_std, past_return
from atft.market.window import expected_memory, fading_memory

WARM_UP = 2 * MONTH
"""Days simulated before the first one that is shown, so that trailing columns are known from the start."""

FIRST_DAY = date(2015, 1, 5)
DAILY_VOLATILITY = 0.02
MOVE_SHARE = 0.15
"""Share of a return's variance that is the stock's own visible move, which its neighbours follow."""
DEGREES_OF_FREEDOM = 6.0
SUSPENSION_DAYS = 5
LATE_SHARE, LATEST_LISTING = 0.15, 150
UNKNOWN_VALUES = 0.002
LEAST_TRADED_VALUE = 1e6


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


def _signal(options: MarketOptions, community: NDArray[np.int64]) -> _Signal:
    days, stocks = WARM_UP + options.days, options.stocks
    keep = options.persistence

    def rng(purpose: str) -> np.random.Generator:
        return stream(options.seed, purpose)

    names = ("x_revision", "x_demand", "x_surprise")
    columns = {name: persistent(rng(name), days, stocks, keep) for name in names}
    today = (columns["x_revision"] - columns["x_demand"] + columns["x_surprise"]) / np.sqrt(3)
    columns["x_flow"] = rng("x_flow").standard_normal((days, stocks))
    memory = fading_memory(columns["x_flow"], keep)
    moves = rng("moves").standard_normal((days, stocks))
    columns["x_move"] = accumulate(moves, keep)
    spill = np.sqrt(neighbour_count(community)) * neighbour_mean(columns["x_move"], community)
    covered = persistent(rng("covered"), days, stocks, keep)
    waves = cycles(rng("cycles"), days, stocks, options.lookback, options.cycle_amplitude, -WARM_UP)
    columns["x_cycle"] = covered + waves

    # Each part alone explains half the std of the signal, and the signal oracle_ic of the return's.
    strength = options.oracle_ic / np.sqrt(1 - options.oracle_ic**2) / np.sqrt(len(PARTS))
    unit = DAILY_VOLATILITY * strength
    expected = {}
    for h in options.horizons:
        later = persistent_sum(keep, h)
        remembered = expected_memory(columns["x_flow"], memory, keep, h)
        expected[h] = unit * np.stack([later * today, remembered, later * spill, later * covered])
    return _Signal(columns, unit * np.stack([today, memory, spill, covered]), expected, moves)


def _closes(options: MarketOptions, community: NDArray[np.int64], signal: _Signal) -> Array:
    days, stocks = WARM_UP + options.days, options.stocks

    def rng(purpose: str) -> np.random.Generator:
        return stream(options.seed, purpose)

    alone = 1 - options.community_share - MOVE_SHARE
    noise = (
        np.sqrt(options.community_share) * common_moves(rng("common"), days, community, DEGREES_OF_FREEDOM)
        + np.sqrt(MOVE_SHARE) * signal.moves
        + np.sqrt(alone) * heavy_tailed(rng("alone"), days, stocks, DEGREES_OF_FREEDOM)
    )
    # exp(s z - s^2) has mean square 1: calm and wild stocks, and months, around the same typical size.
    scale = np.exp(0.2 * rng("scale").standard_normal(stocks) - 0.2**2)
    volatility = np.exp(0.25 * persistent(rng("volatility"), days, 1, 0.95) - 0.25**2)
    returns = DAILY_VOLATILITY * scale * noise
    if not options.noise_only:
        returns[1:] += signal.now.sum(0)[:-1]
    beta = _beta(options)
    market = 0.4 * DAILY_VOLATILITY * rng("market").standard_normal((days, 1))
    start = np.exp(3.5 + 0.5 * rng("start").standard_normal(stocks))
    return np.asarray(start * np.exp(np.cumsum(volatility * (returns + beta * market), axis=0)))


def _beta(options: MarketOptions) -> Array:
    return 1 + 0.15 * stream(options.seed, "beta").standard_normal(options.stocks)


def _observed(options: MarketOptions) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Rows the panel has, and those with a month of listing behind them; warm-up included."""
    days, stocks = WARM_UP + options.days, options.stocks
    rng = stream(options.seed, "listing")
    late = rng.random(stocks) < LATE_SHARE
    listing = np.where(late, WARM_UP + rng.integers(1, LATEST_LISTING, stocks), 0)
    day = np.arange(days)[:, None]
    begins = stream(options.seed, "suspension").random((days, stocks)) < options.missing / SUSPENSION_DAYS
    suspended = begins.copy()
    for later in range(1, SUSPENSION_DAYS):
        suspended[later:] |= begins[:-later]
    return (day >= listing) & ~suspended, day >= listing + MONTH * (listing > 0)


def _decoys(options: MarketOptions, columns: Mapping[str, Array]) -> dict[str, Array]:
    days, stocks = WARM_UP + options.days, options.stocks

    def rng(name: str) -> np.random.Generator:
        return stream(options.seed, name)

    def waves(name: str, amplitude: float) -> Array:
        return cycles(rng(f"{name} waves"), days, stocks, options.lookback, amplitude, -WARM_UP)

    keep = options.persistence
    return {
        "x_revision_echo": echo(rng("x_revision_echo"), columns["x_revision"], 0.5, keep),
        "x_demand_echo": echo(rng("x_demand_echo"), columns["x_demand"], 0.5, keep),
        "x_season": rng("x_season").standard_normal((days, stocks)) + waves("x_season", 2.0),
        "x_tide": persistent(rng("x_tide"), days, stocks, 0.9) + waves("x_tide", 0.5),
        "x_slow_1": persistent(rng("x_slow_1"), days, stocks, 0.97),
        "x_slow_2": persistent(rng("x_slow_2"), days, stocks, 0.97),
    }


def simulate_market(options: MarketOptions) -> Market:
    """Draw a market. The same options give the same bits; more days only add days at the end.

    Args:
        options: sizes, strength of the signal, seed.

    Raises:
        InputError: the options are out of range.
    """
    check(options)
    days, stocks = WARM_UP + options.days, options.stocks
    community = communities(stream(options.seed, "communities"), stocks, options.community)
    signal = _signal(options, community)
    close = _closes(options, community, signal)
    observed, listed_a_month = _observed(options)

    return_1d = past_return(close, observed, 1)
    momentum = past_return(close, observed, MONTH)
    size = 16 + stream(options.seed, "size").standard_normal(stocks)
    busy = persistent(stream(options.seed, "busy"), days, stocks, 0.8)
    traded_value = np.exp(size + 0.3 * busy + 10 * np.abs(np.nan_to_num(return_1d)))
    traded_value[~observed] = np.nan
    usual_value, volatility = month_mean(traded_value), month_std(return_1d)

    columns = dict(signal.columns) | _decoys(options, signal.columns)
    columns |= {
        "x_return_1d": return_1d,
        "x_return_5d": past_return(close, observed, 5),
        "x_return_20d": momentum,
        "x_volatility_20d": volatility,
        "x_traded_value": np.log(traded_value / usual_value),
    }
    names = feature_columns(options.features)
    for name in names:
        if name not in columns:
            columns[name] = stream(options.seed, name).standard_normal((days, stocks))
        unknown = stream(options.seed, f"{name} unknown").random((days, stocks)) < UNKNOWN_VALUES
        columns[name] = np.where(unknown, np.nan, columns[name])
    for h in options.horizons:
        columns[f"target_{h}d"] = forward_return(close, observed, h)
        columns[f"target_{h}d_lag1"] = forward_return(close, observed, h, lag=1)
        if not options.noise_only:
            columns[f"oracle_{h}d"] = signal.expected[h].sum(0)
    # Market-wide columns read all listed stocks; a month of daily means is known from the first shown day.
    breadth = np.nanmean(np.where(observed, return_1d, np.nan)[1:], axis=1, keepdims=True)
    breadth = np.concatenate([np.zeros((1, 1)), breadth])
    every = np.ones((1, stocks))
    columns |= {
        "exposure_size": np.log(usual_value),
        "exposure_beta": _beta(options) * np.ones((days, 1)),
        "exposure_volatility": volatility,
        "regime_volatility": month_std(breadth) * every,
        "regime_trend": month_mean(breadth) * every,
        "return_1d": return_1d,
        "momentum_20d": momentum,
        "traded_value": traded_value,
    }
    universe = observed & listed_a_month & (np.nan_to_num(usual_value) >= LEAST_TRADED_VALUE)
    shown = slice(WARM_UP, None)
    return Market(
        options=options,
        dates=_weekdays(options.days),
        codes=tuple(f"S{stock:04d}" for stock in range(stocks)),
        sector=sectors(stream(options.seed, "sectors"), community),
        community=community,
        close=close[shown],
        observed=observed[shown],
        columns={name: np.where(observed, column, np.nan)[shown] for name, column in columns.items()},
        universe=universe[shown],
        parts=signal.now[:, shown],
        oracle_parts={h: expected[:, shown] for h, expected in signal.expected.items()},
    )


def _weekdays(count: int) -> tuple[date, ...]:
    weeks, rest = np.divmod(np.arange(count), 5)
    return tuple(FIRST_DAY + timedelta(days=int(7 * w + r)) for w, r in zip(weeks, rest, strict=True))
