"""The floor under the scale of a day's scores: a hinge without a gradient above it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.autograd import gradcheck

from atft.losses.scale_floor import scale_floor


@pytest.mark.parametrize("options", [{"floor": 0.1}, {}])
def test_the_penalty_is_the_missing_share_of_the_floor(
    make_day: Callable[..., Any], options: dict[str, float]
) -> None:
    score, target, valid = make_day()
    value = scale_floor(0.02 * score, target, valid, **options)
    for i in range(len(valid)):
        ratio = np.std(0.02 * score[i][valid[i]].numpy()) / np.std(target[i][valid[i]].numpy())
        assert value[i].item() == pytest.approx(1 - ratio / options.get("floor", 0.05), rel=1e-10)


def test_only_the_scale_counts(make_day: Callable[..., Any]) -> None:
    score, target, valid = make_day()
    before = scale_floor(0.02 * score, target, valid)
    torch.testing.assert_close(scale_floor(-0.02 * score + 7, target, valid), before)
    torch.testing.assert_close(scale_floor(2 * score, 100 * target + 3, valid), before)


def test_above_the_floor_the_term_has_no_gradient(make_day: Callable[..., Any]) -> None:
    score, target, valid = make_day()
    score.requires_grad_()
    value = scale_floor(score, target, valid)
    (gradient,) = torch.autograd.grad(value.sum(), score)
    assert value.eq(0).all() and gradient.eq(0).all()


def test_below_the_floor_the_gradient_widens_the_scores(make_day: Callable[..., Any]) -> None:
    score, target, valid = make_day(stocks=12)
    low = (1e-3 * score).requires_grad_()
    assert gradcheck(lambda s: scale_floor(s, target, valid, floor=0.5), (low,), eps=1e-7)
    (gradient,) = torch.autograd.grad(scale_floor(low, target, valid).sum(), low)
    wider = scale_floor(low - 1e-3 * gradient, target, valid)
    assert (wider < scale_floor(low, target, valid)).all() and gradient[~valid].eq(0).all()


def test_a_collapsed_day_is_one_and_a_day_without_targets_is_zero() -> None:
    score = torch.stack([torch.full((5,), 0.1), torch.zeros(5), torch.zeros(5)]).requires_grad_()
    target = torch.stack([torch.arange(5.0), torch.full((5,), 0.1), torch.arange(5.0)])
    valid = torch.tensor([[True] * 5, [True] * 5, [True] + [False] * 4])
    for floor in (0.05, 10.0):
        value = scale_floor(score, target, valid, floor)
        (gradient,) = torch.autograd.grad(value.sum(), score)
        assert value.tolist() == [1, 0, 0] and gradient.eq(0).all()
