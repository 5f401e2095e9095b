"""A window that reaches ahead moves with the return that comes in at its far end; an honest column does not."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from atft.probes.future import Futures, Label
from atft.probes.rank_correlations import scaled_ranks, shift_days
from atft.probes.windows_ahead import MAX_AHEAD, market_window_suspect, window_suspect

DAYS, STOCKS = 300, 60
EVERYONE = np.ones((DAYS, STOCKS), dtype=bool)
R = pl.all()


def returns() -> np.ndarray:
    """Noise whose size clusters, and differs between stocks."""
    rng = np.random.default_rng(0)
    log_size = pl.DataFrame(rng.standard_normal((DAYS, STOCKS))).select(R.ewm_mean(half_life=5)).to_numpy()
    return np.exp(log_size + 0.5 * rng.standard_normal(STOCKS)) * 0.02 * rng.standard_normal((DAYS, STOCKS))


RETURNS = returns()


def futures_of_noise() -> Futures:
    ranks, sizes = (scaled_ranks(v, EVERYONE) for v in (RETURNS, np.abs(RETURNS)))
    unused = np.zeros(RETURNS.shape)
    return Futures(EVERYONE, (), (), unused, ranks, sizes, unused)


AHEAD: dict[str, tuple[pl.Expr, str]] = {
    "centred mean": (R.rolling_mean(21, center=True), "the return of 10 days later"),
    "centred volatility": (R.rolling_std(21, center=True), "the size of the return of 10 days later"),
    "centred on three days": (R.abs().rolling_mean(3, center=True), "the size of the return of the next day"),
    "backwards": (R.reverse().rolling_std(20).reverse(), "the size of the return of 19 days later"),
    "shifted": (R.abs().ewm_mean(half_life=5).shift(-5), "the size of the return of 5 days later"),
    "a quarter ahead": (R.rolling_std(64).shift(-MAX_AHEAD), "of 64 days later"),
}
PAST = {
    "volatility": R.rolling_std(20),
    "size": R.abs(),
    "smooth size": R.abs().ewm_mean(half_life=2),
    "sum of sizes": R.abs().cum_sum(),
    "price": R.cum_sum(),
    "momentum": R.rolling_mean(60).shift(5),
    "an old label": R.rolling_mean(5),
    "constant in time": R.std(),
}


def made(expression: pl.Expr, of: np.ndarray) -> np.ndarray:
    """A column computed of each stock's returns."""
    return pl.DataFrame(of).select(expression + 0 * R).to_numpy()


@pytest.mark.parametrize("window", AHEAD)
def test_a_window_that_reaches_ahead_is_named_by_the_day_that_comes_in(window: str) -> None:
    expression, text = AHEAD[window]
    suspect = window_suspect("x", made(expression, RETURNS), futures_of_noise(), 100)
    assert suspect is not None and suspect.name == "x" and text in suspect.evidence


@pytest.mark.parametrize("column", PAST)
def test_columns_of_past_returns_are_not_accused(column: str) -> None:
    assert window_suspect("x", made(PAST[column], RETURNS), futures_of_noise(), 1) is None


def test_windows_of_days_that_are_further_ahead_are_not_seen() -> None:
    for first, seen in ((MAX_AHEAD + 1, False), (MAX_AHEAD, True)):
        # The day before the window's first one leaves it from one day to the next.
        window = made(R.rolling_std(20).shift(-first - 20), RETURNS)
        assert (window_suspect("x", window, futures_of_noise(), 1) is not None) == seen


def test_a_market_wide_window_that_reaches_ahead_is_named_and_one_of_the_past_is_not() -> None:
    market = RETURNS.mean(axis=1)
    for window, (expression, text) in AHEAD.items():
        values = made(expression, market[:, None])
        suspect = market_window_suspect("m", np.repeat(values, STOCKS, axis=1), RETURNS, EVERYONE, 20)
        assert suspect is not None, window
        assert text.replace("return", "market's return") in suspect.evidence
    for column, expression in PAST.items():
        values = made(expression, market[:, None])
        assert market_window_suspect("m", np.repeat(values, STOCKS, axis=1), RETURNS, EVERYONE, 1) is None, (
            column
        )


def test_without_returns_or_with_few_days_nothing_is_accused() -> None:
    values = made(AHEAD["centred mean"][0], RETURNS)
    nothing = np.zeros(RETURNS.shape)
    assert (
        window_suspect("x", values, Futures(EVERYONE, (), (), nothing, nothing, nothing, nothing), 1) is None
    )
    unknown = np.full(RETURNS.shape, np.nan)
    assert market_window_suspect("m", values[:, :1] + nothing, unknown, EVERYONE, 1) is None
    short = slice(0, 38)
    assert market_window_suspect("m", values[short], RETURNS[short], EVERYONE[short], 1) is None


def test_a_level_of_which_the_change_knows_the_next_return_is_accused_and_a_smooth_price_is_not() -> None:
    spans = (
        Label("the return of the next day", scaled_ranks(shift_days(RETURNS, 1, np.nan), EVERYONE), 1, 1),
    )
    futures = replace(futures_of_noise(), spans=spans)
    smooth = R.cum_sum().ewm_mean(span=10)
    both_ways = smooth.reverse().ewm_mean(span=10).reverse()
    suspect = window_suspect("x", made(both_ways, RETURNS), futures, 100)
    assert suspect is not None
    assert suspect.evidence.startswith("its change from one day to the next has RankIC +0.")
    assert window_suspect("x", made(smooth, RETURNS), futures, 100) is None
