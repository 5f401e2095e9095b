"""The fast pooling is the one that its formula says, in value and in every gradient."""

import pytest
import torch
from torch import Tensor

from atft.nn import attention_pooling
from atft.nn.attention_pooling import plain_pool, pool


def inputs(dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor]:
    """Queries of 7 rows and 2 heads, states of 5 days and 3 numbers, biases of the days."""
    torch.manual_seed(0)
    shapes = [(7, 2, 3), (5, 7, 3), (2, 5)]
    query, states, bias = (torch.randn(shape, dtype=dtype).requires_grad_() for shape in shapes)
    return query, states, bias


def test_weights_sum_to_one_and_pool_the_states() -> None:
    query, states, bias = inputs()
    pooled, weight = pool(query, states, bias)
    torch.testing.assert_close(weight.sum(-1), torch.ones(7, 2, dtype=torch.float64))
    torch.testing.assert_close(pooled, torch.einsum("nhl,lnc->nhc", weight, states))


@pytest.mark.parametrize("numbers", [1, 60, 1 << 19])
def test_gradients_are_those_of_the_formula_whatever_is_cached(
    monkeypatch: pytest.MonkeyPatch, numbers: int
) -> None:
    monkeypatch.setattr(attention_pooling, "PART_NUMBERS", numbers)
    torch.autograd.gradcheck(pool, inputs())


def test_states_of_lower_precision_keep_full_weights() -> None:
    query, states, bias = inputs(torch.float32)
    pooled, weight = pool(query.bfloat16(), states.bfloat16(), bias)
    (pooled.float().sum() + weight[0, 0, 0]).backward()
    assert pooled.dtype == torch.bfloat16 and weight.dtype == torch.float32
    expected, _ = plain_pool(query, states, bias)
    torch.testing.assert_close(pooled.float(), expected, atol=0.05, rtol=0.05)
    assert all(x.grad is not None and x.grad.isfinite().all() for x in (query, states, bias))
