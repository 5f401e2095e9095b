"""The seam between a network and everything else: what is built, and what is missing or contradicts itself."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import nn

from atft.batch import DayBatch, Forecast
from atft.commands.class_paths import construct
from atft.errors import InputError
from atft.network import Explainable, Network, NetworkInputs, Scaling, build_network, parameter_names
from atft.nn.atft_gat_fan import ATFTGATFAN
from atft.nn.ranking_network import RankingNetwork
from networks import inputs_of, small_atft


class Plain(RankingNetwork):
    """The least that a network needs: one linear map of the last day's row."""

    def __init__(self, inputs: NetworkInputs, gain: float = 1.0) -> None:
        super().__init__(inputs)
        self.gain = gain
        self.score = nn.Linear(len(inputs.features), len(inputs.horizons))
        self.shift = nn.Parameter(torch.zeros(()))

    def forward(self, batch: DayBatch) -> Forecast:
        rows = self.scaling(batch.features, batch.observed)[batch.lookback - 1 :]
        return Forecast(self.gain * self.score(rows) + self.shift)


def test_a_network_of_one_layer_is_a_network(make_batch: Callable[..., DayBatch]) -> None:
    network = build_network(partial(Plain, gain=2.0), inputs_of())
    assert isinstance(network, Network) and not isinstance(network, Explainable)
    assert network(make_batch()).score.shape == make_batch().target.shape
    assert isinstance(small_atft(), Network) and isinstance(small_atft(), Explainable)


def test_the_names_of_some_groups_are_those_of_their_parameters() -> None:
    network = Plain(inputs_of())
    assert parameter_names(network, ["score"]) == {"score.weight", "score.bias"}
    assert parameter_names(network, ["own", "absent"]) == {"shift"}


def changed(**members: Any) -> Callable[[NetworkInputs], nn.Module]:
    def build(inputs: NetworkInputs) -> nn.Module:
        network = Plain(inputs)
        for name, value in members.items():
            setattr(network, name, value)
        return network

    return build


class Nothing(nn.Module):
    """A module that knows nothing of days."""


class Deep(nn.Module):
    """A module that keeps layers in a list."""

    def __init__(self, layers: list[nn.Module]) -> None:
        super().__init__()
        self.layers = layers


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        (
            lambda _: Nothing(),
            "has no horizons, quantiles, parts, reads, set_scaling, set_parts, parameter_groups",
        ),
        (lambda _: "text", "model.network: builtins.str has no horizons"),
        (changed(horizons=[5]), "horizons [5] are not model.horizons [1, 5]; take those it is built with"),
        (changed(parts={"scores": True}), "part 'scores' is no group of parameter_groups; name it there"),
        (changed(reads={"graph": "graph"}), "reads 'graph' is no group of parameter_groups"),
        (changed(reads={"score": "volume"}), "reads names 'volume'; it must be one of graph, regime, sector"),
        (changed(horizons=5), "horizons is a int; make it a list"),
        (changed(parts=["score"]), "parts is a list; make it a dict"),
        (changed(reads=None), "reads is a NoneType; make it a dict"),
        (changed(parameter_groups=list), "parameter_groups() is a list; make it a dict"),
        (changed(parameter_groups=dict), "must have each parameter in exactly one group"),
        (partial(Plain, gian=2.0), "model.network: "),
        (
            Plain(inputs_of()),
            "model.network must be a class or functools.partial(MyNetwork, size=8), got a Plain that",
        ),
        (changed(more=[nn.Linear(2, 2)]), "self.more is a list of layers, which neither train nor are saved"),
        (
            changed(more={"a": nn.Parameter(torch.ones(1))}),
            "self.more is a dict of layers, which neither train",
        ),
        (changed(body=Deep([nn.Linear(2, 2)])), "self.body.layers is a list of layers, which neither train"),
        (
            lambda inputs: Plain(inputs).requires_grad_(False),
            "has no parameter to train; add layers as members",
        ),
        (changed(more=nn.LazyLinear(2)), "more.weight is of a lazy layer without a size; give it its sizes"),
        (partial(ATFTGATFAN, hidden_size=1), "hidden_size must be 4 to 4096, got 1"),
    ],
)
def test_a_network_that_is_none_is_an_error_of_one_line(factory: Any, message: str) -> None:
    with pytest.raises(InputError) as raised:
        build_network(factory, inputs_of())
    assert message in str(raised.value) and len(str(raised.value)) < 200


def test_a_list_of_layers_that_are_members_too_is_no_fault() -> None:
    def build(inputs: NetworkInputs) -> nn.Module:
        network = Plain(inputs)
        network.in_order = [network.score, network.shift]  # type: ignore[assignment]
        return network

    assert build_network(build, inputs_of()).in_order


class NoSuper(RankingNetwork):
    """A constructor that sets a layer without its base's."""

    def __init__(self, inputs: NetworkInputs) -> None:
        self.layer = nn.Linear(2, 2)


class NoSuperOfNumbers(RankingNetwork):
    """The same, which sets a number only."""

    def __init__(self, inputs: NetworkInputs) -> None:
        self.width = 2


class NoInputs(RankingNetwork):
    """A constructor without inputs."""

    def __init__(self, hidden_size: int = 8) -> None:
        super().__init__()  # type: ignore[call-arg]


class KeepsInputs(RankingNetwork):
    """A constructor that does not pass its inputs on."""

    def __init__(self, inputs: NetworkInputs) -> None:
        super().__init__()  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (NoSuper, "NoSuper: __init__ sets a member too early; call super().__init__(inputs) first"),
        (
            NoSuperOfNumbers,
            "NoSuperOfNumbers has no horizons, quantiles, parts, reads; call super().__init__(inputs) first",
        ),
        (NoInputs, "NoInputs: __init__ must take inputs as its first argument"),
        (KeepsInputs, "KeepsInputs: __init__ must pass its inputs on; call super().__init__(inputs) first"),
    ],
)
def test_a_constructor_without_its_convention_says_what_to_write(kind: type[Any], message: str) -> None:
    for factory in (kind, partial(kind), partial(construct, kind)):
        with pytest.raises(InputError) as raised:
            build_network(factory, inputs_of())
        assert str(raised.value).startswith(f"model.network: {__name__}.") and message in str(raised.value)


def test_a_parameter_in_two_groups_is_an_error() -> None:
    network = Plain(inputs_of())
    twice = {name: list(network.parameters()) for name in ("a", "b")}
    with pytest.raises(InputError, match="exactly one group"):
        build_network(changed(parameter_groups=lambda: twice), inputs_of())


def test_a_word_that_a_network_does_not_know_is_an_error_from_python_too() -> None:
    wrong = partial(ATFTGATFAN, encoder="lsmt")
    with pytest.raises(
        InputError, match=r"model\.network: encoder must be one of scan, lstm, none, got 'lsmt'"
    ):
        build_network(wrong, inputs_of())
    assert build_network(partial(ATFTGATFAN, hidden_size=8, encoder="none"), inputs_of()).encoder is None


def test_a_scaling_in_another_order_of_features_keeps_the_rest() -> None:
    grid = torch.arange(6.0).view(2, 3)
    scaling = Scaling(torch.tensor([1.0, 2]), torch.tensor([3.0, 4]), torch.ones(1), torch.ones(1), grid)
    turned = scaling.of_features([1, 0])
    assert turned.median.tolist() == [2, 1] and turned.iqr.tolist() == [4, 3]
    assert torch.equal(turned.quantiles, grid.flip(0)) and turned.regime_iqr is scaling.regime_iqr
    assert scaling.of_features([]) is scaling
