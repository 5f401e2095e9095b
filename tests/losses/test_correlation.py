"""IC and RankIC as losses: against scipy, under invariances, and their gradients."""

from collections.abc import Callable
from typing import Any

import pytest
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from atft.losses.correlation import ic_loss, rank_ic_loss


def test_ic_loss_is_one_minus_pearson(make_day: Callable[..., Any]) -> None:
    score, target, valid = make_day()
    value = ic_loss(score, target, valid)
    for i in range(len(valid)):
        oracle = scipy.stats.pearsonr(score[i][valid[i]], target[i][valid[i]]).statistic
        assert value[i].item() == pytest.approx(1 - oracle, abs=1e-12)


def test_rank_ic_loss_is_close_to_one_minus_spearman(make_day: Callable[..., Any]) -> None:
    score, target, valid = make_day(days=20, stocks=1000)
    value = rank_ic_loss(score, target, valid)
    for i in range(len(valid)):
        oracle = scipy.stats.spearmanr(score[i][valid[i]], target[i][valid[i]]).statistic
        assert value[i].item() == pytest.approx(1 - oracle, abs=0.005)


def test_a_few_extreme_stocks_do_not_decide_the_rank_loss(make_day: Callable[..., Any]) -> None:
    score, target, valid = make_day(stocks=500, share=1.0)
    wild = target.clone()
    wild[:, :3] *= 1e6
    shift = (rank_ic_loss(score, wild, valid) - rank_ic_loss(score, target, valid)).abs()
    assert shift.max() < 0.02
    assert (ic_loss(score, wild, valid) - ic_loss(score, target, valid)).abs().max() > 0.1


@settings(deadline=None, max_examples=25)
@given(st.floats(1e-3, 1e3), st.floats(-50, 50))
def test_shifting_and_stretching_the_score_changes_nothing(stretch: float, shift: float) -> None:
    rng = torch.Generator().manual_seed(1)
    score, target = torch.randn(2, 2, 60, generator=rng, dtype=torch.float64).unbind()
    valid = torch.rand(2, 60, generator=rng) < 0.8
    for loss in (ic_loss, rank_ic_loss):
        before, after = loss(score, target, valid), loss(stretch * score + shift, target, valid)
        torch.testing.assert_close(after, before, atol=1e-8, rtol=0)


def test_a_common_shift_of_the_scores_has_no_gradient(make_day: Callable[..., Any]) -> None:
    score, target, valid = make_day()
    score.requires_grad_()
    for loss in (ic_loss, rank_ic_loss):
        (gradient,) = torch.autograd.grad(loss(score, target, valid).sum(), score)
        assert gradient.abs().max() > 1e-4 and gradient[~valid].eq(0).all()
        assert gradient.sum(-1).abs().max() < 1e-12, "shift"
        assert (gradient * score).sum(-1).abs().max() < 1e-12, "stretch"


@pytest.mark.parametrize("loss", [ic_loss, rank_ic_loss])
def test_a_day_that_cannot_be_ranked_is_one_without_a_gradient(loss: Callable[..., Any]) -> None:
    score = torch.stack([torch.full((5,), 0.1), torch.randn(5), torch.randn(5), torch.randn(5)])
    target = torch.stack([torch.randn(5), torch.full((5,), 0.1), torch.randn(5), torch.full((5,), torch.nan)])
    valid = torch.tensor([[True] * 5, [True] * 5, [True] + [False] * 4, [False] * 5])
    score.requires_grad_()
    value = loss(score, target, valid)
    (gradient,) = torch.autograd.grad(value.sum(), score)
    assert value.tolist() == [1, 1, 1, 1] and gradient.eq(0).all()


def test_the_order_decides_between_zero_and_two(make_day: Callable[..., Any]) -> None:
    _, target, valid = make_day(stocks=400)
    for loss in (ic_loss, rank_ic_loss):
        target = target.nan_to_num(9)
        assert loss(target, target, valid).max() < 0.01
        assert loss(-target, target, valid).min() > 1.99
