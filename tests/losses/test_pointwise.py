"""The Huber term: against torch's own, on degenerate days, in its unit."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from atft.losses.pointwise import huber


@pytest.mark.parametrize("delta", [0.1, 1.0, 100.0])
def test_huber_equals_torch_on_the_valid_stocks(make_day: Callable[..., Any], delta: float) -> None:
    score, target, valid = make_day()
    value = huber(score, target, valid, delta)
    for i in range(len(valid)):
        oracle = F.huber_loss(score[i][valid[i]], target[i][valid[i]], delta=delta)
        assert value[i].item() == pytest.approx(oracle.item(), rel=1e-12)


def test_moving_score_and_target_together_changes_nothing(make_day: Callable[..., Any]) -> None:
    score, target, valid = make_day()
    torch.testing.assert_close(huber(score + 3, target + 3, valid), huber(score, target, valid))


def test_no_stock_pulls_harder_than_delta() -> None:
    score = torch.tensor([[1e6, -1e6, 0.01]], requires_grad=True)
    valid = torch.ones(1, 3, dtype=torch.bool)
    (gradient,) = torch.autograd.grad(huber(score, torch.zeros(1, 3), valid, delta=0.5).sum(), score)
    torch.testing.assert_close(gradient * 3, torch.tensor([[0.5, -0.5, 0.01]]))


def test_a_day_without_valid_stocks_is_zero_without_a_gradient() -> None:
    score = torch.full((1, 4), torch.nan, requires_grad=True)
    value = huber(score, torch.full((1, 4), torch.nan), torch.zeros(1, 4, dtype=torch.bool))
    (gradient,) = torch.autograd.grad(value.sum(), score)
    assert value.item() == 0 and gradient.eq(0).all()
