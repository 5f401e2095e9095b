"""Regime columns change what a stock's features are worth, and a new network knows nothing of them."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from atft.batch import DayBatch
from atft.errors import InputError
from atft.network import Scaling
from atft.nn.market_modulation import MAX_REGIME, MarketModulation
from networks import small_network

NETWORKS = (
    "TabM-modulated",
    "ATFTGATFAN-modulated",
    "ATFTGATFAN-modulated-by-bins",
    "ATFTGATFAN-modulated-by-units",
)


def moved() -> MarketModulation:
    """A modulation of 3 units by 2 columns that has learned something."""
    torch.manual_seed(0)
    modulation = MarketModulation(2, 3)
    with torch.no_grad():
        modulation.scale.normal_()
        modulation.shift.normal_()
    none = torch.zeros(0)
    modulation.set_scaling(Scaling(none, none, torch.tensor([1.0, -1.0]), torch.tensor([2.0, 0.5])))
    return modulation


def test_a_unit_is_scaled_and_shifted_as_by_plain_arithmetic() -> None:
    modulation, state = moved(), torch.randn(2, 4, 3)
    regime = torch.tensor([[2.0, -1.25], [0.0, -0.75]])
    found = modulation(state, regime)
    for day, market in enumerate(([0.5, -0.5], [-0.5, 0.5])):
        for unit in range(3):
            scale = sum(m * modulation.scale[i, unit].item() for i, m in enumerate(market))
            shift = sum(m * modulation.shift[i, unit].item() for i, m in enumerate(market))
            expected = state[day, :, unit] * (1 + torch.tensor(scale).tanh()) + torch.tensor(shift).tanh()
            torch.testing.assert_close(found[day, :, unit], expected)


def test_an_unknown_column_is_its_median_and_an_extreme_market_the_most_extreme_known_one() -> None:
    modulation, state = moved(), torch.randn(4, 5, 3)
    inf = float("inf")
    regime = torch.tensor([[float("nan"), -1.0], [1.0, -1.0], [inf, -1.0], [1 + 2 * MAX_REGIME, -1.0]])
    found = modulation(state[:1].expand(4, -1, -1), regime)
    assert torch.equal(found[0], found[1])
    torch.testing.assert_close(found[2], found[3])


def test_by_bins_a_unit_bends_where_a_fourth_of_the_training_days_ends() -> None:
    days = torch.linspace(0, 1, 241)
    grid = torch.stack((days.square(), 5 + days))  # skewed, and even
    median, iqr = grid[:, 120], grid[:, 180] - grid[:, 60]
    modulation, none = MarketModulation(2, 1, bins=4), torch.zeros(0)
    modulation.set_scaling(Scaling(none, none, median, iqr, None, grid))
    with torch.no_grad():
        modulation.shift.normal_()
    regime = torch.stack((torch.linspace(0, 1, 97), torch.full((97,), 5.5)), dim=1)
    shift = modulation(torch.zeros(97, 1, 1), regime)[:, 0, 0].atanh().detach()
    at_edges = grid[0, ::60]
    values = torch.cat(
        (
            -modulation.shift[:4:2].flip(0).cumsum(0).flip(0),
            torch.zeros(1, 1),
            modulation.shift[4::2].cumsum(0),
        )
    )
    expected = np.interp(regime[:, 0].numpy(), at_edges.numpy(), values[:, 0].detach().numpy())
    np.testing.assert_allclose(shift.numpy(), expected, atol=1e-5)


def test_without_quantiles_the_bins_are_equally_wide_and_their_number_has_a_range() -> None:
    modulation, none, one = MarketModulation(1, 3, bins=2), torch.zeros(0), torch.ones(1)
    equally_wide = [[-MAX_REGIME, 0.0, MAX_REGIME]]
    assert modulation.edges.tolist() == equally_wide
    modulation.set_scaling(Scaling(none, none, 0 * one, one, None, torch.tensor([[-1.0, 0.5, 1.0]])))
    assert modulation.edges.tolist() == [[-1.0, 0.5, 1.0]]
    modulation.set_scaling(Scaling(none, none, 0 * one, one))
    assert modulation.edges.tolist() == equally_wide
    assert "edges" not in MarketModulation(1, 3).state_dict()  # a checkpoint of one without bins fits
    with pytest.raises(InputError, match="modulation_bins"):
        MarketModulation(1, 3, bins=0)


def test_a_unit_joins_columns_that_bins_only_add_up() -> None:
    modulation, none = MarketModulation(2, 1, bins=2, units=1).eval(), torch.zeros(0)
    modulation.set_scaling(Scaling(none, none, torch.zeros(2), torch.ones(2)))
    calm, falling = torch.tensor([[0.0, 0.0], [0.0, 1.0]]), torch.tensor([[1.0, 0.0], [1.0, 1.0]])

    def second_column(regime: Tensor) -> Tensor:
        """What it adds to the shift's argument, from 0 to 1."""
        return modulation(torch.zeros(2, 1, 1), regime)[:, 0, 0].atanh().diff()

    with torch.no_grad():
        modulation.shift[:-1].normal_(std=0.1)
        torch.testing.assert_close(second_column(calm), second_column(falling))
        # Half a bin above the median is an encoding of .5, so relu(x + y - .5) is above 0 where both columns are 1.
        line = modulation.joined[0]
        line.weight.copy_(torch.tensor([[0.0, 0.0, 1.0, 1.0]]))
        line.bias.fill_(-0.5)
        modulation.shift[-1] = 0.2
        torch.testing.assert_close(second_column(falling) - second_column(calm), torch.tensor([0.5 * 0.2]))


def test_units_are_dropped_in_training_only_and_their_number_has_a_range() -> None:
    modulation, state = MarketModulation(2, 3, units=16), torch.zeros(1, 1, 3)
    torch.nn.init.normal_(modulation.shift)
    regime = torch.tensor([[0.5, -1.0]])
    assert not torch.equal(modulation(state, regime), modulation(state, regime))
    modulation.eval()
    assert torch.equal(modulation(state, regime), modulation(state, regime))
    assert not any(name.startswith("joined") for name in MarketModulation(2, 3).state_dict())
    with pytest.raises(InputError, match="modulation_units"):
        MarketModulation(1, 3, units=-1)


def test_rows_of_any_days_have_the_states_and_gradients_of_their_days() -> None:
    modulation, rows_of_days = moved().double(), [4, 0, 7, 1]
    regime = torch.randn(4, 2, dtype=torch.double)
    day = torch.repeat_interleave(torch.tensor(rows_of_days))
    state = torch.randn(2, 1, 12, 3, dtype=torch.double, requires_grad=True)
    direction = torch.randn_like(state)
    # Each row as a day of one stock.
    each = modulation(state[:, 0, :, None], regime[day])[:, None, :, 0]
    by_day = modulation(state, regime, rows_of_days)
    inputs = [state, modulation.scale, modulation.shift]
    expected, found = (torch.autograd.grad(states, inputs, direction) for states in (each, by_day))
    torch.testing.assert_close([by_day, *found], [each, *expected])


@pytest.mark.parametrize("option", ["modulation_bins", "modulation_units"])
@pytest.mark.parametrize("name", ["TabM-1", "ATFTGATFAN-nonlinear"])
def test_a_wrong_size_is_named_where_a_network_has_no_modulation(name: str, option: str) -> None:
    with pytest.raises(InputError, match=option):
        small_network(name, **{option: -1})


@pytest.mark.parametrize("name", NETWORKS)
def test_a_new_network_scores_every_market_alike(name: str, make_batch: Callable[..., DayBatch]) -> None:
    batch = make_batch()
    network = small_network(name).eval()
    other = batch._replace(regime=batch.regime + 1)
    assert torch.equal(network(batch).score, network(other).score)


@pytest.mark.parametrize("name", NETWORKS)
def test_what_a_market_teaches_can_be_switched_off(name: str, make_batch: Callable[..., DayBatch]) -> None:
    batch = make_batch()
    network = small_network(name).eval()
    plain = network(batch).score
    with torch.no_grad():
        network.modulation.scale.normal_()
    assert not torch.allclose(network(batch).score, plain)
    network.set_parts(modulation=False)
    assert torch.equal(network(batch).score, plain)
    assert network.reads["modulation"] == "regime"
