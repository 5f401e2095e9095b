"""Terms of size: against torch and scikit-learn, on degenerate days, in their unit."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from sklearn.metrics import mean_pinball_loss, mean_squared_error
from torch.autograd import gradcheck

from atft.losses.pointwise import huber, mse, pinball


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


def test_no_stocks_gradient_exceeds_delta() -> None:
    score = torch.tensor([[1e6, -1e6, 0.01]], requires_grad=True)
    valid = torch.ones(1, 3, dtype=torch.bool)
    (gradient,) = torch.autograd.grad(huber(score, torch.zeros(1, 3), valid, delta=0.5).sum(), score)
    torch.testing.assert_close(gradient * 3, torch.tensor([[0.5, -0.5, 0.01]]))


def test_a_day_without_valid_stocks_is_zero_without_a_gradient() -> None:
    score = torch.full((1, 4), torch.nan, requires_grad=True)
    value = huber(score, torch.full((1, 4), torch.nan), torch.zeros(1, 4, dtype=torch.bool))
    (gradient,) = torch.autograd.grad(value.sum(), score)
    assert value.item() == 0 and gradient.eq(0).all()


def test_mse_equals_scikit_learn_on_the_valid_stocks(make_day: Callable[..., Any]) -> None:
    score, target, valid = make_day()
    value = mse(score, target, valid)
    for i in range(len(valid)):
        oracle = mean_squared_error(target[i][valid[i]], score[i][valid[i]])
        assert value[i].item() == pytest.approx(oracle, rel=1e-12)
    torch.testing.assert_close(mse(score + 3, target + 3, valid), value)
    score.requires_grad_()
    assert gradcheck(lambda s: mse(s, target, valid), (score,))


def test_pinball_equals_scikit_learn_on_the_valid_stocks(make_day: Callable[..., Any]) -> None:
    score, target, valid = make_day()
    levels = torch.tensor([0.1, 0.5, 0.9], dtype=torch.float64)
    quantiles = torch.stack((score - 1, score, score + 1), dim=-2)
    value = pinball(quantiles, levels, target, valid)
    for i in range(len(valid)):
        known = target[i][valid[i]]
        oracle = [
            mean_pinball_loss(known, q[valid[i]], alpha=a)
            for q, a in zip(quantiles[i], levels.tolist(), strict=True)
        ]
        assert value[i].item() == pytest.approx(sum(oracle) / 3, rel=1e-12)
    torch.testing.assert_close(pinball(quantiles + 3, levels, target + 3, valid), value)
    quantiles.requires_grad_()
    assert gradcheck(lambda q: pinball(q, levels, target, valid), (quantiles,))


def test_the_lowest_pinball_is_at_the_quantile_of_the_targets() -> None:
    target = torch.randn(1, 10_001, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    valid, level = torch.ones(1, 10_001, dtype=torch.bool), torch.tensor([0.2], dtype=torch.float64)
    at = torch.linspace(-2, 1, 301, dtype=torch.float64)
    values = torch.cat([pinball(q.expand(1, 1, 10_001), level, target, valid) for q in at])
    assert at[values.argmin()].item() == pytest.approx(target.quantile(0.2).item(), abs=0.02)


def test_quantiles_of_a_day_without_valid_stocks_have_no_gradient() -> None:
    quantiles = torch.full((1, 2, 4), torch.nan, requires_grad=True)
    nothing = torch.zeros(1, 4, dtype=torch.bool)
    value = pinball(quantiles, torch.tensor([0.1, 0.9]), torch.full((1, 4), torch.nan), nothing)
    (gradient,) = torch.autograd.grad(value.sum(), quantiles)
    assert value.item() == 0 and gradient.eq(0).all()
