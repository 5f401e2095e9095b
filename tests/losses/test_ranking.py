"""Pairs and tops: against every pair and scikit-learn, which stocks meet, what the top is taught."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax, softmax
from sklearn.metrics import log_loss
from torch.autograd import gradcheck

from atft.losses.ranking import _partners, listnet, ranknet


def test_with_enough_pairs_ranknet_is_the_log_loss_of_every_pair(make_day: Callable[..., Any]) -> None:
    score, target, valid = make_day()
    value = ranknet(score, target, valid, pairs=40)
    for i in range(len(valid)):
        s, t = score[i][valid[i]].numpy(), target[i][valid[i]].numpy()
        first, second = np.triu_indices(len(s), 1)
        chance = 1 / (1 + np.exp(s[second] - s[first]))
        oracle = log_loss(t[first] > t[second], chance)
        assert value[i].item() == pytest.approx(oracle, rel=1e-10)


def test_sampled_pairs_stand_for_all(make_day: Callable[..., Any]) -> None:
    score, target, valid = make_day(days=10, stocks=600)
    every, some = (ranknet(score, target, valid, pairs=p) for p in (600, 32))
    torch.testing.assert_close(some, every, rtol=0.02, atol=0)
    score.requires_grad_()
    pulls = [torch.autograd.grad(ranknet(score, target, valid, p).sum(), score)[0] for p in (600, 32)]
    assert torch.corrcoef(torch.stack([p.ravel() for p in pulls]))[0, 1] > 0.95


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 90), st.integers(1, 40))
def test_each_pair_is_met_at_most_once_and_each_stock_meets_as_many_as_asked(count: int, pairs: int) -> None:
    valid = (torch.arange(100) < count)[None]
    place, paired = _partners(valid, pairs)
    own = torch.arange(100).expand_as(place)
    met = torch.stack((own[paired], place[paired]), dim=-1)
    assert len(set(map(tuple, met.tolist()))) == len(met) and (met[:, 1] > met[:, 0]).all()
    assert met.numel() == 0 or met.max() < count
    if count > pairs:
        assert 2 * len(met) / count == pytest.approx(pairs, abs=2 * pairs / count + 0.1)
    else:
        assert len(met) == count * max(count - 1, 0) / 2


def test_no_tensor_of_stocks_by_stocks_is_kept() -> None:
    score = torch.randn(1, 2000, requires_grad=True)
    sizes: list[int] = []
    pack = lambda t: sizes.append(t.numel()) or t  # noqa: E731
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        ranknet(score, torch.randn(1, 2000), torch.ones(1, 2000, dtype=torch.bool))
    assert max(sizes) <= 32 * 2000


@pytest.mark.parametrize(("top", "temperature"), [(1.0, 1.0), (0.2, 0.5)])
def test_listnet_is_the_divergence_of_two_softmaxes(
    make_day: Callable[..., Any], top: float, temperature: float
) -> None:
    score, target, valid = make_day()
    value = listnet(score, target, valid, top, temperature)
    for i in range(len(valid)):
        s, t = score[i][valid[i]].numpy() / temperature, target[i][valid[i]].numpy() / temperature
        best = np.argsort(-t)[: max(1, int(top * len(t)))]
        wanted, given_ = softmax(t[best]), log_softmax(s)[best]
        assert value[i].item() == pytest.approx(float(wanted @ (np.log(wanted) - given_)), rel=1e-10)


def test_listnet_is_lowest_where_the_scores_are_the_targets(make_day: Callable[..., Any]) -> None:
    _, target, valid = make_day(share=1.0)
    torch.testing.assert_close(
        listnet(target + 3, target, valid, top=1.0), torch.zeros(3, dtype=torch.float64)
    )
    far = torch.where(target >= target.quantile(0.9, dim=-1, keepdim=True), target, -50.0)
    assert listnet(far, target, valid, top=0.1).max() < 1e-9


def test_listnet_pulls_up_the_top_only(make_day: Callable[..., Any]) -> None:
    score, target, valid = make_day(share=1.0)
    score.requires_grad_()
    (gradient,) = torch.autograd.grad(listnet(score, target, valid, top=0.1).sum(), score)
    best = target.argsort(-1, descending=True)
    assert gradient.gather(-1, best[:, 4:]).gt(0).all() and gradient.gather(-1, best[:, :1]).lt(0).all()


@pytest.mark.parametrize("loss", [ranknet, listnet])
def test_a_common_shift_and_the_order_of_the_stocks_change_nothing(
    loss: Callable[..., Any], make_day: Callable[..., Any]
) -> None:
    score, target, valid = make_day()
    before = loss(score, target, valid)
    torch.testing.assert_close(loss(score + 7, target, valid), before)
    mixed = torch.randperm(40, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(loss(score[:, mixed], target[:, mixed], valid[:, mixed]), before)


@pytest.mark.parametrize("loss", [ranknet, listnet])
def test_gradients_equal_finite_differences(loss: Callable[..., Any], make_day: Callable[..., Any]) -> None:
    score, target, valid = make_day(stocks=12)
    score.requires_grad_()
    assert gradcheck(lambda s: loss(s, target, valid), (score,))
    (gradient,) = torch.autograd.grad(loss(score, target, valid).sum(), score)
    assert gradient.sum(-1).abs().max() < 1e-12 and gradient[~valid].eq(0).all()


@pytest.mark.parametrize("loss", [ranknet, listnet])
def test_a_day_that_cannot_be_ranked_is_zero_without_a_gradient(loss: Callable[..., Any]) -> None:
    score = torch.randn(3, 5, requires_grad=True)
    target = torch.stack([torch.full((5,), 0.1), torch.randn(5), torch.full((5,), torch.nan)])
    valid = torch.tensor([[True] * 5, [True] + [False] * 4, [False] * 5])
    value = loss(score, target, valid)
    (gradient,) = torch.autograd.grad(value.sum(), score)
    assert value.eq(0).all() and gradient.eq(0).all()


def test_equal_scores_have_no_opinion() -> None:
    score, target = torch.zeros(1, 30), torch.arange(30.0)[None]
    assert ranknet(score, target, torch.ones(1, 30, dtype=torch.bool)).item() == pytest.approx(math.log(2))
