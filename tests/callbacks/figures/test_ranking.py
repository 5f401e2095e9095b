"""Deciles are those that a sort gives, the rolling mean looks back, the spread adds up to a book's return."""

import math
from datetime import date, timedelta

import numpy as np
import pytest
import torch

from atft.callbacks.figures.ranking import (
    DECILES,
    decile_figure,
    decile_sums,
    rank_ic_figure,
    rolling_mean,
    spread_figure,
)

DATES = [date(2015, 1, 5) + timedelta(days=i) for i in range(4)]


def test_each_decile_has_the_stocks_that_a_sort_gives_it() -> None:
    rng = np.random.default_rng(0)
    score, target = rng.standard_normal((2, 3, 40)), 0.02 * rng.standard_normal((2, 3, 40))
    total, count = decile_sums(
        torch.tensor(score), torch.tensor(target), torch.ones(2, 3, 40, dtype=torch.bool)
    )
    excess = target - target.mean(-1, keepdims=True)
    by_score = np.take_along_axis(excess, score.argsort(-1), -1).reshape(2, 3, DECILES, 4)
    np.testing.assert_allclose(total, by_score.sum((0, 3)), atol=1e-12)
    assert (count == 8).all()


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
    total, count = decile_sums(
        torch.zeros(1, 1, 20), torch.randn(1, 1, 20), torch.ones(1, 1, 20, dtype=torch.bool)
    )
    assert int((count > 0).sum()) == 1 and float(total.abs().max()) < 1e-6


def test_the_rolling_mean_looks_back_and_skips_days_without_a_value() -> None:
    values = torch.tensor([math.nan, 1.0, 3.0, math.nan, 5.0])
    assert rolling_mean(values, 2).tolist()[1:] == [1.0, 2.0, 3.0, 5.0]
    assert rolling_mean(values, 2)[0].isnan()


def test_the_bars_are_mean_returns_and_the_title_tells_both_ends() -> None:
    count = torch.full((2, DECILES), 50.0)
    total = count * torch.linspace(-0.01, 0.01, 20).reshape(2, DECILES)
    axes = decile_figure(torch.stack((total, count)), [1, 5]).axes
    assert [a.get_title() for a in axes] == [
        "1 d: top -5, bottom -100 bp",
        "5 d: top +100, bottom +5 bp",
    ]
    heights = [bar.get_height() for bar in axes[0].patches]
    assert heights[0] == pytest.approx(-100) and heights == sorted(heights) and len(heights) == DECILES


def test_rank_ic_is_titled_with_the_mean_of_the_days_that_have_one() -> None:
    values = torch.tensor([[0.1, 0.0], [0.3, 0.0], [math.nan, 0.0], [0.2, -0.04]])
    axes = rank_ic_figure(values, DATES, [1, 5]).axes
    assert [a.get_title() for a in axes] == ["1 d: mean RankIC +0.200", "5 d: mean RankIC -0.010"]


def test_a_longer_horizon_earns_its_spread_over_its_days_and_a_day_without_one_earns_nothing() -> None:
    spread = torch.tensor([[0.01, 0.05], [math.nan, 0.05], [0.01, 0.05], [0.01, -0.05]])
    axes = spread_figure(spread, DATES, [1, 5]).axes
    assert [a.get_title() for a in axes] == ["1 d: +100.0 bp a day", "5 d: +50.0 bp a day"]
    lines = [a.lines[0].get_ydata() for a in axes]
    np.testing.assert_allclose(lines[0], [1, 1, 2, 3], rtol=1e-5)
    np.testing.assert_allclose(lines[1], [1, 2, 3, 2], rtol=1e-5)
