"""Deciles are those of a sort, the spread is a book's return, shapes are in deviations, quantiles calibrated."""

import math
from datetime import date, timedelta

import numpy as np
import pytest
import torch
from matplotlib.container import ErrorbarContainer

from atft.callbacks.figures.forecasts import (
    BINS,
    DECILES,
    MAX_DRAWN_Z,
    calibration_figure,
    calibration_sums,
    decile_figure,
    decile_sums,
    distribution_figure,
    distribution_sums,
    rank_ic_figure,
    rolling_mean,
    spread_figure,
)
from atft.cross_section import rank_normal
from atft.evaluation.newey_west import mean_error
from atft.losses.targets import raw

DATES = [date(2015, 1, 5) + timedelta(days=i) for i in range(4)]


def test_each_decile_has_the_stocks_that_a_sort_gives_it() -> None:
    rng = np.random.default_rng(0)
    score, target = rng.standard_normal((2, 3, 40)), 0.02 * rng.standard_normal((2, 3, 40))
    total, squares, days, stocks = decile_sums(
        torch.tensor(score), torch.tensor(target), torch.ones(2, 3, 40, dtype=torch.bool)
    )
    excess = target - target.mean(-1, keepdims=True)
    by_score = np.take_along_axis(excess, score.argsort(-1), -1).reshape(2, 3, DECILES, 4)
    np.testing.assert_allclose(total, by_score.mean(3).sum(0), atol=1e-12)
    np.testing.assert_allclose(squares, (by_score.mean(3) ** 2).sum(0), atol=1e-12)
    assert (days == 2).all() and (stocks == 8).all()


def test_stocks_that_do_not_count_change_nothing() -> None:
    torch.manual_seed(0)
    score, target = torch.randn(1, 1, 30), torch.randn(1, 1, 30)
    valid = torch.arange(30)[None, None] < 20
    alone = decile_sums(score[..., :20], target[..., :20], valid[..., :20])
    with_holes = target.masked_fill(~valid, math.nan)
    torch.testing.assert_close(decile_sums(score, with_holes, valid), alone)
    unscored = score.masked_fill(~valid, math.nan)
    torch.testing.assert_close(decile_sums(unscored, target, torch.ones_like(valid)), alone)


def test_a_day_of_equal_scores_lies_in_one_decile() -> None:
    total, _, days, stocks = decile_sums(
        torch.zeros(1, 1, 20), torch.randn(1, 1, 20), torch.ones(1, 1, 20, dtype=torch.bool)
    )
    assert int(days.sum()) == 1 and int(stocks.sum()) == 20 and float(total.abs().max()) < 1e-6


def test_the_rolling_mean_looks_back_and_skips_days_without_a_value() -> None:
    values = torch.tensor([math.nan, 1.0, 3.0, math.nan, 5.0])
    assert rolling_mean(values, 2).tolist()[1:] == [1.0, 2.0, 3.0, 5.0]
    assert rolling_mean(values, 2)[0].isnan()


def test_the_bars_are_mean_returns_with_errors_of_the_days_and_the_title_has_both_ends() -> None:
    days = torch.full((2, DECILES), 50.0)
    mean, std = torch.linspace(-0.01, 0.01, 20).reshape(2, DECILES), 0.02
    sums = torch.stack((days * mean, days * (mean**2 + std**2), days, days))
    axes = decile_figure(sums, [1, 5]).axes
    for axis, horizon in zip(axes, [1, 5], strict=True):
        (bars,) = (c for c in axis.containers if isinstance(c, ErrorbarContainer))
        (segments,) = (lines.get_segments() for lines in bars[2])
        half = [(top - bottom) / 2 for (_, bottom), (_, top) in segments]
        # A fifth of the days is independent where returns are of five days.
        assert half == pytest.approx([1e4 * 1.96 * std / math.sqrt(50 / horizon)] * DECILES, rel=1e-4)
    assert [a.get_title() for a in axes] == [
        "1 d: top -5, bottom -100 bp",
        "5 d: top +100, bottom +5 bp",
    ]
    heights = [bar.get_height() for bar in axes[0].patches]
    assert heights[0] == pytest.approx(-100) and heights == sorted(heights) and len(heights) == DECILES


def test_rank_ic_is_titled_with_the_mean_and_the_error_of_the_days_that_have_one() -> None:
    values = torch.tensor([[0.1, 0.0], [0.3, 0.0], [math.nan, 0.0], [0.2, -0.04]])
    axes = rank_ic_figure(values, DATES, [1, 5]).axes
    errors = [mean_error(values[:, i].double().numpy(), lags) for i, lags in enumerate((0, 4))]
    assert [a.get_title() for a in axes] == [
        f"1 d: RankIC +0.200 ± {errors[0]:.3f}",
        f"5 d: RankIC -0.010 ± {errors[1]:.3f}",
    ]


def test_the_band_of_no_skill_is_of_the_rolling_mean_and_grows_with_the_days_of_a_sum() -> None:
    torch.manual_seed(0)
    values = torch.randn(80, 1).double()
    dates = [DATES[0] + timedelta(days=i) for i in range(80)]
    error = mean_error(values[:, 0].numpy(), 0)
    (rolling,), (summed,) = (
        figure(values.float(), dates, [1]).axes for figure in (rank_ic_figure, spread_figure)
    )
    high = [axis.collections[0].get_paths()[0].vertices[:, 1].max() for axis in (rolling, summed)]
    assert high[0] == pytest.approx(1.96 * error * math.sqrt(80 / 20), rel=1e-4)
    # The whole period's sum: 80 days' mean times 80.
    assert high[1] == pytest.approx(100 * 1.96 * error * 80, rel=1e-4)


def test_a_longer_horizon_earns_its_spread_over_its_days_and_a_day_without_one_earns_nothing() -> None:
    spread = torch.tensor([[0.01, 0.05], [math.nan, 0.05], [0.01, 0.05], [0.01, -0.05]])
    axes = spread_figure(spread, DATES, [1, 5]).axes
    assert [a.get_title().partition(" ±")[0] for a in axes] == ["1 d: +100.0", "5 d: +50.0"]
    assert all(a.get_title().endswith(" bp a day") for a in axes)
    lines = [a.lines[0].get_ydata() for a in axes]
    np.testing.assert_allclose(lines[0], [1, 1, 2, 3], rtol=1e-5)
    np.testing.assert_allclose(lines[1], [1, 2, 3, 2], rtol=1e-5)


def all_of(x: torch.Tensor) -> torch.Tensor:
    return torch.ones_like(x, dtype=torch.bool)


def test_places_are_numpys_histogram_of_each_days_z_scores() -> None:
    torch.manual_seed(0)
    score, target = 0.3 * torch.randn(3, 2, 400) + 1, 0.02 * torch.randn(3, 2, 400)
    sums = distribution_sums(score, target, all_of(score))
    edges = np.linspace(-MAX_DRAWN_Z, MAX_DRAWN_Z, BINS + 1)
    for kind, values in enumerate((score, target)):
        day = values.double()
        z = (day - day.mean(-1, keepdim=True)) / day.std(-1, correction=0, keepdim=True)
        for horizon in range(2):
            expected, _ = np.histogram(z[:, horizon].clamp(-4.99, 4.99), edges)
            np.testing.assert_allclose(sums["histograms"][kind, horizon], expected, atol=1)
        np.testing.assert_allclose(sums["deviations"][kind], day.std(-1, correction=0).sum(0))
    assert sums["deviations"][2].tolist() == [3, 3]


def test_neither_the_level_nor_the_unit_of_a_day_moves_its_places() -> None:
    torch.manual_seed(0)
    score, target = torch.randn(2, 1, 50), torch.randn(2, 1, 50)
    moved = distribution_sums(7 * score + 3, target, all_of(score))["histograms"]
    assert (moved - distribution_sums(score, target, all_of(score))["histograms"]).abs().sum() <= 2


def test_stocks_without_a_label_and_days_that_cannot_be_ranked_count_nowhere() -> None:
    torch.manual_seed(0)
    score, target = torch.randn(2, 1, 30), torch.randn(2, 1, 30)
    valid = torch.arange(30).expand(2, 1, 30) < torch.tensor([20, 0])[:, None, None]
    sums = distribution_sums(score, target.masked_fill(~valid, math.nan), valid)
    assert sums["histograms"].sum(-1).flatten().tolist() == [20, 20]
    assert sums["deviations"][2].tolist() == [1]
    assert all(v.isfinite().all() for v in sums.values())


def test_collapsed_scores_show_as_one_spike_of_deviation_zero() -> None:
    sums = distribution_sums(torch.zeros(1, 1, 40), torch.randn(1, 1, 40), torch.ones(1, 1, 40) > 0)
    assert int((sums["histograms"][0] > 0).sum()) == 1 and float(sums["deviations"][0]) == 0
    (axis,) = distribution_figure(sums["histograms"], sums["deviations"], [5]).axes
    assert axis.get_title() == "5 d: std of scores 0"


def test_true_quantiles_have_their_share_of_targets_below() -> None:
    torch.manual_seed(0)
    levels = [0.1, 0.5, 0.9]
    target = 0.02 * torch.randn(4, 1, 5000)
    true = 0.02 * torch.special.ndtri(torch.tensor(levels))
    quantiles = true[None, None, :, None].expand(4, 1, 3, 5000)
    sums = calibration_sums(quantiles, target, all_of(target), raw)
    shares = sums[0, 0, :-1] / sums[0, 0, -1]
    np.testing.assert_allclose(shares, levels, atol=0.01)
    by_day = (target[:, 0, None] <= true[:, None]).double().mean(-1)
    torch.testing.assert_close(sums[1, 0, :-1], by_day.square().sum(0))
    # Quantiles of what the objective learns from are compared with that, not with the raw return.
    sums = calibration_sums(quantiles / 0.02, target, all_of(target), rank_normal)
    np.testing.assert_allclose(sums[0, 0, :-1] / sums[0, 0, -1], levels, atol=0.002)


def test_calibration_counts_valid_stocks_only_and_its_title_names_the_worst_level() -> None:
    target = torch.tensor([[[0.0, 1.0, 2.0, math.nan]]])
    sums = calibration_sums(torch.full((1, 1, 2, 4), 0.5), target, target.isfinite(), raw)
    assert sums[0, 0].tolist() == pytest.approx([1 / 3, 1 / 3, 1])
    (axis,) = calibration_figure(sums, [0.25, 0.9], [5]).axes
    assert axis.get_title() == "5 d: furthest off -0.567, at 0.9"
    assert list(axis.lines[1].get_ydata()) == pytest.approx([1 / 3, 1 / 3])
