"""The tiny run's task and data, and networks whose attributions are known."""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

from atft.batch import DayBatch, Forecast
from atft.network import NetworkInputs
from atft.nn.ranking_network import RankingNetwork
from atft.tasks.day_data import DayData
from atft.tasks.ranking import RankingTask


class Weighted(RankingNetwork):
    """Score ``w x`` of the last row, plus a tenth of the mean ``w x`` of the neighbours where it is social."""

    def __init__(self, inputs: NetworkInputs, social: bool = False) -> None:
        super().__init__(inputs)
        signs = torch.tensor([1.0, -1.0]).repeat(len(inputs.features))[: len(inputs.features)]
        self.weight = nn.Parameter(signs * torch.arange(1.0, len(inputs.features) + 1))
        self.social = social

    def forward(self, batch: DayBatch) -> Forecast:
        days, stocks = batch.universe.shape
        x = batch.features[-days:].nan_to_num(nan=0.0)
        own = (x @ self.weight).flatten()
        if self.social:
            source, destination = batch.edge_index
            total = torch.zeros_like(own).index_add(0, destination, own[source])
            count = torch.zeros_like(own).index_add(0, destination, torch.ones_like(own[source]))
            own = own + 0.1 * total / count.clamp_min(1)
        score: Tensor = own.view(days, stocks, 1).expand(-1, -1, len(self.horizons))
        return Forecast(score)


class Explained(NamedTuple):
    """A task with weights and the data that it scores."""

    task: RankingTask
    data: DayData


@pytest.fixture(scope="session")
def tiny(tiny_run: Any) -> Explained:
    """The tiny run's selected weights, its panel and its cache."""
    from atft.commands.explain import load_weights
    from atft.commands.train import build

    checkpoint = tiny_run.directory / "best_model.ckpt"
    cli = build(
        "predict", ["--ckpt_path", str(checkpoint), "--data.cache.dir", str(tiny_run.folder / "cache")]
    )
    load_weights(cli.model, checkpoint)
    return Explained(cli.model, cli.datamodule)


@pytest.fixture
def weighted(tiny: Explained) -> Callable[..., Explained]:
    """A task of `Weighted` on the tiny run's data."""

    def make(**options: Any) -> Explained:
        def network(inputs: NetworkInputs) -> Weighted:
            return Weighted(inputs, **options)

        return Explained(RankingTask.for_data(tiny.data, network), tiny.data)

    return make
