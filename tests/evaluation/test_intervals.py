"""Intervals of figures over days: arch and statsmodels as oracles, coverage by simulation, degenerate series."""

import time

import numpy as np
import pytest
from scipy.stats import norm, t

from atft.day_series import mean_over_std
from atft.evaluation.intervals import (
    Interval,
    block_length,
    draw_days,
    intervals,
    ratio_intervals,
)


def autoregressive(days: int, coefficient: float, seed: int = 0, many: int = 1) -> np.ndarray:
    """``[days, many]`` series, each of variance 1."""
    noise = np.random.default_rng(seed).standard_normal((days + 50, many))
    values = np.zeros_like(noise)
    for day in range(1, len(noise)):
        values[day] = coefficient * values[day - 1] + noise[day]
    return values[50:] * np.sqrt(1 - coefficient**2)


def same(a: Interval, b: Interval) -> bool:
    return bool(np.array_equal(a, b, equal_nan=True))


def test_the_intervals_are_those_of_arch_with_the_same_seed() -> None:
    from arch.bootstrap import StationaryBootstrap

    days = 0.2 + autoregressive(200, 0.3)[:, 0]
    means = intervals({"x": days}, 4, draws=200, seed=3, block=6.0)["x"]
    ratios = ratio_intervals({"x": days}, 4, draws=200, seed=3, block=6.0)["x"]
    blocks = 200 / 6
    wider = t.ppf(0.975, blocks - 1) / norm.ppf(0.975) / np.sqrt(1 - 1 / blocks)
    assert 1 < wider < 1.1
    for found, figure in ((means, np.mean), (ratios, mean_over_std)):
        oracle = StationaryBootstrap(6.0, days, seed=3).conf_int(figure, 200, method="percentile").ravel()
        ends = np.array([found.low, found.high])
        np.testing.assert_allclose(found.value + (ends - found.value) / wider, oracle, rtol=1e-10)


def test_the_t_of_a_mean_is_that_of_statsmodels() -> None:
    import statsmodels.api as sm

    days = 0.1 + autoregressive(300, 0.4)[:, 0]
    found = intervals({"x": days}, 4, draws=20)["x"]
    model = sm.OLS(days, np.ones(len(days))).fit(
        cov_type="HAC", cov_kwds={"maxlags": 4, "use_correction": True}
    )
    assert (found.value, found.error, found.t) == pytest.approx(
        (model.params[0], model.bse[0], model.tvalues[0]), rel=1e-10
    )


@pytest.mark.parametrize("kind", ["independent", "autoregressive", "overlapping"])
def test_the_interval_of_days_that_depend_on_each_other_covers_their_mean(kind: str) -> None:
    lags = 19 if kind == "overlapping" else 0
    days = autoregressive(500, 0.3 if kind == "autoregressive" else 0.0, seed=1, many=300)
    if lags:
        days = np.lib.stride_tricks.sliding_window_view(days, lags + 1, axis=0).mean(axis=-1)
    covered = []
    for i in range(0, 300, 10):
        found = intervals({str(j): days[:, i + j] for j in range(10)}, lags, draws=300, seed=i)
        covered += [x.low < 0 < x.high for x in found.values()]
    assert 0.90 < np.mean(covered) < 0.98


def test_the_interval_of_a_sharpe_ratio_covers_it() -> None:
    days = 0.2 + np.random.default_rng(5).standard_normal((300, 300))
    covered = []
    for i in range(0, 300, 10):
        found = ratio_intervals({str(j): days[i + j] for j in range(10)}, 0, draws=300, seed=i)
        covered += [x.low < 0.2 < x.high for x in found.values()]
    assert 0.90 < np.mean(covered) < 0.98


def test_the_same_seed_gives_the_same_bits_and_series_of_one_table_share_the_drawn_days() -> None:
    days = autoregressive(120, 0.3)[:, 0]
    table = {"a": days, "b": 2 * days + 1}
    first, second = intervals(table, 4, seed=7), intervals(table, 4, seed=7)
    assert first == second and first != intervals(table, 4, seed=8)
    # The same days in every draw: a linear function of a series has the linear function of its interval.
    assert first["b"][1:3] == pytest.approx((2 * first["a"].low + 1, 2 * first["a"].high + 1))


def test_a_block_is_at_least_two_horizons_and_longer_where_days_depend_on_each_other_for_longer() -> None:
    independent, dependent = autoregressive(500, 0.0)[:, 0], autoregressive(500, 0.8)[:, 0]
    assert block_length({"x": independent}, 19) == 40 and block_length({"x": independent[:90]}, 19) == 30
    assert block_length({"x": independent}, 0) < 6 < block_length({"x": dependent}, 0) <= 50
    assert block_length({"x": np.zeros(50)}, 0) == 1 and block_length({"x": np.zeros(50)}, 1) == 4
    walk = np.random.default_rng(0).standard_normal(100).cumsum()
    assert block_length({"x": walk}, 0) == 10, "at most a tenth of the days"
    both = {"x": independent, "y": dependent}
    assert block_length(both, 0) == block_length({"y": dependent}, 0)
    assert block_length({"x": np.zeros(50), "y": np.array([]), "z": np.full(50, np.nan)}, 4) == 10


def test_a_draw_has_as_many_days_as_the_table_and_blocks_of_the_asked_length() -> None:
    from arch.bootstrap import StationaryBootstrap

    draws = draw_days(60, 8.0, draws=300, seed=0)
    assert draws.shape == (300, 60) and (draws.sum(axis=1) == 60).all()
    drawn = np.stack([d[0] for d, _ in StationaryBootstrap(8.0, np.arange(60), seed=0).bootstrap(300)])
    breaks = (np.diff(drawn) % 60 != 1).mean()
    assert breaks == pytest.approx(1 / 8, rel=0.1)


def test_days_without_a_value_are_left_out() -> None:
    days = autoregressive(100, 0.2)[:, 0]
    holes = days.copy()
    holes[[3, 50, 51]] = np.nan
    ends = np.concatenate([holes, np.full(20, np.nan)])
    assert same(intervals({"x": holes}, 0)["x"], intervals({"x": ends}, 0)["x"])
    with_holes = intervals({"x": holes, "y": days}, 0, block=2.0)["x"]
    assert with_holes.value == pytest.approx(np.nanmean(holes))
    assert with_holes.low == pytest.approx(intervals({"x": days}, 0, block=2.0)["x"].low, abs=0.1)


def test_a_day_that_a_series_lacks_counts_in_none_of_its_draws() -> None:
    days = 0.2 + autoregressive(100, 0.2)[:, 0]
    holes = days.copy()
    holes[[3, 50, 51, *range(80, 95)]] = np.nan
    table = {"holes": holes, "constant": np.full(100, 0.3), "all": days}
    draws = draw_days(100, 2.0, draws=60, seed=5)
    blocks = np.isfinite(holes).sum() / 2
    wider = t.ppf(0.975, blocks - 1) / norm.ppf(0.975) / np.sqrt(1 - 1 / blocks)
    for intervals_of, figure in ((intervals, np.mean), (ratio_intervals, mean_over_std)):
        found = intervals_of(table, 0, draws=60, seed=5, block=2.0)["holes"]
        drawn = [np.repeat(holes, draw.astype(int)) for draw in draws]
        ends = np.quantile([figure(x[np.isfinite(x)]) for x in drawn], [0.025, 0.975])
        expected = found.value + wider * (ends - found.value)
        np.testing.assert_allclose([found.low, found.high], expected, rtol=1e-9)


def test_few_days_and_constant_days_have_no_interval_and_never_fail() -> None:
    few = intervals({"x": np.arange(9.0)}, 0)["x"]
    assert few.value == 4 and np.isnan(few[1:]).all()
    short = intervals({"x": autoregressive(59, 0)[:, 0]}, 19)["x"]
    assert np.isfinite(short.value) and np.isnan(short[1:]).all(), "fewer than three spans of 20 days"
    for nothing in (np.array([]), np.full(30, np.nan)):
        assert np.isnan(intervals({"x": nothing}, 0)["x"]).all()
        assert np.isnan(ratio_intervals({"x": nothing}, 0)["x"]).all()
    constant = intervals({"x": np.full(30, 0.1)}, 0)["x"]
    assert (
        constant[:4] == pytest.approx((0.1, 0.1, 0.1, 0.0)) and constant.error == 0 and np.isnan(constant.t)
    )
    assert np.isnan(ratio_intervals({"x": np.full(30, 0.1)}, 0)["x"]).all()
    for days in range(10, 20):
        steps = np.where(np.arange(days) < days // 2, 1.0, 0.0)
        assert np.isfinite(intervals({"x": steps}, 0)["x"]).all(), days
    assert intervals({}, 0) == {}


def test_a_scaled_interval_keeps_its_t() -> None:
    found = Interval(0.1, 0.05, 0.15, 0.02, 5.0).scaled(2)
    assert found == pytest.approx((0.2, 0.1, 0.3, 0.04, 5.0))


def test_a_table_of_fifty_series_is_a_few_matrix_products() -> None:
    days = autoregressive(750, 0.3, many=50)
    table = {str(i): days[:, i] for i in range(50)}
    block = block_length(table, 4)
    start = time.process_time()
    intervals(table, 4, block=block)
    # Half a second here; a loop over draws and series takes minutes.
    assert time.process_time() - start < 10
