"""Ranks and positions with a gradient: against exact ranks and their slow readable twins, in slices, in memory."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck

from atft.cross_section import average_ranks
from atft.losses import soft_ranks as module
from atft.losses.soft_ranks import soft_positions, soft_ranks


def test_cold_soft_ranks_against_all_stocks_are_the_exact_ranks(make_day: Callable[..., Any]) -> None:
    score, _, _ = make_day(stocks=50)
    valid = torch.ones_like(score, dtype=torch.bool)
    soft = soft_ranks(score, valid, anchors=50, temperature=1e-6)
    torch.testing.assert_close(50 * soft + 0.5, average_ranks(score, valid), atol=1e-4, rtol=0)


def test_soft_ranks_equal_the_slow_readable_ones(make_day: Callable[..., Any]) -> None:
    score, _, valid = make_day()
    fast = soft_ranks(score, valid, anchors=30, temperature=0.2)
    for i in range(len(valid)):
        kept = score[i][valid[i]].numpy()
        z = (kept - kept.mean()) / kept.std()
        anchors = np.quantile(z, (np.arange(30) + 0.5) / 30, method="hazen")
        slow = [np.mean([1 / (1 + np.exp((a - x) / 0.2)) for a in anchors]) for x in z]
        np.testing.assert_allclose(fast[i][valid[i]].numpy(), slow, atol=1e-10)
        assert fast[i][~valid[i]].eq(0).all()


def test_slicing_the_anchors_changes_nothing(
    make_day: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    score, target, valid = make_day(days=7)
    score.requires_grad_()
    whole = soft_ranks(score, valid, 200, 0.1)
    (gradient,) = torch.autograd.grad((whole * target.nan_to_num(0)).sum(), score)
    monkeypatch.setattr(module, "CPU_SLICE", 2 * 40 * 200)
    parts = soft_ranks(score, valid, 200, 0.1)
    assert torch.equal(parts, whole)
    assert torch.equal(torch.autograd.grad((parts * target.nan_to_num(0)).sum(), score)[0], gradient)


@pytest.mark.parametrize("ranks", [soft_ranks, soft_positions])
def test_no_tensor_of_stocks_by_stocks_is_kept(ranks: Callable[..., Any]) -> None:
    score = torch.randn(1, 2000, requires_grad=True)
    sizes: list[int] = []
    pack = lambda t: sizes.append(t.numel()) or t  # noqa: E731
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        ranks(score, torch.ones(1, 2000, dtype=torch.bool), 200, 0.1)
    assert max(sizes) <= 2000


def test_cold_positions_are_exact_on_a_day_of_no_more_stocks_than_are_met(
    make_day: Callable[..., Any],
) -> None:
    score, _, valid = make_day(days=5, stocks=60)
    position = soft_positions(score, valid, anchors=120, temperature=1e-9)
    exact = valid.sum(-1, keepdim=True) + 1 - average_ranks(score, valid)
    torch.testing.assert_close(position, torch.where(valid, exact, 1), atol=1e-9, rtol=0)


def test_on_a_large_day_the_first_positions_are_exact_and_the_others_nearly() -> None:
    score = torch.randn(2, 3000, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    valid = torch.ones_like(score, dtype=torch.bool)
    position = soft_positions(score, valid, anchors=200, temperature=1e-9)
    exact = 3001 - average_ranks(score, valid)
    first = exact <= 100
    torch.testing.assert_close(position[first], exact[first], atol=1e-9, rtol=0)
    assert (position - exact).abs().max() <= 29 / 2 + 1, "half of the stocks that an anchor stands for"


def test_soft_positions_equal_the_slow_readable_ones(make_day: Callable[..., Any]) -> None:
    score, _, valid = make_day(stocks=50)
    fast = soft_positions(score, valid, anchors=100, temperature=0.3)
    for i in range(len(valid)):
        kept = score[i][valid[i]].numpy()
        z = (kept - kept.mean()) / kept.std()
        slow = [0.5 + np.sum(1 / (1 + np.exp((x - z) / 0.3))) for x in z]
        np.testing.assert_allclose(fast[i][valid[i]].numpy(), slow, atol=1e-10)
        assert fast[i][~valid[i]].eq(1).all()


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 80), st.integers(2, 90), st.floats(1e-3, 10.0))
def test_positions_keep_the_order_and_add_up_as_exact_ones_do(count: int, anchors: int, heat: float) -> None:
    score = torch.randn(1, 90, dtype=torch.float64, generator=torch.Generator().manual_seed(count))
    valid = (torch.arange(90) < count)[None]
    position = soft_positions(score, valid, anchors, heat)[valid]
    assert position[score[valid].argsort(descending=True)].diff().ge(-1e-9).all()
    if count <= anchors // 2:  # each pair of stocks shares one position between them
        assert position.sum().item() == pytest.approx(count * (count + 1) / 2)


def test_the_gradient_of_places_equals_finite_differences(make_day: Callable[..., Any]) -> None:
    score, _, valid = make_day(days=2, stocks=20)
    score.requires_grad_()
    assert gradcheck(lambda s: soft_positions(s, valid, anchors=9, temperature=0.4), (score,))
