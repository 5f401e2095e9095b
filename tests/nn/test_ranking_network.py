"""The base of a network: scaling, groups by child module, parts that switch."""

import pytest
import torch
from torch import nn

from atft.errors import InputError
from atft.network import Scaling, check_network
from atft.nn.ranking_network import RankingNetwork
from atft.nn.robust_input import ScaledModule
from networks import inputs_of, small_atft


def two_modules() -> RankingNetwork:
    network = RankingNetwork(inputs_of(), quantiles=[0.1, 0.9])
    network.first, network.second = nn.Linear(2, 2), nn.Linear(2, 1)
    network.shift = nn.Parameter(torch.zeros(()))
    return network


def test_child_modules_are_the_groups_and_the_networks_own_parameters_one_more() -> None:
    groups = two_modules().parameter_groups()
    assert {name: len(group) for name, group in groups.items()} == {"first": 2, "second": 2, "own": 1}


def test_weights_that_child_modules_share_are_of_the_networks_own_group() -> None:
    network = two_modules()
    network.tied = nn.Linear(2, 2)
    network.tied.weight = network.first.weight
    groups = network.parameter_groups()
    assert {name: len(group) for name, group in groups.items()} == {
        "first": 1,
        "second": 2,
        "tied": 1,
        "own": 2,
    }
    check_network(network, inputs_of())


def test_it_knows_horizons_and_levels_and_has_no_parts() -> None:
    network = two_modules()
    assert (network.horizons, network.quantiles) == ((1, 5), (0.1, 0.9))
    with pytest.raises(InputError, match="no part 'first'; it has none"):
        network.set_parts(first=False)


def test_a_part_that_is_off_asks_for_no_gradient() -> None:
    network = two_modules()
    network.parts = {"first": True}
    network.set_parts(first=False)
    assert [name for name, p in network.named_parameters() if not p.requires_grad] == [
        "first.weight",
        "first.bias",
    ]
    network.set_parts(first=True)
    assert all(p.requires_grad for p in network.parameters())


def test_the_scaling_is_in_a_checkpoint() -> None:
    network, none = two_modules(), torch.zeros(0)
    network.set_scaling(Scaling(torch.arange(5.0), torch.ones(5), none, none))
    assert torch.equal(network.state_dict()["scaling.median"], torch.arange(5.0))


def test_a_module_at_any_depth_that_is_scaled_gets_the_statistics_of_the_training_days() -> None:
    class Market(ScaledModule):
        def set_scaling(self, scaling: Scaling) -> None:
            self.median = scaling.regime_median

    network = two_modules()
    network.second = nn.Sequential(nn.Linear(2, 2), Market())
    network.set_scaling(Scaling(torch.arange(5.0), torch.ones(5), torch.tensor([3.0]), torch.ones(1)))
    assert network.second[1].median.tolist() == [3.0]


def test_levels_out_of_order_are_an_error() -> None:
    with pytest.raises(InputError, match="quantiles must ascend"):
        small_atft(quantiles=[0.9, 0.1])
