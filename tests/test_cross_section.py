"""Ranks, correlations and spreads of one day: against scipy, under invariances, on degenerate days."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import Tensor
from torch.autograd import gradcheck

from atft import cross_section as cs

# Whole numbers make ties common; the division makes them ordinary floats.
tied = arrays(np.float64, st.integers(2, 30), elements=st.integers(-6, 6).map(lambda i: i / 7))


def day(
    stocks: int = 40, share: float = 0.8, seed: int = 0, ties: bool = False
) -> tuple[Tensor, Tensor, Tensor]:
    """A score, a target and a valid flag of three days; invalid places hold NaN."""
    rng = torch.Generator().manual_seed(seed)
    score = torch.randn(3, stocks, generator=rng, dtype=torch.float64)
    target = 0.3 * score + torch.randn(3, stocks, generator=rng, dtype=torch.float64)
    if ties:
        score, target = (2 * score).round(), (2 * target).round()
    valid = torch.rand(3, stocks, generator=rng) < share
    nan = torch.full_like(score, math.nan)
    return torch.where(valid, score, nan), torch.where(valid, target, nan), valid


def kept(x: Tensor, valid: Tensor) -> list[np.ndarray]:
    return [row[flag].numpy() for row, flag in zip(x, valid, strict=True)]


@pytest.mark.parametrize("ties", [False, True])
def test_ranks_and_correlations_equal_scipy_on_the_valid_stocks(ties: bool) -> None:
    score, target, valid = day(ties=ties)
    ranks = cs.average_ranks(score, valid)
    pearson, spearman = cs.pearson(score, target, valid), cs.spearman(score, target, valid)
    for i, (s, t) in enumerate(zip(kept(score, valid), kept(target, valid), strict=True)):
        np.testing.assert_array_equal(ranks[i][valid[i]].numpy(), scipy.stats.rankdata(s))
        assert pearson[i].item() == pytest.approx(scipy.stats.pearsonr(s, t).statistic, abs=1e-12)
        assert spearman[i].item() == pytest.approx(scipy.stats.spearmanr(s, t).statistic, abs=1e-12)
    assert ranks[~valid].eq(0).all()


@settings(deadline=None, max_examples=60)
@given(tied)
def test_average_ranks_equal_scipy_for_any_ties(x: np.ndarray) -> None:
    ranks = cs.average_ranks(torch.from_numpy(x), torch.ones(len(x), dtype=torch.bool))
    np.testing.assert_array_equal(ranks.numpy(), scipy.stats.rankdata(x))


@settings(deadline=None, max_examples=60)
@given(tied, st.randoms(use_true_random=False))
def test_permuting_the_stocks_permutes_ranks_and_leaves_every_statistic(
    x: np.ndarray, random: np.random.Generator
) -> None:
    order = list(range(len(x)))
    random.shuffle(order)
    score, valid = torch.from_numpy(x), torch.ones(len(x), dtype=torch.bool)
    target = torch.sin(torch.arange(len(x), dtype=torch.float64))
    torch.testing.assert_close(cs.average_ranks(score[order], valid), cs.average_ranks(score, valid)[order])
    for statistic in (cs.pearson, cs.spearman, cs.decile_spread, cs.hit_rate, cs.scale):
        before, after = statistic(score, target, valid), statistic(score[order], target[order], valid)
        torch.testing.assert_close(before, after, equal_nan=True)


@settings(deadline=None, max_examples=40)
@given(st.floats(1e-3, 1e3), st.floats(-100, 100))
def test_shifting_and_stretching_the_score_leaves_rank_statistics(stretch: float, shift: float) -> None:
    score, target, valid = day()
    moved = stretch * score + shift
    for statistic in (cs.pearson, cs.spearman, cs.decile_spread, cs.hit_rate):
        torch.testing.assert_close(statistic(moved, target, valid), statistic(score, target, valid))
    torch.testing.assert_close(cs.zscore(moved, valid), cs.zscore(score, valid), atol=1e-7, rtol=1e-7)
    torch.testing.assert_close(cs.scale(moved, target, valid), stretch * cs.scale(score, target, valid))


def test_invalid_places_may_hold_anything() -> None:
    score, target, valid = day()
    other = torch.where(valid, score, torch.inf)
    wild = torch.where(valid, target, torch.tensor(1e30, dtype=torch.float64))
    for statistic in (cs.pearson, cs.spearman, cs.decile_spread, cs.hit_rate, cs.scale):
        assert torch.equal(statistic(score, target, valid), statistic(other, wild, valid))
    for vector in (cs.center, cs.zscore, cs.average_ranks, cs.rank_uniform, cs.rank_normal, cs.winsorise):
        assert torch.equal(vector(score, valid), vector(other, valid))
        assert vector(score, valid)[~valid].eq(0).all()


@pytest.mark.parametrize("other", [-1e3, 0.0, 1e3, math.nan, math.inf])
@pytest.mark.parametrize("scores", [[], [2.0], [-7.3] * 3, [0.1] * 4, [3.0, 5.0], [-3.0, -5.0, -5.0, -4.0]])
def test_a_day_is_what_it_is_without_the_stocks_that_do_not_count(scores: list[float], other: float) -> None:
    place = torch.tensor([6, 1, 4, 3])[: len(scores)]
    valid = torch.zeros(8, dtype=torch.bool).scatter(0, place, True)

    def padded(values: Tensor) -> Tensor:
        return torch.full((8,), other).scatter(0, place, values)

    score, few = torch.tensor(scores), torch.ones(len(scores), dtype=torch.bool)
    target = torch.tensor([1.0, -1.0, 2.0, 0.5])[: len(scores)]
    for statistic in (cs.pearson, cs.spearman, cs.decile_spread, cs.hit_rate, cs.scale):
        for sides in ((score, target), (target, score)):
            alone = statistic(*sides, few) if scores else torch.tensor(math.nan)
            torch.testing.assert_close(statistic(*map(padded, sides), valid), alone, equal_nan=True)
    ranked = (cs.average_ranks, cs.rank_uniform, cs.rank_normal, cs.spread_weights)
    for vector in (cs.center, cs.zscore, cs.winsorise, *ranked):
        alone = vector(score, few) if scores else score
        whole = vector(padded(score), valid)
        torch.testing.assert_close(whole[place], alone)
        assert whole[~valid].eq(0).all()
    if scores:
        assert cs.is_constant(padded(score), valid) == (len(set(scores)) < 2)
        torch.testing.assert_close(cs.median(padded(score), valid), score.quantile(0.5))


def test_per_day_transforms_equal_scipy() -> None:
    score, _, valid = day(stocks=200)
    z, normal, cut = cs.zscore(score, valid), cs.rank_normal(score, valid), cs.winsorise(score, valid, 0.05)
    for i, s in enumerate(kept(score, valid)):
        np.testing.assert_allclose(z[i][valid[i]].numpy(), scipy.stats.zscore(s), atol=1e-12)
        share = (scipy.stats.rankdata(s) - 0.5) / len(s)
        np.testing.assert_allclose(normal[i][valid[i]].numpy(), scipy.stats.norm.ppf(share), atol=1e-12)
        uniform = cs.rank_uniform(score, valid)[i][valid[i]]
        np.testing.assert_allclose(uniform.numpy(), share - 0.5, atol=1e-12)
        oracle = scipy.stats.mstats.winsorize(s, limits=(0.05, 0.05)).data
        np.testing.assert_array_equal(cut[i][valid[i]].numpy(), oracle)
        assert cs.deviation(score, valid)[i].item() == pytest.approx(s.std(), rel=1e-12)
        assert cs.median(score, valid)[i].item() == pytest.approx(np.median(s), rel=1e-12)


def test_normal_ranks_have_mean_zero_and_unit_deviation_nearly() -> None:
    score, _, valid = day(stocks=2000)
    x = cs.rank_normal(score, valid)
    torch.testing.assert_close(x.sum(-1), torch.zeros(3, dtype=torch.float64), atol=1e-9, rtol=0)
    assert (cs.deviation(x, valid) - 1).abs().max() < 0.01


def test_uniform_ranks_have_mean_zero_and_the_deviation_of_a_uniform_variable() -> None:
    score, _, valid = day(stocks=2000)
    tied = torch.where(score > 1, score.new_tensor(1), score)
    for x in (cs.rank_uniform(score, valid), cs.rank_uniform(tied, valid)):
        torch.testing.assert_close(x.sum(-1), torch.zeros(3, dtype=torch.float64), atol=1e-9, rtol=0)
        assert x.abs().max() < 0.5
    assert (cs.deviation(cs.rank_uniform(score, valid), valid) * math.sqrt(12) - 1).abs().max() < 1e-5


def test_the_spread_is_the_top_decile_minus_the_bottom_decile() -> None:
    score, target, valid = day(stocks=100)
    spread = cs.decile_spread(score, target, valid)
    for i, (s, t) in enumerate(zip(kept(score, valid), kept(target, valid), strict=True)):
        side, order = max(1, len(s) // 10), np.argsort(s)
        oracle = t[order[-side:]].mean() - t[order[:side]].mean()
        assert spread[i].item() == pytest.approx(oracle, abs=1e-12)


def test_stocks_that_tie_at_the_cut_share_its_places() -> None:
    score = torch.tensor([0.0, 1.0, 1.0, 1.0, 2.0, 2.0])
    valid = torch.ones(6, dtype=torch.bool)
    weights = cs.spread_weights(score, valid, share=0.5)
    torch.testing.assert_close(weights, torch.tensor([-1 / 3, -1 / 9, -1 / 9, -1 / 9, 1 / 3, 1 / 3]))
    torch.testing.assert_close(cs.spread_weights(score, valid, 0.2), torch.tensor([-1.0, 0, 0, 0, 0.5, 0.5]))


@settings(deadline=None, max_examples=60)
@given(tied, st.floats(0.01, 0.5))
def test_both_sides_of_the_spread_always_hold_one_unit(x: np.ndarray, share: float) -> None:
    weights = cs.spread_weights(torch.from_numpy(x), torch.ones(len(x), dtype=torch.bool), share)
    constant = len(np.unique(x)) < 2
    assert weights.sum().item() == pytest.approx(0, abs=1e-12)
    # Where one group of ties reaches into both sides, its own long and short cancel.
    assert weights.abs().sum().item() <= 2 + 1e-12
    assert weights.eq(0).all() if constant else weights.abs().sum() > 0


def test_only_stocks_with_a_side_on_both_count_as_hits() -> None:
    score, valid = torch.tensor([1.0, 2.0, 3.0]), torch.ones(3, dtype=torch.bool)
    for target, rate in (([5.0, 5.0, 9.0], 1), ([9.0, 5.0, 5.0], 0), ([5.0, 9.0, 5.0], math.nan)):
        hits = cs.hit_rate(score, torch.tensor(target), valid)
        torch.testing.assert_close(hits, torch.tensor(float(rate)), equal_nan=True)


def test_a_perfect_score_is_one_on_every_scale() -> None:
    target = day(stocks=51)[1].nan_to_num(0.7)
    valid = torch.ones_like(target, dtype=torch.bool)
    one = torch.ones(3, dtype=torch.float64)
    for statistic in (cs.pearson, cs.spearman, cs.hit_rate, cs.scale):
        torch.testing.assert_close(statistic(target, target, valid), one)
    assert cs.decile_spread(target, target, valid).gt(0).all()
    for statistic, worst in ((cs.pearson, -one), (cs.spearman, -one), (cs.hit_rate, 0 * one)):
        torch.testing.assert_close(statistic(-target, target, valid), worst)


def test_no_correlation_leaves_its_bounds_by_rounding() -> None:
    score = torch.randn(2000, 7, generator=torch.Generator().manual_seed(0))
    valid = torch.ones_like(score, dtype=torch.bool)
    same, reversed_ = cs.pearson(score, 3 * score, valid), cs.pearson(score, -3 * score, valid)
    torch.testing.assert_close(same, torch.ones(2000))
    assert same.max() == 1 and reversed_.min() == -1


@pytest.mark.parametrize("value", [0.0, 0.1, -7.3, 1e-20, 1e20])
def test_a_constant_score_is_nan_and_never_a_number(value: float) -> None:
    score = torch.full((2, 4001), value)
    target = torch.randn(2, 4001, generator=torch.Generator().manual_seed(0))
    valid = torch.ones(2, 4001, dtype=torch.bool)
    for statistic in (cs.pearson, cs.spearman, cs.decile_spread, cs.hit_rate):
        assert statistic(score, target, valid).isnan().all()
    assert cs.is_constant(score, valid).all()
    assert cs.deviation(score, valid).eq(0).all() and cs.scale(score, target, valid).eq(0).all()
    assert cs.zscore(score, valid).eq(0).all() and cs.rank_normal(score, valid).eq(0).all()
    assert cs.rank_uniform(score, valid).eq(0).all()


@pytest.mark.parametrize("value", [0.1, -7.3, 1e-20, -1e20])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_range_of_four_roundings_is_constant_and_one_of_eight_is_an_order(
    value: float, dtype: torch.dtype
) -> None:
    steps = torch.tensor([0, 3, 1, 2, 3, 0, 1, 2], dtype=dtype)
    valid, target = torch.ones(8, dtype=torch.bool), torch.arange(8, dtype=dtype)
    for stretch, constant in ((1, True), (8 / 3, False)):
        score = value * (1 + stretch * torch.finfo(dtype).eps * steps)
        assert cs.is_constant(score, valid) == constant
        for statistic in (cs.pearson, cs.spearman, cs.decile_spread, cs.hit_rate):
            assert statistic(score, target, valid).isnan() == constant
        for statistic in (cs.pearson, cs.spearman, cs.scale):
            assert statistic(target, score, valid).isnan() == constant
        for vector in (cs.zscore, cs.spread_weights):
            assert vector(score, valid).eq(0).all() == constant
    for endless in (math.inf, -math.inf):
        assert cs.is_constant(torch.full((8,), endless, dtype=dtype), valid)


@pytest.mark.parametrize("count", [0, 1])
def test_a_day_of_fewer_than_two_stocks_cannot_be_ranked(count: int) -> None:
    score, target = torch.randn(1, 5), torch.randn(1, 5)
    valid = (torch.arange(5) < count)[None]
    for statistic in (cs.pearson, cs.spearman, cs.decile_spread, cs.hit_rate, cs.scale):
        assert statistic(score, target, valid).isnan().all()
    assert cs.deviation(score, valid).isnan().all()
    for vector in (cs.center, cs.zscore, cs.rank_uniform, cs.rank_normal):
        assert vector(score, valid).eq(0).all()


def test_a_nan_score_in_a_valid_place_stays_visible() -> None:
    score = torch.tensor([1.0, math.nan, 3.0])
    valid, target = torch.ones(3, dtype=torch.bool), torch.tensor([1.0, 2.0, 3.0])
    assert cs.average_ranks(score, valid)[1].isnan()
    assert cs.pearson(score, target, valid).isnan() and cs.spearman(score, target, valid).isnan()


@pytest.mark.parametrize("size", [1e-25, 1e25])
def test_very_small_and_very_large_scores_keep_their_correlation(size: float) -> None:
    score, target, valid = (x.float() if x.is_floating_point() else x for x in day())
    torch.testing.assert_close(cs.pearson(size * score, target, valid), cs.pearson(score, target, valid))
    torch.testing.assert_close(cs.deviation(size * score, valid) / size, cs.deviation(score, valid))


@pytest.mark.parametrize(
    "function",
    [
        cs.center,
        cs.zscore,
        cs.deviation,
        lambda x, v: cs.pearson(x, torch.sin(torch.arange(x.shape[-1], dtype=x.dtype)).expand_as(x), v),
    ],
)
def test_gradients_equal_finite_differences(function: Callable[[Tensor, Tensor], Tensor]) -> None:
    score, _, valid = day(stocks=9)
    score = score.nan_to_num(5.0).requires_grad_()
    assert gradcheck(lambda x: function(x, valid), (score,))


def test_degenerate_days_carry_no_gradient_and_no_nan() -> None:
    score = torch.stack([torch.ones(6), torch.randn(6), torch.randn(6), torch.randn(6)]).requires_grad_()
    target = torch.stack([torch.randn(6), torch.ones(6), torch.randn(6), torch.randn(6)])
    valid = torch.tensor([[True] * 6, [True] * 6, [True] + [False] * 5, [False] * 6])
    flat = torch.tensor([0, 2, 3])
    total = cs.pearson(score, target, valid).nan_to_num(0).sum() + cs.center(score[2:], valid[2:]).sum()
    total = total + cs.deviation(score[flat], valid[flat]).nan_to_num(0).sum()
    total = total + cs.zscore(score[flat], valid[flat]).sum()
    (gradient,) = torch.autograd.grad(total, score)
    assert gradient.eq(0).all()


def test_impossible_shares_raise() -> None:
    x, valid = torch.randn(4), torch.ones(4, dtype=torch.bool)
    with pytest.raises(ValueError, match=r"share must be in \(0, 0.5\]"):
        cs.spread_weights(x, valid, 0.6)
    with pytest.raises(ValueError, match=r"limit must be a share"):
        cs.winsorise(x, valid, 0.5)
