"""A block with padded stocks and edges has the scores, losses and gradients of the block."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from atft.batch import DayBatch
from atft.losses.objective import DayObjective, ObjectiveOptions
from atft.tasks.padded_block import empty_block, fill_block, pad_block, padded_size, padded_sizes
from networks import NETWORKS, small_network


@pytest.mark.parametrize("count", [1, 7, 8, 9, 63, 64, 890, 1300, 4045, 4096, 242700])
def test_a_padded_size_is_larger_by_an_eighth_at_most_or_by_eight(count: int) -> None:
    assert count < padded_size(count) <= max(count + 8, count * 9 / 8 + 1)


def test_between_a_power_of_two_and_the_next_there_are_eight_sizes() -> None:
    assert len({padded_size(n) for n in range(2048, 4096)}) == 8


@pytest.mark.parametrize("name", NETWORKS)
def test_padding_changes_no_score_loss_or_gradient_of_any_network(
    name: str, make_batch: Callable[..., DayBatch]
) -> None:
    sizes = {"dropout": 0.0} | ({"gat_dropout": 0.0} if name.startswith("ATFT") else {})
    network: Any = small_network(name, **sizes)
    for module in network.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    options = ObjectiveOptions(terms={"ic": 0.5, "huber": 0.5, "sharpe": 0.1})
    batch = make_batch(stocks=19)
    found = []
    for block in (batch, pad_block(batch)):
        network.zero_grad()
        forecast = network(block)
        loss = DayObjective(options, [1, 5])(forecast, block).loss
        (block.weight * loss).sum().backward()
        gradient = torch.cat([p.grad.ravel() for p in network.parameters() if p.grad is not None])
        found.append((torch.where(batch.universe[..., None], forecast.score[:, :19], 0), loss, gradient))
    for padded, plain in zip(found[1], found[0], strict=True):
        torch.testing.assert_close(padded, plain, rtol=1e-5, atol=1e-6)


def test_padded_stocks_are_unknown_and_padded_edges_join_them_alone(
    make_batch: Callable[..., DayBatch],
) -> None:
    batch = make_batch(stocks=19)
    padded = pad_block(batch)
    assert len(padded.stock) > 19 and bool((padded.stock[19:] == -1).all())
    for mask in (padded.observed, padded.universe, padded.valid):
        assert not mask[:, 19:].any()
    for values in (padded.features, padded.target, padded.exposure):
        assert values[:, 19:].isnan().all()
    added = padded.edge_index[:, batch.edge_index.shape[1] :]
    assert added.numel() and bool((added % len(padded.stock) >= 19).all()) and torch.equal(added[0], added[1])


def test_a_block_that_is_filled_again_keeps_nothing_of_the_former(
    make_batch: Callable[..., DayBatch],
) -> None:
    more, fewer = make_batch(stocks=15, seed=1), make_batch(stocks=12, edges_per_stock=3, seed=2)
    fewer = fewer._replace(edge_index=fewer.edge_index[:, :65], edge_attr=fewer.edge_attr[:65])
    more = more._replace(edge_index=more.edge_index[:, :70], edge_attr=more.edge_attr[:70])
    assert padded_sizes(more) == padded_sizes(fewer)
    padded = empty_block(more)
    fill_block(padded, more)
    fill_block(padded, fewer)
    for name, again, once in zip(DayBatch._fields, padded, pad_block(fewer), strict=True):
        if isinstance(once, torch.Tensor):
            torch.testing.assert_close(again, once, equal_nan=True, rtol=0, atol=0, msg=name)


def test_a_block_without_edges_stays_without(make_batch: Callable[..., DayBatch]) -> None:
    batch = make_batch()
    batch = batch._replace(edge_index=batch.edge_index[:, :0], edge_attr=batch.edge_attr[:0])
    assert pad_block(batch).edge_index.shape == (2, 0)
