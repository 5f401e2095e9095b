"""What a day's sectors and exposures explain of its scores: against scikit-learn's ridge, hedged, bet."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge
from torch import Tensor

from atft.losses.risk import exposure_share, risk_columns

SECTORS = 4


def risks(days: int = 3, stocks: int = 40, seed: int = 5) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(seed)
    exposure = 3 + 7 * torch.randn(days, 2, stocks, generator=rng, dtype=torch.float64)
    exposure[torch.rand(exposure.shape, generator=rng) < 0.1] = torch.nan
    return exposure, torch.randint(-1, SECTORS, (days, stocks), generator=rng)


def test_the_share_is_what_scikit_learns_ridge_explains(make_day: Callable[..., Any]) -> None:
    score, _, valid = make_day()
    exposure, sector = risks()
    value = exposure_share(score, valid, exposure, sector, ridge=3.0)
    for i in range(len(valid)):
        kept = valid[i]
        known = exposure[i][:, kept].numpy()
        columns = [np.nan_to_num((e - np.nanmean(e)) / np.nanstd(e)) for e in known]
        columns += [(sector[i][kept] == s).double().numpy() for s in range(SECTORS)]
        z = score[i][kept].numpy()
        z = (z - z.mean()) / z.std()
        table = np.stack([c - c.mean() for c in columns], axis=1)
        fitted = Ridge(alpha=3.0, fit_intercept=False).fit(table, z).predict(table)
        assert value[i].item() == pytest.approx(z @ fitted / (z @ z), rel=1e-9)


def test_only_the_direction_of_the_score_and_the_line_of_an_exposure_count(
    make_day: Callable[..., Any],
) -> None:
    score, _, valid = make_day()
    exposure, sector = risks()
    before = exposure_share(score, valid, exposure, sector)
    torch.testing.assert_close(exposure_share(-5 * score + 2, valid, exposure, sector), before)
    torch.testing.assert_close(exposure_share(score, valid, -4 * exposure + 1, sector), before)
    renamed = torch.where(sector < 0, sector, (sector + 1) % SECTORS)
    torch.testing.assert_close(exposure_share(score, valid, exposure, renamed), before)
    mixed = torch.randperm(40, generator=torch.Generator().manual_seed(1))
    after = exposure_share(score[:, mixed], valid[:, mixed], exposure[..., mixed], sector[:, mixed])
    torch.testing.assert_close(after, before)


def test_a_bet_on_a_risk_is_near_one_and_a_hedged_score_is_zero(make_day: Callable[..., Any]) -> None:
    score, _, valid = make_day(stocks=400)
    exposure, sector = risks(stocks=400)
    columns = risk_columns(exposure, sector, valid)
    assert exposure_share(columns[:, 0], valid, exposure, sector).min() > 0.95
    assert exposure_share(columns[:, 3], valid, exposure, sector).min() > 0.8
    basis = torch.linalg.svd(columns, full_matrices=False).Vh
    centred = torch.where(
        valid, score - (score * valid).sum(-1, keepdim=True) / valid.sum(-1, keepdim=True), 0
    )
    hedged = centred - (basis.mT @ (basis @ centred[..., None]))[..., 0]
    assert exposure_share(hedged, valid, exposure, sector).abs().max() < 1e-9


def test_following_the_gradient_hedges_the_score(make_day: Callable[..., Any]) -> None:
    score, _, valid = make_day(stocks=100)
    exposure, sector = risks(stocks=100)
    score = (score + 0.1 * exposure[:, 0].nan_to_num(0)).requires_grad_()
    before = exposure_share(score, valid, exposure, sector)
    for _ in range(200):
        (gradient,) = torch.autograd.grad(exposure_share(score, valid, exposure, sector).sum(), score)
        assert gradient[~valid].eq(0).all()
        score = (score - 10 * gradient).detach().requires_grad_()
    after = exposure_share(score, valid, exposure, sector)
    assert (after < 0.2 * before).all() and before.min() > 0.2


def test_a_day_without_an_order_or_without_risks_is_zero_without_a_gradient() -> None:
    score = torch.stack([torch.full((5,), 0.1), torch.randn(5), torch.randn(5)]).requires_grad_()
    valid = torch.tensor([[True] * 5, [True] + [False] * 4, [False] * 5])
    value = exposure_share(
        score, valid, torch.full((3, 1, 5), torch.nan), torch.zeros(3, 5, dtype=torch.int64)
    )
    (gradient,) = torch.autograd.grad(value.sum(), score)
    assert value.eq(0).all() and gradient.eq(0).all()
    nothing = exposure_share(
        torch.randn(2, 5), torch.ones(2, 5, dtype=torch.bool), torch.zeros(2, 0, 5), torch.full((2, 5), -1)
    )
    assert nothing.eq(0).all()
