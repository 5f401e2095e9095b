"""The scores as a portfolio, against a slow book that is kept stock by stock."""

from dataclasses import replace

import numpy as np
import pytest

from atft.evaluation.books import (
    ahead_by,
    days_apart,
    entry_wait,
    max_drawdown,
    next_day_returns,
    staggered_books,
)
from atft.evaluation.day_measures import measure_table
from atft.evaluation.predictions import HorizonScores
from small_scores import table_of


def tables(horizon: int, days: int = 30, stocks: int = 40) -> tuple[HorizonScores, np.ndarray]:
    """A table whose targets are sums of the daily returns, and those of the next day."""
    rng = np.random.default_rng(0)
    returns = 0.02 * rng.standard_normal((days, stocks))
    target = np.full_like(returns, np.nan)
    for day in range(days - horizon + 1):
        target[day] = returns[day : day + horizon].sum(axis=0)
    table = replace(table_of(horizon, target), codes=[f"s{i:02d}" for i in range(stocks)])
    table.columns["score"] = rng.standard_normal(target.shape).astype(np.float32)
    table.columns["traded_value"] = np.exp(rng.standard_normal(target.shape)).astype(np.float32)
    return table, returns.astype(np.float32)


@pytest.mark.parametrize("horizon", [1, 5])
def test_books_equal_a_portfolio_that_is_kept_stock_by_stock(horizon: int) -> None:
    table, returns = tables(horizon)
    spread = measure_table(table.columns["score"], table.columns["target"], table.present).series["spread"]
    books = staggered_books(table, returns, "target of 1 day", spread, 10, 0.01)
    days, stocks = returns.shape
    weights = np.zeros((days, stocks))
    for day in range(days):
        order = np.argsort(table.columns["score"][day])
        weights[day, order[-4:]], weights[day, order[:4]] = 0.25, -0.25
    book = np.zeros(stocks)
    for day in range(days):
        before = book
        book = weights[max(0, day - horizon + 1) : day + 1].sum(axis=0) / horizon
        if day < horizon:
            continue
        traded = np.abs(book - before).sum()
        assert books.gross[day] == pytest.approx(book @ returns[day], abs=1e-7)
        assert books.turnover[day] == pytest.approx(traded / 4, abs=1e-7)
        assert books.net[day] == pytest.approx(book @ returns[day] - 10e-4 * traded, abs=1e-7)
    assert np.isnan(books.net[:horizon]).all()


def test_the_books_earn_the_spread_however_returns_are_known() -> None:
    table, returns = tables(5)
    spread = measure_table(table.columns["score"], table.columns["target"], table.present).series["spread"]
    daily = staggered_books(table, returns, "return_1d", spread, 0, 0.01)
    booked = staggered_books(table, None, "target over h days", spread, 0, 0.01)
    np.testing.assert_allclose(booked.gross, spread / 5)
    # Each book's profit is spread over its five days, or stands on the first: the same in total but for the ends.
    whole = slice(4, len(spread) - 4)
    smoothed = np.convolve(spread / 5, np.full(5, 0.2), "valid")
    assert abs(daily.gross[whole].mean() - np.nanmean(smoothed)) < 0.003


def test_an_unchanged_score_trades_nothing_and_a_reversed_one_everything() -> None:
    table, returns = tables(1)
    score = table.columns["score"]
    score[:] = score[0]
    spread = np.zeros(len(score))
    assert not staggered_books(table, returns, "", spread, 10, 0.01).turnover[1:].any()
    score[::2] *= -1
    np.testing.assert_allclose(staggered_books(table, returns, "", spread, 10, 0.01).turnover[1:], 1)


def test_constant_scores_are_a_book_of_nothing_of_which_nothing_is_unknown() -> None:
    table, returns = tables(1)
    table.columns["score"][:] = 1
    returns[:, 0] = np.nan
    books = staggered_books(table, returns, "", np.zeros(len(returns)), 10, 0.01)
    assert not books.gross.any() and not books.net[1:].any() and not books.turnover[1:].any()
    assert books.unknown == 0 and np.isnan(books.capacity).all()


def test_next_day_returns_are_the_target_of_a_day_or_tomorrow_s_return() -> None:
    table, returns = tables(5)
    assert next_day_returns(table, None) == (None, "target over h days")
    yesterday = np.vstack([np.full((1, returns.shape[1]), np.nan), returns[:-1]]).astype(np.float32)
    table.columns["return_1d"] = yesterday
    found, source = next_day_returns(table, None)
    assert source == "return_1d" and found is not None
    np.testing.assert_array_equal(found[:-1], returns[:-1])
    table.columns["return_1d"] = np.full_like(yesterday, np.nan)
    assert next_day_returns(table, None) == (None, "target over h days"), "a column of no values is none"
    one_day = HorizonScores(1, table.dates[2:], table.codes[3:], table.present, {"target": returns[2:, 3:]})
    found, source = next_day_returns(table, one_day)
    assert source == "target of 1 day" and found is not None
    np.testing.assert_array_equal(found[2:, 3:], returns[2:, 3:])
    assert np.isnan(found[:2]).all() and np.isnan(found[:, :3]).all()


def test_a_tenth_of_the_trades_may_be_above_the_participation() -> None:
    table, returns = tables(1, days=2, stocks=100)
    table.columns["score"][:] = np.arange(100)
    table.columns["score"][1] = -np.arange(100)
    table.columns["traded_value"][:] = 1000
    table.columns["traded_value"][1, :2] = 1  # two of twenty trades of 1/5
    capacity = staggered_books(table, returns, "", np.zeros(2), 10, 0.01).capacity
    assert capacity[1] == pytest.approx(50)


def test_capacity_is_the_long_side_that_trades_a_hundredth_of_what_is_traded() -> None:
    table, returns = tables(1, days=2)
    table.columns["score"][:] = np.arange(40)
    table.columns["score"][1] = -np.arange(40)
    value = table.columns["traded_value"]
    value[:] = 1000
    spread = np.zeros(2)
    # All trades are of 1/2 (from +1/4 to -1/4): 1 % of 1000 is reached by a long side of 20.
    assert staggered_books(table, returns, "", spread, 10, 0.01).capacity[1] == pytest.approx(20)
    value[1, 0] = 1  # one of eight trades: more than a tenth, so it decides
    assert staggered_books(table, returns, "", spread, 10, 0.01).capacity[1] == pytest.approx(0.02)
    value[:] = np.nan
    assert np.isnan(staggered_books(table, returns, "", spread, 10, 0.01).capacity).all()


def test_a_drawdown_is_the_largest_fall_from_a_peak() -> None:
    assert max_drawdown(np.array([np.nan, 0.1, -0.3, 0.1, -0.2, 0.5])) == pytest.approx(0.4)
    assert max_drawdown(np.array([0.1, 0.2])) == 0
    assert max_drawdown(np.array([-0.1, 0.2])) == pytest.approx(0.1)
    assert np.isnan(max_drawdown(np.array([np.nan])))


def test_the_share_of_the_books_without_a_known_return_is_counted() -> None:
    table, returns = tables(5)
    spread = np.full(len(returns), np.nan)
    assert staggered_books(table, returns, "return_1d", spread, 10, 0.01).unknown == 0
    assert staggered_books(table, None, "target over h days", spread, 10, 0.01).unknown == 0
    returns[:, :10] = np.nan
    weights = np.zeros(returns.shape)
    for day, scores in enumerate(table.columns["score"]):
        order = np.argsort(scores)
        weights[day, order[-4:]], weights[day, order[:4]] = 0.25, -0.25
    book = np.abs([weights[day - 4 : day + 1].sum(axis=0) for day in range(4, len(weights))])
    share = book[:, :10].sum() / book.sum()
    found = staggered_books(table, returns, "return_1d", spread, 10, 0.01)
    assert found.unknown == pytest.approx(share) and 0.1 < share < 0.5


def test_books_of_weekly_scores_earn_the_target_and_not_the_return_of_one_day() -> None:
    table, _ = tables(5)
    table.columns["return_1d"] = np.zeros(table.present.shape, dtype=np.float32)
    daily, weekly = (
        replace(table, dates=np.datetime64("2020-01-03") + step * np.arange(len(table.dates)))
        for step in (1, 7)
    )
    # A year without a day is a hole, and daily scores stay daily.
    assert days_apart(np.concatenate([daily.dates, daily.dates + 365])) == 1
    assert (days_apart(daily.dates), days_apart(weekly.dates), days_apart(daily.dates[:1])) == (1, 7, 1)
    assert next_day_returns(daily, None)[1] == "return_1d"
    for one_day in (None, replace(weekly, horizon=1)):
        assert next_day_returns(weekly, one_day) == (None, "target over h days")
    one_day = replace(weekly, horizon=1)
    returns, source = next_day_returns(one_day, one_day)
    assert returns is one_day.columns["target"] and source == "target of 1 day"


def test_values_of_days_beyond_the_end_are_unknown() -> None:
    values = np.arange(6, dtype=np.float32).reshape(3, 2)
    np.testing.assert_array_equal(ahead_by(values, 2), [[4, 5], [np.nan] * 2, [np.nan] * 2])
    for days in (3, 4):
        assert np.isnan(ahead_by(values, days)).all()


@pytest.mark.parametrize("wait", [0, 1, 2])
def test_books_earn_the_days_that_targets_cover_and_not_those_before_the_entry(wait: int) -> None:
    rng, horizon = np.random.default_rng(0), 5
    today = (0.02 * rng.standard_normal((60, 40))).astype(np.float32)
    target = np.full(today.shape, np.nan)
    for day in range(60 - wait - horizon):
        target[day] = np.prod(1 + today[day + wait + 1 : day + wait + horizon + 1], axis=0) - 1
    table = replace(table_of(horizon, target), codes=[f"s{i:02d}" for i in range(40)])
    today[rng.random(today.shape) < 0.1] = np.nan
    table.columns["return_1d"] = today
    # The score knows what happens up to the entry: no trade can have it.
    table.columns["score"] = np.vstack([np.nan_to_num(today[1:]), today[:1]]) if wait else today
    returns, source = next_day_returns(table, None)
    assert returns is not None
    np.testing.assert_array_equal(returns[: 59 - wait], today[wait + 1 :])
    assert source.startswith("return_1d") and ("when targets begin" in source) == (wait > 0)
    books = staggered_books(table, returns, source, np.full(60, np.nan), 0, 0.01)
    assert abs(np.nanmean(books.gross)) < 0.002


def test_targets_that_are_no_plain_returns_leave_the_books_at_the_next_day() -> None:
    table, returns = tables(5)
    table.columns["target"] = np.random.default_rng(1).random(returns.shape).astype(np.float32)
    assert entry_wait(table.columns["target"], returns, 5) == 0
    assert entry_wait(np.full_like(returns, np.nan), returns, 5) == 0
    assert entry_wait(table.columns["target"][:3], returns[:3], 5) == 0


@pytest.mark.parametrize("horizon", [1, 5])
@pytest.mark.parametrize("daily", [True, False])
def test_a_day_with_few_scores_is_no_day_of_the_books(horizon: int, daily: bool) -> None:
    table, returns = tables(horizon)
    spread = measure_table(table.columns["score"], table.columns["target"], table.present).series["spread"]

    def booked(table: HorizonScores, days: np.ndarray) -> np.ndarray:
        of_days = returns[days] if daily else None
        books = staggered_books(table, of_days, "", spread[days], 10, 0.01, min_stocks=4)
        return np.stack([books.gross, books.net, books.turnover, books.capacity])

    thin = np.isin(np.arange(len(returns)), [0, 11, 12, 29])
    absent = replace(
        table, present=table.present[~thin], columns={n: c[~thin] for n, c in table.columns.items()}
    )
    table.present[thin, 3:] = False
    found = booked(table, np.arange(len(returns)))
    assert np.isnan(found[:, thin]).all()
    np.testing.assert_array_equal(found[:, ~thin], booked(absent, np.flatnonzero(~thin)))
    table.present[:, 3:] = False
    assert np.isnan(booked(table, np.arange(len(returns)))).all()
