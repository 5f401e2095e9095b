"""How much a day counts: its age against the half-life, its regime against the training days' own."""

import math

import numpy as np
import pytest
import scipy.stats
import torch
from torch import Tensor

from atft.errors import InputError
from atft.losses.day_weights import DayWeights

NAMES = ("regime_trend", "regime_volatility")


def market(days: int = 500) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(0)
    return torch.arange(100, 100 + days), 0.01 * torch.randn(days, 2, generator=rng) + torch.tensor(
        [0.0, 0.2]
    )


def fitted(half_life_days: float | None, exponents: dict[str, float]) -> DayWeights:
    weights = DayWeights(half_life_days, exponents)
    weights.fit(*market(), NAMES)
    return weights


def test_a_day_counts_half_as_much_as_one_a_half_life_later() -> None:
    day, regime = market()
    weight = fitted(50, {})(day, regime)
    torch.testing.assert_close(weight[:-50] / weight[50:], torch.full((450,), 0.5, dtype=torch.float64))
    assert weight.mean().item() == pytest.approx(1)
    later = fitted(50, {})(torch.tensor([599, 700]), regime[:2])
    assert later[1] == later[0] == weight[-1]


def test_a_regime_counts_by_its_distance_from_the_training_days_mean() -> None:
    day, regime = market()
    weights = fitted(None, {"regime_volatility": -0.5})
    mean, std = regime[:, 1].double().mean().item(), regime[:, 1].double().std(correction=0).item()
    asked = torch.tensor(
        [[9.0, mean], [-9.0, mean + std], [0.0, math.nan], [0.0, mean + 3 * std], [0.0, 9.0]]
    )
    value = weights(day[:5], asked)
    torch.testing.assert_close(
        value / value[0], torch.tensor([0, -0.5, 0, -1.5, -1.5]).double().exp(), atol=1e-5, rtol=0
    )
    assert weights(day, regime).mean().item() == pytest.approx(1)


def test_training_days_of_an_unknown_regime_leave_the_moments_to_the_others() -> None:
    day, regime = market()
    unknown = torch.rand(500, generator=torch.Generator().manual_seed(1)) < 0.4
    regime[unknown, 1] = math.nan
    weights = DayWeights(None, {"regime_volatility": 0.7})
    weights.fit(day, regime, NAMES)
    z = scipy.stats.zscore(regime[:, 1].double().numpy(), nan_policy="omit")
    expected = np.exp(0.7 * np.nan_to_num(z).clip(-3, 3))
    value = weights(day, regime).numpy()
    np.testing.assert_allclose(value, expected / expected.mean(), rtol=1e-6)


def test_age_and_regime_multiply() -> None:
    day, regime = market()
    both = fitted(50, {"regime_trend": 1.0})(day, regime)
    product = fitted(50, {})(day, regime) * fitted(None, {"regime_trend": 1.0})(day, regime)
    torch.testing.assert_close(both, product / product.mean())


def test_the_unit_of_a_regime_column_does_not_matter() -> None:
    day, regime = market()
    other = DayWeights(None, {"regime_volatility": 0.7})
    other.fit(day, 100 * regime - 3, NAMES)
    before = fitted(None, {"regime_volatility": 0.7})(day, regime)
    torch.testing.assert_close(other(day, 100 * regime - 3), before, rtol=1e-3, atol=0)


@pytest.mark.parametrize("half_life_days", [None, 0.0])
def test_without_wishes_every_day_counts_alike_and_nothing_need_be_given(
    half_life_days: float | None,
) -> None:
    weights = DayWeights(half_life_days, {})
    weights.fit(*market(), NAMES)
    assert weights(*market()).eq(1).all() and not weights.active


def test_weights_that_were_never_given_training_days_are_not_silently_one() -> None:
    with pytest.raises(RuntimeError, match="call fit"):
        DayWeights(50, {})(*market())


def test_a_regime_column_that_cannot_serve_is_an_error_of_one_line() -> None:
    with pytest.raises(
        InputError, match=r"no regime column 'regime_vol'; did you mean 'regime_volatility'\?"
    ):
        fitted(None, {"regime_vol": 0.0})
    day, regime = market()
    once = torch.where(torch.arange(500)[:, None] == 7, regime, math.nan)
    for still in (torch.full_like(regime, 0.1), torch.full_like(regime, -0.1), regime * math.nan, once):
        with pytest.raises(InputError, match=r"regime_trend does not vary over the training days"):
            DayWeights(None, {"regime_trend": 1.0}).fit(day, still, NAMES)


def test_a_panel_without_regimes_can_weigh_by_age() -> None:
    day, regime = market()
    weights = DayWeights(50, {})
    weights.fit(day, regime[:, :0], ())
    torch.testing.assert_close(weights(day, regime[:, :0]), fitted(50, {})(day, regime))
