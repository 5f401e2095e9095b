"""Several networks of one kind side by side, each with its own loss, whose ranks make the score.

Members differ by their first weights and by what dropout draws, and read the same blocks in the same order.
Lakshminarayanan, Pritzel and Blundell, "Simple and Scalable Predictive Uncertainty Estimation using Deep
Ensembles", NeurIPS 2017. ``model.members`` builds one; it costs as much as so many networks.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from atft.batch import DayBatch, Forecast
from atft.errors import InputError
from atft.network import (
    Explainable,
    Explanation,
    Network,
    NetworkFactory,
    NetworkInputs,
    Pretrainable,
    Scaling,
    build_network,
)
from atft.nn.member_ranks import mean_of_ranks
from atft.option_types import check_type


class Ensemble(nn.Module):
    """Members built one after another by the same factory; a `Network` that switches and groups them as one.

    It can explain itself and be pretrained where its members can.

    Args:
        inputs: names of the columns that its members read, and horizons.
        network: builds a member.
        members: how many, 1 or more.
    """

    def __init__(self, inputs: NetworkInputs, network: NetworkFactory, members: int) -> None:
        super().__init__()
        self.networks: Any = nn.ModuleList(build_network(network, inputs) for _ in range(members))
        # Methods only where the members have them.
        if isinstance(self.first, Explainable):
            self.explain = self._explain
        if isinstance(self.first, Pretrainable):
            self.encode = self._encode

    @property
    def first(self) -> Network:
        """The member that speaks for all: what it has and reads, the others have and read."""
        member: Network = self.networks[0]
        return member

    @property
    def horizons(self) -> tuple[int, ...]:
        return tuple(self.first.horizons)

    @property
    def quantiles(self) -> tuple[float, ...]:
        return tuple(self.first.quantiles)

    @property
    def parts(self) -> Mapping[str, bool]:
        return self.first.parts

    @property
    def reads(self) -> Mapping[str, str]:
        return self.first.reads

    def set_scaling(self, scaling: Scaling) -> None:
        """Give it to each member."""
        for member in self.networks:
            member.set_scaling(scaling)

    def set_parts(self, **on: bool) -> None:
        """Turn parts of each member on or off; raises InputError where there is no such part."""
        for member in self.networks:
            member.set_parts(**on)

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """The parameters of each group, of all members."""
        of_members = [member.parameter_groups() for member in self.networks]
        return {name: [p for groups in of_members for p in groups[name]] for name in of_members[0]}

    def forward(self, batch: DayBatch) -> Forecast:
        """Score every stock-day by each member; see :func:`mean_of_ranks`. Quantiles are the members' mean.

        In training ``score`` is the members' mean, which costs nothing.
        """
        forecasts: list[Forecast] = [member(batch) for member in self.networks]
        each = [f.score[..., None] if f.members is None else f.members for f in forecasts]
        # bfloat16's 8 bits do not tell the ranks of more than 256 stocks apart.
        members = torch.cat(each, dim=-1).float()
        score = members.mean(-1) if self.training else mean_of_ranks(members, batch.universe)
        levels = [f.quantiles for f in forecasts if f.quantiles is not None]
        return Forecast(score, torch.stack(levels).mean(0) if levels else None, members)

    def _explain(self, batch: DayBatch) -> Explanation:
        """What the members look at, in the mean."""
        of_members = zip(*(member.explain(batch) for member in self.networks), strict=True)
        return Explanation(*(None if each[0] is None else torch.stack(each).mean(0) for each in of_members))

    def _encode(self, batch: DayBatch) -> Float[Tensor, "days stocks width"]:
        """The states of all members in a row."""
        return torch.cat([member.encode(batch) for member in self.networks], dim=-1)


def ensemble_of(network: NetworkFactory, members: int) -> NetworkFactory:
    """The factory of so many members side by side; of the network itself where it is to be the only one.

    Raises:
        InputError: not 1 to 64 members.
    """
    check_type("model.members", members, int)
    if not 1 <= members <= 64:
        raise InputError(f"model.members must be 1 to 64, got {members}")
    return network if members == 1 else partial(Ensemble, network=network, members=members)


def member_of(network: nn.Module) -> nn.Module:
    """One member of an ensemble, whose class is the one that the user named; any other network itself."""
    return network.networks[0] if isinstance(network, Ensemble) else network
