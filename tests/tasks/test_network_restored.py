"""What a network's scores depend on is in its checkpoint, or one line says so before the first step."""

import random
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from atft.batch import DayBatch, Forecast
from atft.errors import InputError
from atft.network import NetworkInputs, Scaling, build_network
from atft.nn.ranking_network import RankingNetwork
from atft.tasks.network_check import try_network
from networks import NETWORKS, inputs_of

INPUTS = inputs_of(regimes=("regime_0", "regime_1"))
WIDTH = 4


class Own(RankingNetwork):
    """Two layers, with a factor of the hidden units between them that a subclass makes."""

    def __init__(self, inputs: NetworkInputs = INPUTS) -> None:
        super().__init__(inputs)
        self.body = nn.Linear(len(inputs.features), WIDTH)
        self.head = nn.Linear(WIDTH, len(inputs.horizons))
        self.prepare()

    def prepare(self) -> None:
        """Make what ``factor`` reads."""

    def factor(self, hidden: Tensor) -> Tensor:
        return torch.ones(())

    def forward(self, batch: DayBatch) -> Forecast:
        rows = self.scaling(batch.features, batch.observed)[batch.lookback - 1 :]
        hidden = self.body(rows)
        return Forecast(self.head(hidden * self.factor(hidden)))


def own(prepare: Callable[[Any], None], factor: Callable[[Any, Tensor], Tensor]) -> type[Own]:
    return type("Replaced", (Own,), {"prepare": prepare, "factor": factor})


def member(make: Callable[[], Any]) -> Callable[[Any], None]:
    return lambda self: setattr(self, "extra", make())


def multiplied(self: Any, hidden: Tensor) -> Tensor:
    return self.extra


def layer_of(hold: Callable[[nn.Linear], Any]) -> Callable[[], Any]:
    return lambda: hold(nn.Linear(WIDTH, WIDTH))


class Scaled(Own):
    """A network that keeps its scaling where no checkpoint has it."""

    shift = 0.0

    def set_scaling(self, scaling: Scaling) -> None:
        self.shift = scaling.median.mean().item()

    def factor(self, hidden: Tensor) -> Tensor:
        return torch.tensor(1 + self.shift)


class Grown(Own):
    """A network whose head has the size of what it first saw."""

    def set_scaling(self, scaling: Scaling) -> None:
        self.register_buffer("seen", torch.zeros(3, 3))


LOST = {
    "a random tensor": own(member(lambda: torch.randn(WIDTH)), multiplied),
    "a tensor with a gradient": own(member(lambda: torch.randn(WIDTH, requires_grad=True)), multiplied),
    "of random": own(member(lambda: torch.tensor([random.random() for _ in range(WIDTH)])), multiplied),
    "a closure": own(member(layer_of(lambda layer: lambda x: layer(x))), lambda self, h: self.extra(h)),
    "an object": own(
        member(layer_of(lambda layer: type("Box", (), {"layer": layer})())),
        lambda self, h: self.extra.layer(h),
    ),
    "the scaling": Scaled,
}


@pytest.mark.parametrize("kind", LOST.values(), ids=LOST)
def test_a_network_with_a_part_that_no_checkpoint_has_is_one_line(kind: type[Own]) -> None:
    with pytest.raises(InputError) as raised:
        try_network(kind(), INPUTS, factory=kind)
    line = str(raised.value)
    assert line.startswith("model.network: ") and len(line) < 200, line
    assert (
        "a checkpoint would not restore its scores; make each tensor a torch.nn.Parameter or a buffer" in line
    )


def test_a_state_that_does_not_fit_a_network_built_again_is_one_line() -> None:
    with pytest.raises(InputError, match=r"no checkpoint of it could be loaded .*; make parameters and"):
        try_network(Grown(), INPUTS, factory=Grown)


@pytest.mark.parametrize(
    "kind",
    [
        own(member(lambda: nn.Parameter(torch.randn(WIDTH))), multiplied),
        own(member(lambda: torch.arange(WIDTH) / WIDTH), multiplied),
        own(lambda self: self.register_buffer("extra", torch.randn(WIDTH)), multiplied),
        own(member(lambda: nn.BatchNorm1d(WIDTH)), lambda self, h: self.extra(h.flatten(0, 1)).view_as(h)),
    ],
    ids=["a parameter", "a constant", "a buffer", "running statistics"],
)
def test_parameters_buffers_and_constants_pass(kind: type[Own]) -> None:
    try_network(kind(), INPUTS, factory=kind)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_networks_of_the_package_pass_also_with_a_part_that_is_off(name: str) -> None:
    network = build_network(NETWORKS[name], INPUTS)
    try_network(network, INPUTS, factory=NETWORKS[name])
    for part in list(network.parts):
        network.set_parts(**{part: False})
        try_network(network, INPUTS, factory=NETWORKS[name])


def test_the_run_draws_what_it_would_have_drawn() -> None:
    drawn = member(lambda: torch.ones(1) * (random.random() < 9))
    kind = own(drawn, multiplied)
    network = kind()
    before = torch.get_rng_state(), random.getstate()
    try_network(network, INPUTS, factory=partial(kind))
    assert torch.equal(torch.get_rng_state(), before[0]) and random.getstate() == before[1]
