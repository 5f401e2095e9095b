"""A day of scores and targets in float64, as every term's tests use it."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

Day = tuple[Tensor, Tensor, Tensor]


def _make_day(days: int = 3, stocks: int = 40, share: float = 0.8, seed: int = 0) -> Day:
    rng = torch.Generator().manual_seed(seed)
    target = torch.randn(days, stocks, generator=rng, dtype=torch.float64)
    score = 0.3 * target + torch.randn(days, stocks, generator=rng, dtype=torch.float64)
    valid = torch.rand(days, stocks, generator=rng) < share
    nan = torch.tensor(math.nan, dtype=torch.float64)
    return score, torch.where(valid, target, nan), valid


@pytest.fixture
def make_day() -> Callable[..., Day]:
    """A factory of (score, target, valid), ``[days, stocks]``; invalid targets are NaN."""
    return _make_day
