"""Bins read a number by a curve that is straight between edges, and nothing of a median or an empty bin."""

import numpy as np
import pytest
import torch

from atft.errors import InputError
from atft.nn.bins import bin_lines, encode, equal_edges, quantile_edges


def test_edges_are_equally_likely_and_in_the_scaled_unit() -> None:
    values = torch.from_numpy(np.random.default_rng(0).gamma(2.0, size=(2, 4001)).astype(np.float32))
    grid = torch.quantile(values, torch.linspace(0, 1, 241), dim=1).T
    median, iqr = grid[:, 120], grid[:, 180] - grid[:, 60]
    edges = quantile_edges(grid, median, iqr, 5, largest=100.0)
    scaled = (values - median[:, None]) / iqr[:, None]
    for column, row in enumerate(edges):
        shares = torch.histogram(scaled[column], row).hist / 4001
        torch.testing.assert_close(shares, torch.full((5,), 0.2), atol=0.002, rtol=0)
    cut = quantile_edges(grid, median, iqr, 5, largest=0.25)
    assert cut.abs().max() == 0.25


def test_equal_edges_are_even_steps_from_one_bound_to_the_other() -> None:
    assert equal_edges(2, 4, 2.0).tolist() == [[-2.0, -1.0, 0.0, 1.0, 2.0]] * 2


def test_an_iqr_of_0_leaves_the_unit_of_the_column() -> None:
    grid = torch.tensor([[0.0, 0.0, 0.0, 0.0, 3.0]])
    zero = torch.zeros(1)
    assert quantile_edges(grid, zero, zero, 2, 10.0).tolist() == [[0.0, 0.0, 3.0]]


@pytest.mark.parametrize("unit", [1e-4, 1.0, 1e4])
def test_edges_do_not_depend_on_the_unit_of_a_column(unit: float) -> None:
    grid = torch.tensor([[-3.0, -1.0, 0.5, 1.0, 7.0]])
    edges = quantile_edges(unit * grid, unit * grid[:, 2], unit * (grid[:, 3] - grid[:, 1]), 2, 10.0)
    torch.testing.assert_close(edges, torch.tensor([[-1.75, 0.0, 3.25]]))


@pytest.mark.parametrize("bins", [2, 3, 7, 12, 100])
def test_edges_between_levels_are_on_the_line_between_them(bins: int) -> None:
    grid = np.random.default_rng(bins).normal(size=(3, 13)).cumsum(1)
    grid.sort(axis=1)
    edges = quantile_edges(torch.from_numpy(grid), torch.zeros(3), torch.ones(3), bins, 100.0)
    at, levels = np.arange(bins + 1) / bins, np.arange(13) / 12
    expected = [np.interp(at, levels, column) for column in grid]
    np.testing.assert_allclose(edges.numpy(), expected, atol=1e-6)


@pytest.mark.parametrize(
    "bad", [[0.0, float("nan"), 1.0], [0.0, 2.0, 1.0], [0.0, 1.0, float("inf")], [float("-inf"), 0.0, 1.0]]
)
def test_quantiles_that_are_none_are_an_error(bad: list[float]) -> None:
    with pytest.raises(InputError, match="not finite or not ascending"):
        quantile_edges(torch.tensor([bad]), torch.zeros(1), torch.ones(1), 2, 10.0)


def test_a_layer_on_bins_is_any_curve_that_is_straight_between_edges() -> None:
    edges = torch.tensor([[-2.0, -0.5, 0.0, 1.0]])
    x = torch.linspace(-3, 2, 101)[:, None]
    encoded = encode(x, bin_lines(edges))
    assert encoded.shape == (101, 3, 1)
    at_edges = np.array([0.3, -1.0, 0.0, 2.5])
    steps = torch.tensor(np.diff(at_edges), dtype=torch.float32)
    found = encoded[..., 0] @ steps
    expected = np.interp(x[:, 0].numpy(), edges[0].numpy(), at_edges)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-6)


def test_a_median_and_an_empty_bin_encode_as_zeros() -> None:
    lines = bin_lines(torch.tensor([[-1.0, 0.3, 2.0], [0.0, 0.0, 1.0]]))
    assert not encode(torch.zeros(1, 2), lines).any()
    assert not encode(torch.tensor([[0.5, -4.0]]), lines)[0, 0, 1].any()
    assert encode(torch.tensor([[0.5, 0.5]]), lines)[0, :, 1].tolist() == [0.0, 0.5]
    off_median = bin_lines(torch.tensor([[-0.5, -0.5, 1.0], [-1.0, 0.5, 0.5]]))
    encoded = encode(torch.tensor([[-3.0, -3.0], [0.2, 0.2], [4.0, 4.0]]), off_median)
    assert not encoded[:, 0, 0].any() and not encoded[:, 1, 1].any()
