"""Dropout by words: the probabilities and the mean of torch's, the same masks for a seed, none in evaluation."""

import pytest
import torch
from torch import nn

from atft.nn.dropout import STEPS, Dropout


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.3])
def test_a_share_is_dropped_and_the_mean_stays(share: float) -> None:
    torch.manual_seed(0)
    x = torch.ones(1001, 501)
    y = Dropout(share)(x)
    exact = round(share * STEPS) / STEPS
    error = (exact * (1 - exact) / x.numel()) ** 0.5
    assert abs(float((y == 0).double().mean()) - exact) < 4 * error
    assert torch.all((y == 0) | torch.isclose(y, torch.tensor(1 / (1 - exact))))


def test_neighbours_and_the_lanes_of_a_word_are_independent() -> None:
    torch.manual_seed(0)
    y = Dropout(0.4)(torch.ones(400_000)) > 0
    for distance in range(1, 9):
        both = float((y[:-distance] & y[distance:]).double().mean())
        assert abs(both - 0.36) < 0.004, distance
    for lane in range(4):
        assert abs(float(y[lane::4].double().mean()) - 0.6) < 0.008, lane


def test_a_seed_gives_the_same_mask_and_evaluation_changes_nothing() -> None:
    layer, x = Dropout(0.4), torch.randn(30, 7)
    torch.manual_seed(3)
    first = layer(x)
    torch.manual_seed(3)
    assert torch.equal(layer(x), first) and not torch.equal(layer(x), first)
    assert layer.eval()(x) is x


def test_the_gradient_is_the_mask() -> None:
    x = torch.randn(50, 3, requires_grad=True)
    y = Dropout(0.25)(x)
    (gradient,) = torch.autograd.grad(y.sum(), x)
    torch.testing.assert_close(gradient * x, y)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_nothing_or_all_is_dropped_at_the_ends(share: float) -> None:
    x = torch.randn(20, 3)
    assert torch.equal(Dropout(share)(x), nn.Dropout(share)(x))


def test_other_types_shapes_and_strides_keep_theirs() -> None:
    x = torch.randn(5, 8, 3).bfloat16().transpose(0, 2)
    y = Dropout(0.5)(x)
    assert y.dtype == x.dtype and y.shape == x.shape
    assert Dropout(0.5)(torch.empty(0, 4)).shape == (0, 4)
