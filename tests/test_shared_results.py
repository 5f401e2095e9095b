"""Shared results: computed once for the same memory, never for other values, and the same bits as without."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from atft.cross_section import is_constant
from atft.day_statistics import day_statistics, measure_days
from atft.shared_results import shared_result, sharing_results


def counted() -> tuple[Callable[[Tensor], Tensor], list[int]]:
    calls: list[int] = []

    @shared_result
    def total(x: Tensor) -> Tensor:
        calls.append(x.numel())
        return x.detach().sum()

    return total, calls


def test_the_same_memory_is_computed_once_within_a_block_and_each_time_outside() -> None:
    total, calls = counted()
    x = torch.arange(4.0, requires_grad=True)
    with sharing_results():
        assert total(x) is total(x.detach())
        with sharing_results():  # an inner block is part of the outer one
            total(x)
        total(x)
    assert len(calls) == 1
    total(x), total(x)
    assert len(calls) == 3


def test_a_change_in_place_another_shape_and_another_tensor_are_computed_again() -> None:
    total, calls = counted()
    x = torch.arange(4.0)
    with sharing_results():
        assert float(total(x)) == 6
        x += 1
        assert float(total(x)) == 10
        assert float(total(x[:2])) == 3
        assert float(total(x.view(2, 2)[:, 0])) == 4
    assert len(calls) == 4


def test_memory_that_is_used_again_does_not_pass_for_the_tensor_before() -> None:
    total, _ = counted()
    with sharing_results():
        for value in range(50):  # without the block's references each of them would get the same address
            assert float(total(torch.full((1000,), float(value)))) == 1000 * value


def test_inference_tensors_are_shared_too() -> None:
    total, calls = counted()
    with torch.inference_mode(), sharing_results():
        x = torch.arange(4.0)
        assert total(x) is total(x)
    assert len(calls) == 1


def test_a_days_statistics_are_the_same_bits_as_without_sharing(make_batch: Callable[..., Any]) -> None:
    batch = make_batch()
    target, valid = (x.movedim(-1, 1).contiguous() for x in (batch.target, batch.valid))
    score = torch.randn(target.shape).round(decimals=1)  # with ties
    shared = measure_days(score, target, valid, day_statistics())
    alone = {
        n: f(torch.where(valid, score, 0), torch.where(valid, target, 0), valid)
        for n, f in day_statistics().items()
    }
    for name, values in alone.items():
        assert torch.equal(shared.statistics[name][shared.rankable], values[shared.rankable]), name
    assert torch.equal(shared.rankable, ~is_constant(torch.where(valid, target, 0), valid))
