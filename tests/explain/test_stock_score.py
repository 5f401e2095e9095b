"""The score of a cut block, and of copies of it, is that of the whole cross-section."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from atft.batch import DayBatch, Forecast
from atft.explain.integrated_gradients import attribute
from atft.explain.median_stock import median_window
from atft.explain.stock_score import (
    StockScore,
    copies_of_block,
    differentiable_score,
    evaluating,
    neighbourhoods,
)
from atft.losses.options import ObjectiveOptions
from atft.tasks.ranking import RankingTask
from tests.support.networks import NETWORKS

MakeBatch = Callable[..., DayBatch]


def one_day(make_batch: MakeBatch, **options: object) -> DayBatch:
    batch = make_batch(days=1, **{"stocks": 40, "edges_per_stock": 2, **options})
    return batch._replace(universe=torch.ones_like(batch.universe))


def small_ranking_task(name: str) -> RankingTask:
    """A task of a network of NETWORKS, away from its initial weights."""
    torch.manual_seed(0)
    features, regimes = [f"x_{i}" for i in range(5)], ["regime_0", "regime_1"]
    task = RankingTask(NETWORKS[name], ObjectiveOptions(), [1, 5], features=features, regimes=regimes)
    with torch.no_grad():
        for parameter in task.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return task


@pytest.mark.parametrize(
    ("name", "is_cut"), [("ATFTGATFAN-revin", True), ("TabM-modulated", True), ("MASTER", False)]
)
def test_the_score_is_that_of_the_whole_day_and_its_attributions_sum_to_the_difference(
    name: str, is_cut: bool, make_batch: MakeBatch
) -> None:
    task, batch, horizon, place = small_ranking_task(name), one_day(make_batch), 1, 7
    with evaluating(task):
        score = StockScore(task, batch, place, horizon)
        assert score.is_cut is is_cut and (score.at_once > 1) is is_cut
        with torch.no_grad():
            whole = differentiable_score(task(batch))[0, place, horizon]
            torch.testing.assert_close(score(score.window[None])[0], whole)
            # Another window of the stock in the whole block, and in copies beside its own.
            median = median_window(batch)[:, 0]
            other = torch.where(score.window.isnan(), torch.nan, median)
            features = batch.features.clone()
            features[:, place] = other
            expected = differentiable_score(task(batch._replace(features=features)))[0, place, horizon]
            windows = [score.window, other][-score.at_once :]
            torch.testing.assert_close(score(torch.stack(windows))[-1], expected)
        found = attribute(score, score.window, median, (32, 256), score.at_once)
    assert found.is_complete
    assert found.parts[:-1].any() == (name != "TabM-modulated"), "TabM reads the last row only"


def test_a_network_that_cannot_score_few_stocks_keeps_the_whole_block(make_batch: MakeBatch) -> None:
    task, batch = small_ranking_task("TabM-modulated"), one_day(make_batch)

    def forward(batch: DayBatch, score: Any = task.network.forward) -> Forecast:
        batch.features[-1, :, 0].topk(30)
        forecast: Forecast = score(batch)
        return forecast

    task.network.forward = forward
    with evaluating(task):
        score = StockScore(task, batch, 7, 0)
    assert not score.is_cut and score.at_once == 1


def test_a_frozen_task_draws_nothing_and_is_as_before_afterwards(make_batch: MakeBatch) -> None:
    task, batch = small_ranking_task("ATFTGATFAN-revin").train(), one_day(make_batch)
    task.network.set_parts(graph=False)
    asked = {name: p.requires_grad for name, p in task.named_parameters()}
    with evaluating(task):
        assert not any(p.requires_grad for p in task.parameters())
        assert torch.equal(task(batch).score, task(batch).score)
    assert task.training and {name: p.requires_grad for name, p in task.named_parameters()} == asked


def test_neighbourhoods_grow_by_a_step_along_the_edges_up_to_half_of_the_stocks(
    make_batch: MakeBatch,
) -> None:
    ring = torch.arange(12)
    batch = one_day(make_batch, stocks=12)._replace(edge_index=torch.stack((ring.roll(1), ring)))
    found = [stocks.tolist() for stocks in neighbourhoods(batch, 2)]
    assert found == [[2], [1, 2], [0, 1, 2], [0, 1, 2, 11], [0, 1, 2, 10, 11], [0, 1, 2, 9, 10, 11]]
    alone = batch._replace(edge_index=torch.empty(2, 0, dtype=torch.int64))
    assert [stocks.tolist() for stocks in neighbourhoods(alone, 2)] == [[2]]


def test_copies_of_a_block_have_no_edges_between_them(make_batch: MakeBatch) -> None:
    ends = torch.tensor([[0, 1], [1, 0]])
    block = one_day(make_batch, stocks=3)._replace(edge_index=ends, edge_attr=torch.arange(4.0).view(2, 2))
    two = copies_of_block(block, 2)
    assert two.edge_index.tolist() == [[0, 1, 3, 4], [1, 0, 4, 3]]
    assert two.features.shape[1] == two.sector.shape[1] == len(two.stock) == 6


def test_an_ensembles_score_is_the_mean_of_its_members() -> None:
    members = torch.tensor([[[[1.0, 3.0]]]])
    assert differentiable_score(Forecast(torch.zeros(1, 1, 1), members=members)).item() == 2.0
