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
from scipy.stats import rankdata
from sklearn.metrics import log_loss, ndcg_score
from torch.autograd import gradcheck

from atft.losses.ranking import _partners, listnet, ndcg, ranknet


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
    gradients = [torch.autograd.grad(ranknet(score, target, valid, p).sum(), score)[0] for p in (600, 32)]
    assert torch.corrcoef(torch.stack([p.ravel() for p in gradients]))[0, 1] > 0.95


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


@pytest.mark.parametrize("options", [(1.0, 1.0), (0.2, 0.5), ()])
def test_listnet_is_the_divergence_of_two_softmaxes(
    make_day: Callable[..., Any], options: tuple[float, ...]
) -> None:
    score, target, valid = make_day()
    value = listnet(score, target, valid, *options)
    top, temperature = options or (0.1, 1.0)
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


def test_listnet_raises_the_top_only(make_day: Callable[..., Any]) -> None:
    score, target, valid = make_day(share=1.0)
    score.requires_grad_()
    (gradient,) = torch.autograd.grad(listnet(score, target, valid, top=0.1).sum(), score)
    best = target.argsort(-1, descending=True)
    assert gradient.gather(-1, best[:, 4:]).gt(0).all() and gradient.gather(-1, best[:, :1]).lt(0).all()


@pytest.mark.parametrize("options", [{"grades": 0.5}, {}])
def test_cold_ndcg_is_that_of_scikit_learn_between_perfect_and_random(
    make_day: Callable[..., Any], options: dict[str, float]
) -> None:
    score, target, valid = make_day(days=8, stocks=60)
    target = (4 * target).round() / 4  # ties share their gain
    value = ndcg(score, target, valid, anchors=120, temperature=1e-9, **options)
    grades = options.get("grades", 5.0)
    for i in range(len(valid)):
        s, t = score[i][valid[i]].numpy(), target[i][valid[i]].numpy()
        gain = 2 ** (grades * (rankdata(t) - 0.5) / len(t))
        reached, by_chance = (ndcg_score(gain[None], x[None]) for x in (s, np.zeros_like(s)))
        assert value[i].item() == pytest.approx((1 - reached) / (1 - by_chance), abs=1e-9)


def test_ndcg_at_its_default_temperature_is_close_to_the_exact_one(make_day: Callable[..., Any]) -> None:
    score, target, valid = make_day(days=10, stocks=1500)
    warm, cold = (ndcg(score, target, valid, temperature=t) for t in (0.1, 1e-9))
    torch.testing.assert_close(warm, cold, atol=0.03, rtol=0)


def test_ndcg_is_zero_for_the_right_order_one_by_chance_and_less_than_two_reversed(
    make_day: Callable[..., Any],
) -> None:
    _, target, valid = make_day(days=40, stocks=400)
    known, noise = target.nan_to_num(9), torch.randn_like(target)
    exact = {"temperature": 1e-9, "anchors": 800}
    assert ndcg(known, target, valid, **exact).abs().max() < 1e-9
    assert ndcg(noise, target, valid, **exact).mean().item() == pytest.approx(1, abs=0.03)
    assert 1.1 < ndcg(-known, target, valid, **exact).min() <= ndcg(-known, target, valid, **exact).max() < 2


def test_ndcg_minds_the_top_of_the_list_more_than_its_bottom(make_day: Callable[..., Any]) -> None:
    _, target, _ = make_day(stocks=300, share=1.0)
    valid = torch.ones_like(target, dtype=torch.bool)
    order = target.argsort(-1, descending=True)

    def shuffled(places: slice) -> torch.Tensor:
        score = target.clone()
        moved = order[:, places]
        return score.scatter(-1, moved, score.gather(-1, moved.flip(-1)))

    ends = slice(0, 30), slice(270, 300)
    top, bottom = (ndcg(shuffled(p), target, valid, anchors=600, temperature=1e-9) for p in ends)
    assert (top > 20 * bottom).all() and bottom.gt(0).all()
    score = target.clone().requires_grad_()
    noise = torch.randn(target.shape, dtype=target.dtype, generator=torch.Generator().manual_seed(0))
    (gradient,) = torch.autograd.grad(ndcg(score + noise, target, valid).sum(), score)
    first, last = (gradient.gather(-1, order[:, p]).abs().mean() for p in (slice(0, 30), slice(150, 300)))
    assert first > 3 * last


@settings(deadline=None, max_examples=25)
@given(st.floats(1e-3, 1e3), st.floats(-50, 50))
def test_stretching_and_shifting_the_scores_or_bending_the_targets_changes_no_ndcg(
    stretch: float, shift: float
) -> None:
    rng = torch.Generator().manual_seed(1)
    score, target = torch.randn(2, 2, 60, generator=rng, dtype=torch.float64).unbind()
    valid = torch.rand(2, 60, generator=rng) < 0.8
    before = ndcg(score, target, valid)
    torch.testing.assert_close(ndcg(stretch * score + shift, target, valid), before, atol=1e-8, rtol=0)
    torch.testing.assert_close(ndcg(score, target.exp(), valid), before, rtol=0, atol=0)


def test_a_day_without_an_order_has_an_ndcg_of_one_without_a_gradient() -> None:
    score = torch.stack([torch.full((5,), 0.1), torch.randn(5), torch.randn(5), torch.randn(5)])
    target = torch.stack([torch.randn(5), torch.full((5,), 0.1), torch.randn(5), torch.full((5,), torch.nan)])
    valid = torch.tensor([[True] * 5, [True] * 5, [True] + [False] * 4, [False] * 5])
    score.requires_grad_()
    value = ndcg(score, target, valid)
    (gradient,) = torch.autograd.grad(value.sum(), score)
    assert value.tolist() == [1, 1, 1, 1] and gradient.eq(0).all()


@pytest.mark.parametrize("loss", [ranknet, listnet, ndcg])
def test_a_common_shift_and_the_order_of_the_stocks_change_nothing(
    loss: Callable[..., Any], make_day: Callable[..., Any]
) -> None:
    score, target, valid = make_day()
    before = loss(score, target, valid)
    torch.testing.assert_close(loss(score + 7, target, valid), before)
    mixed = torch.randperm(40, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(loss(score[:, mixed], target[:, mixed], valid[:, mixed]), before)


@pytest.mark.parametrize("loss", [ranknet, listnet, ndcg])
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
