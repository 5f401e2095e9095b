"""Attention over a table of neighbours: torch-geometric's over a list of edges is its oracle."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from atft.batch import DayBatch
from atft.nn import graph_attention, table_attention
from atft.nn.graph_attention import MIN_TABLE_WIDTH, GraphAttention
from atft.nn.neighbour_table import neighbour_table
from atft.tasks.padded_block import pad_block

NODES, WIDTH = 23, MIN_TABLE_WIDTH


def some_edges(seed: int = 0) -> tuple[Tensor, Tensor]:
    """None to WIDTH edges a node, in no order, some of them twice."""
    torch.manual_seed(seed)
    degree = torch.randint(0, WIDTH + 1, (NODES,))
    degree[[0, 7]] = torch.tensor([WIDTH, 0])
    destination = torch.arange(NODES).repeat_interleave(degree)
    destination = destination[torch.randperm(len(destination))]
    return torch.stack((torch.randint(NODES, destination.shape), destination)), torch.randn(
        len(destination), 2
    )


def states_and_gradients(
    block: nn.Module, node: Tensor, edges: tuple[Tensor, Tensor], max_neighbours: int
) -> list[Tensor]:
    """What a block makes of nodes, and the gradients of nodes, edges' attributes and parameters."""
    node, attributes = (x.detach().requires_grad_() for x in (node, edges[1]))
    state = block(node, edges[0], attributes, max_neighbours)
    weight = torch.linspace(-1, 1, state.numel(), dtype=state.dtype).view_as(state)
    return [state, *torch.autograd.grad((weight * state).sum(), [node, attributes, *block.parameters()])]


@pytest.mark.parametrize("stripe", [1, 1 << 19])
@pytest.mark.parametrize("width", [WIDTH, WIDTH + 3])
def test_states_and_gradients_equal_those_of_torch_geometric(
    width: int, stripe: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_attention, "STRIPE_NUMBERS", stripe)
    edges, block, node = some_edges(), GraphAttention(32, 2, 0.0), torch.randn(NODES, 32)
    theirs, ours = (states_and_gradients(block, node, edges, most) for most in (0, width))
    for expected, computed in zip(theirs, ours, strict=True):
        torch.testing.assert_close(
            computed, expected, atol=1e-6 * max(1, float(expected.detach().abs().max())), rtol=0
        )


def test_a_dropout_of_the_same_weights_equals_that_of_torch_geometric(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    edges, node = some_edges(), torch.randn(NODES, 32).double()
    block = GraphAttention(32, 1, 0.5).double()
    edges = edges[0], edges[1].double()
    kept = torch.randint(0, 2, (block.messages[0].heads, NODES, WIDTH)) * 2.0
    # The place of each edge in the table, as a table of their numbers has it.
    number = torch.arange(1.0, len(edges[1]) + 1)[:, None]
    table = neighbour_table(edges[0], number, NODES, WIDTH).attributes.flatten()
    of_edges = kept.flatten(1)[:, table.argsort()[-len(number) :]].T
    monkeypatch.setattr(graph_attention, "drop", lambda ones, share: kept)
    monkeypatch.setattr(nn.functional, "dropout", lambda weight, p, training: weight * of_edges)
    theirs, ours = (states_and_gradients(block, node, edges, most) for most in (0, WIDTH))
    for expected, computed in zip(theirs, ours, strict=True):
        torch.testing.assert_close(computed, expected)


@pytest.mark.parametrize("stripe", [1, 1 << 19])
def test_gradients_equal_differences(stripe: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_attention, "STRIPE_NUMBERS", stripe)
    edges = some_edges()
    table = neighbour_table(edges[0], edges[1].double(), NODES, WIDTH)
    kept = torch.rand(3, NODES, WIDTH, dtype=torch.float64)
    shapes = (NODES, 12), (NODES, 12), (2, 12), (3, 4), (NODES, WIDTH, 2)
    inputs = [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes]

    def attend(*given: Any) -> Tensor:
        *tensors, attributes = given
        return table_attention.table_attention(*tensors, table._replace(attributes=attributes), kept)

    assert torch.autograd.gradcheck(attend, inputs, fast_mode=True)


def test_days_of_a_block_do_not_see_each_other_and_padding_changes_nothing(make_batch: Any) -> None:
    batch: DayBatch = make_batch(days=3, stocks=20)
    block = GraphAttention(32, 2, 0.0)
    node = torch.randn(3, 20, 32)

    def states(of: DayBatch, node: Tensor) -> Tensor:
        flat = block(node.flatten(0, 1), of.edge_index, of.edge_attr, of.max_neighbours)
        return flat.view_as(node)

    whole = states(batch, node)
    torch.testing.assert_close(states(batch.part(1, 2), node[1:2]), whole[1:2])
    padded = pad_block(batch)
    more = torch.randn(3, len(padded.stock) - 20, 32)
    torch.testing.assert_close(states(padded, torch.cat((node, more), 1))[:, :20], whole)


def test_bfloat16_products_round_and_no_more() -> None:
    edges, block, node = some_edges(), GraphAttention(32, 1, 0.0), torch.randn(NODES, 32)
    exact = block(node, *edges, WIDTH)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = block(node, *edges, WIDTH)
        rounded.sum().backward()
    assert rounded.dtype == torch.float32
    torch.testing.assert_close(rounded, exact, atol=0.02, rtol=0.02)
