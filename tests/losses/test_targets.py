"""Target transforms: what each does to a day, and only to its valid stocks."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from atft.cross_section import average_ranks, deviation
from atft.errors import InputError
from atft.losses.targets import TARGETS, target_transform


@pytest.mark.parametrize("name", TARGETS)
def test_a_transform_keeps_the_order_and_sees_valid_stocks_only(
    name: str, make_day: Callable[..., Any]
) -> None:
    _, target, valid = make_day(stocks=300)
    transformed = target_transform(name)(target, valid)
    assert transformed[~valid].eq(0).all() and transformed.isfinite().all()
    assert torch.equal(target_transform(name)(torch.where(valid, target, 1e9), valid), transformed)
    if name != "winsorised":
        assert torch.equal(average_ranks(transformed, valid), average_ranks(target, valid))
    else:
        inner = (average_ranks(target, valid) - 120).abs() < 100
        ranks = average_ranks(transformed, valid)
        assert torch.equal(ranks[inner & valid], average_ranks(target, valid)[inner & valid])


@pytest.mark.parametrize("name", ["winsorised", "zscore", "rank_normal"])
def test_every_day_gets_the_same_scale(name: str, make_day: Callable[..., Any]) -> None:
    _, target, valid = make_day(stocks=300)
    spread = deviation(target_transform(name)(target * torch.tensor([[1e-3], [1.0], [50.0]]), valid), valid)
    assert (spread - 1).abs().max() < 0.02


def test_ranks_have_the_same_steps_on_every_day_whatever_the_size_of_its_returns(
    make_day: Callable[..., Any],
) -> None:
    _, target, valid = make_day(stocks=300)
    ranks = target_transform("rank")(target * torch.tensor([[1e-3], [1.0], [50.0]]), valid)
    for day, counted in zip(ranks, valid, strict=True):
        stocks = int(counted.sum())
        steps = (torch.arange(stocks, dtype=torch.float64) + 0.5) / stocks - 0.5
        torch.testing.assert_close(day[counted].sort().values, steps, rtol=0, atol=1e-12)


def test_raw_leaves_the_returns(make_day: Callable[..., Any]) -> None:
    _, target, valid = make_day()
    assert torch.equal(target_transform("raw")(target, valid)[valid], target[valid])


def test_an_unknown_transform_is_an_error_that_names_the_nearest_one() -> None:
    with pytest.raises(InputError, match=r"model.objective.target 'rank_norm' is not known.*'rank_normal'"):
        target_transform("rank_norm")
