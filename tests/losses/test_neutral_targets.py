"""Residual targets: numpy's least squares is the oracle, and only valid stocks of the day count."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from atft.errors import InputError
from atft.losses.neutral_targets import NeutralTargets

Day = tuple[Tensor, Tensor, Tensor, Tensor]
NAMES = ["exposure_size", "exposure_beta", "exposure_volatility"]


def day(days: int = 3, horizons: int = 2, stocks: int = 60, sectors: int = 4, seed: int = 0) -> Day:
    """Returns that move with sectors and exposures; a tenth unknown, a fifth without a sector."""
    rng = torch.Generator().manual_seed(seed)
    sector = torch.randint(-1, sectors, (days, stocks), generator=rng)
    exposure = torch.randn(days, stocks, len(NAMES), generator=rng)
    exposure[..., 0] = 20 + 3 * exposure[..., 0]
    target = 0.02 * torch.randn(days, horizons, stocks, generator=rng, dtype=torch.float64)
    target += 0.05 * sector[:, None] + (0.03 * exposure[..., 1])[:, None]
    valid = torch.rand(days, horizons, stocks, generator=rng) < 0.9
    return target, valid, sector, exposure


def neutral(names: list[str]) -> NeutralTargets:
    module = NeutralTargets(names)
    module.set_columns(NAMES)
    return module


def test_without_names_the_returns_stay_the_same_tensor() -> None:
    target, valid, sector, exposure = day()
    assert NeutralTargets([])(target, valid, sector, exposure) is target


def test_a_sector_s_mean_is_subtracted_and_a_small_sector_has_that_of_the_day() -> None:
    target, valid, sector, exposure = day(stocks=80)
    sector[0, :4] = 9  # four stocks only, in a sector of their own
    sector[1, :5], valid[1, :, :5] = 9, True  # five are enough
    left = neutral(["sector"])(target, valid, sector, exposure)
    for i, h in np.ndindex(target.shape[:2]):
        values, known, groups = target[i, h].numpy(), valid[i, h].numpy(), sector[i].numpy()
        expected = np.zeros_like(values)
        for stock in np.flatnonzero(known):
            peers = known & (groups == groups[stock])
            group = peers if groups[stock] >= 0 and peers.sum() >= 5 else known
            expected[stock] = values[stock] - values[group].mean()
        np.testing.assert_allclose(left[i, h].numpy(), expected, atol=1e-15)


@pytest.mark.parametrize("names", [["exposure_beta"], NAMES, ["sector", *NAMES], ["exposure_size", "sector"]])
def test_the_residual_equals_least_squares_of_the_day(names: list[str]) -> None:
    target, valid, sector, exposure = day(stocks=90)
    sector.clamp_min_(0)
    left = neutral(names)(target, valid, sector, exposure)
    for i, h in np.ndindex(target.shape[:2]):
        known = valid[i, h].numpy()
        groups = sector[i].numpy()[known] if "sector" in names else np.zeros(known.sum())
        dummies = (groups[:, None] == np.unique(groups)).astype(float)
        chosen = [NAMES.index(name) for name in names if name != "sector"]
        x = np.hstack([dummies, exposure[i].double().numpy()[known][:, chosen]])
        y = target[i, h].numpy()[known]
        expected = y - x @ np.linalg.lstsq(x, y, rcond=None)[0]
        np.testing.assert_allclose(left[i, h].numpy()[known], expected, atol=1e-9)
        assert left[i, h][~valid[i, h]].eq(0).all()


def test_only_the_valid_stocks_of_the_same_day_and_horizon_count() -> None:
    target, valid, sector, exposure = day()
    module = neutral(["sector", *NAMES])
    left = module(target, valid, sector, exposure)
    wild = torch.where(valid, target, math.nan)
    assert torch.equal(module(wild, valid, sector, exposure), left)
    other = target.clone()
    other[1:], other[:, 1:] = 7.0, -3.0
    torch.testing.assert_close(module(other, valid, sector, exposure)[0, 0], left[0, 0], rtol=0, atol=1e-15)
    order = torch.randperm(target.shape[-1], generator=torch.Generator().manual_seed(1))
    moved = module(target[..., order], valid[..., order], sector[:, order], exposure[:, order])
    torch.testing.assert_close(moved, left[..., order], rtol=0, atol=1e-12)


@pytest.mark.parametrize("unit", [1e-9, 1e9])
def test_the_unit_of_a_day_s_returns_is_that_of_its_residuals(unit: float) -> None:
    target, valid, sector, exposure = day()
    units = torch.tensor([[unit, 1.0], [1.0, unit], [1.0, 1.0]]).double()[..., None]
    module = neutral(["sector", *NAMES])
    left = module(target, valid, sector, exposure)
    torch.testing.assert_close(
        module(units * target, valid, sector, exposure) / units, left, rtol=1e-6, atol=0
    )


def test_days_that_have_nothing_to_explain_are_numbers() -> None:
    target, valid, sector, exposure = day()
    valid[0], valid[1, :, 1:] = False, False  # a day without stocks, a day of one
    exposure[2, :, 0], exposure[2, :, 1] = 5.0, math.nan  # constant, never known
    exposure[2, :, 2] = exposure[2, :, 2].where(torch.arange(60) % 3 > 0, math.nan)
    left = neutral(NAMES)(target, valid, sector, exposure)
    assert left.isfinite().all() and left[:2].abs().max() < 1e-15
    only = neutral(NAMES[2:])(target, valid, sector, exposure)
    torch.testing.assert_close(left[2], only[2], rtol=0, atol=1e-9)
    none = neutral(["sector"])(target, valid, torch.full_like(sector, -1), exposure[..., :0])
    torch.testing.assert_close(
        none, neutral(NAMES[1:2])(target, valid, sector, 0 * exposure), rtol=0, atol=1e-15
    )


@pytest.mark.parametrize("stocks", [2, 3, 4])
def test_as_many_columns_as_stocks_leave_nothing_to_rank(stocks: int) -> None:
    target, _, sector, exposure = day(days=20, stocks=stocks)
    valid = torch.ones_like(target, dtype=torch.bool)
    left = neutral(NAMES)(target, valid, sector, exposure)
    assert (left == 0).all()


def test_copies_of_an_exposure_take_out_what_one_of_them_does() -> None:
    target, valid, sector, exposure = day()
    exposure[..., 1] = 3 - 2 * exposure[..., 0]
    both, one = (neutral(NAMES[:n])(target, valid, sector, exposure) for n in (2, 1))
    torch.testing.assert_close(both, one, rtol=0, atol=1e-7)


def test_float32_returns_stay_float32_and_have_no_common_part_left() -> None:
    target, valid, sector, exposure = day()
    left = neutral(["sector", *NAMES])(target.float(), valid, sector.clamp_min(0), exposure)
    assert left.dtype == torch.float32 and left.sum(-1).abs().max() < 1e-5


def test_names_that_cannot_be_used_are_errors_of_one_line() -> None:
    with pytest.raises(InputError, match=r"^model.objective.neutral_to names 'sector' twice; name it once$"):
        NeutralTargets(["sector", "sector"])
    with pytest.raises(InputError, match=r"no exposure 'exposure_bta'; did you mean 'exposure_beta'\?$"):
        NeutralTargets(["exposure_bta"]).set_columns(NAMES)
    with pytest.raises(RuntimeError, match="call set_columns before the first step"):
        NeutralTargets(["exposure_beta"])(*day())
    assert NeutralTargets(["sector"])(*day()).isfinite().all(), "the sector needs no column"
