"""The terms of a dollar-neutral book: the differential Sharpe ratio, and what the book trades."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from atft.losses.portfolio import book_return, day_before, dollar_neutral, sharpe_loss, turnover

MEAN, SQUARE = 0.001, 0.02**2


def moments(days: int) -> tuple[Tensor, Tensor]:
    return torch.full((days,), MEAN, dtype=torch.float64), torch.full((days,), SQUARE, dtype=torch.float64)


def test_the_book_is_dollar_neutral_with_one_unit_of_gross(make_day: Callable[..., Any]) -> None:
    score, _, valid = make_day()
    weights = dollar_neutral(score, valid)
    torch.testing.assert_close(weights.sum(-1), torch.zeros(3, dtype=torch.float64))
    torch.testing.assert_close(weights.abs().sum(-1), torch.ones(3, dtype=torch.float64))
    assert weights[~valid].eq(0).all()
    torch.testing.assert_close(dollar_neutral(7 * score - 3, valid), weights)


def test_the_book_return_equals_numpy(make_day: Callable[..., Any]) -> None:
    score, target, valid = make_day()
    earned = book_return(score, 0.02 * target, valid)
    for i in range(len(valid)):
        s, t = score[i][valid[i]].numpy(), 0.02 * target[i][valid[i]].numpy()
        weights = (s - s.mean()) / np.abs(s - s.mean()).sum()
        assert earned[i].item() == pytest.approx(weights @ t, rel=1e-10)


def test_the_loss_is_minus_the_slope_of_the_running_sharpe_ratio(make_day: Callable[..., Any]) -> None:
    score, target, valid = make_day()
    realised = 0.02 * target
    loss = sharpe_loss(score, realised, valid, *moments(3))
    for i, r in enumerate(book_return(score, realised, valid).tolist()):

        def sharpe(rate: float, r: float = r) -> float:
            mean, square = MEAN + rate * (r - MEAN), SQUARE + rate * (r * r - SQUARE)
            return mean / math.sqrt(square - mean**2)

        slope = (sharpe(1e-6) - sharpe(-1e-6)) / 2e-6
        breadth = int(valid[i].sum())
        assert loss[i].item() == pytest.approx(-slope / math.sqrt(breadth), rel=1e-5)


def test_the_gradient_at_the_scores_does_not_grow_with_the_number_of_stocks() -> None:
    torch.manual_seed(0)
    norms = []
    for stocks in (100, 2_500):
        score = torch.randn(1000, stocks, dtype=torch.float64, requires_grad=True)
        realised, valid = (
            0.02 * torch.randn(1000, stocks, dtype=torch.float64),
            torch.ones(1000, stocks, dtype=bool),
        )
        square = (book_return(score, realised, valid) ** 2).mean().detach().expand(1000)
        loss = sharpe_loss(score, realised, valid, torch.zeros(1000, dtype=torch.float64), square)
        (gradient,) = torch.autograd.grad(loss.sum(), score)
        norms.append(float(gradient.norm(dim=1).mean()) * stocks**0.5)
    # An IC's gradient shrinks with the root of the number of stocks; so does this one.
    assert norms[1] == pytest.approx(norms[0], rel=0.15)


def test_a_day_without_a_book_is_zero_without_a_gradient() -> None:
    score = torch.stack([torch.full((5,), 0.1), torch.randn(5), torch.randn(5)]).requires_grad_()
    valid = torch.tensor([[True] * 5, [True] + [False] * 4, [False] * 5])
    value = sharpe_loss(score, torch.randn(3, 5), valid, torch.full((3,), MEAN), torch.full((3,), SQUARE))
    (gradient,) = torch.autograd.grad(value.sum(), score)
    assert value.eq(0).all() and gradient.eq(0).all()
    # Exactly 0: by that the running moments know a day without a book.
    rounding = 0.1 * (1 + torch.finfo(torch.float32).eps * torch.tensor([0.0, 1, 2, 3, 0]))
    for flat, counted in ((score, valid), (rounding, valid[0])):
        assert dollar_neutral(flat, counted).eq(0).all()
        assert book_return(flat, torch.ones_like(flat) * torch.arange(1.0, 6.0), counted).eq(0).all()


def test_a_running_sharpe_ratio_above_ten_counts_as_ten(make_day: Callable[..., Any]) -> None:
    score, target, valid = make_day()
    realised, mean = 0.02 * target, torch.full((3,), 0.01, dtype=torch.float64)
    earned = book_return(score, realised, valid)
    gain = mean**2 * (earned - mean) - mean * (earned**2 - mean**2) / 2
    lucky = sharpe_loss(score, realised, valid, mean, mean**2)
    torch.testing.assert_close(lucky, -gain / (mean / 10) ** 3 / valid.sum(-1).sqrt())


def test_before_anything_is_known_the_loss_is_zero(make_day: Callable[..., Any]) -> None:
    score, target, valid = make_day()
    zero = torch.zeros(3, dtype=torch.float64)
    assert sharpe_loss(score, target, valid, zero, zero).eq(0).all()


def test_tiny_returns_stay_finite_in_float32(make_day: Callable[..., Any]) -> None:
    score, target, valid = (x.float() if x.is_floating_point() else x for x in make_day())
    small = 1e-8 * target
    square = (book_return(score, small, valid) ** 2).mean().expand(3)
    value = sharpe_loss(score, small, valid, torch.zeros(3), square)
    assert value.isfinite().all() and value.abs().max() > 0.01


def test_turnover_is_half_the_distance_of_the_two_books(make_day: Callable[..., Any]) -> None:
    score, _, valid = make_day()
    previous, _, known = make_day(seed=1)
    value = turnover(score, valid, previous, known)
    for i in range(len(valid)):
        both = valid[i] & known[i]
        centred = [s[i][both].numpy() - s[i][both].mean().item() for s in (score, previous)]
        books = [c / np.abs(c).sum() for c in centred]
        assert value[i].item() == pytest.approx(np.abs(books[0] - books[1]).sum() / 2, rel=1e-10)


def test_holding_trades_nothing_and_reversing_trades_all(make_day: Callable[..., Any]) -> None:
    score, _, valid = make_day()
    torch.testing.assert_close(
        turnover(3 * score + 1, valid, score, valid), torch.zeros(3, dtype=torch.float64)
    )
    torch.testing.assert_close(turnover(-score, valid, score, valid), torch.ones(3, dtype=torch.float64))
    wide = torch.randn(2, 50, 1000, generator=torch.Generator().manual_seed(0))
    unrelated = turnover(wide[0], torch.ones(50, 1000, dtype=torch.bool), wide[1], torch.ones(50, 1000) > 0)
    assert unrelated.mean().item() == pytest.approx(0.7, abs=0.02)


def test_a_day_without_a_book_before_trades_nothing() -> None:
    score = torch.stack([torch.randn(5), torch.randn(5), torch.full((5,), 0.1)]).requires_grad_()
    before = torch.stack([torch.randn(5), torch.full((5,), 0.1), torch.randn(5)])
    valid = torch.ones(3, 5, dtype=torch.bool)
    known = torch.tensor([[False] * 5, [True] * 5, [True] * 5])
    value = turnover(score, valid, before, known)
    (gradient,) = torch.autograd.grad(value.sum(), score)
    assert value.eq(0).all() and gradient.eq(0).all()


def test_the_day_before_a_blocks_first_one_is_not_known() -> None:
    score = torch.arange(6.0).view(3, 2)
    assert torch.equal(day_before(score), torch.tensor([[0.0, 0.0], [0.0, 1.0], [2.0, 3.0]]))
    assert torch.equal(day_before(score > -1), torch.tensor([[False, False], [True, True], [True, True]]))
