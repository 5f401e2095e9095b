"""Graph attention: neighbours count, others do not, and a graph may be empty."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from atft.nn.graph_attention import GraphAttention


def build(layers: int = 1, hidden: int = 32, dropout: float = 0.0) -> GraphAttention:
    torch.manual_seed(0)
    return GraphAttention(hidden, layers, dropout)


def ring(nodes: int) -> tuple[torch.Tensor, torch.Tensor]:
    source = torch.arange(nodes)
    return torch.stack((source, (source + 1) % nodes)), torch.randn(nodes, 2)


@pytest.mark.parametrize("layers", [1, 2, 3, 4])
def test_a_layer_reaches_one_step_along_the_edges(layers: int) -> None:
    edges, attributes = ring(8)
    node = torch.randn(8, 32, requires_grad=True)
    build(layers)(node, edges, attributes)[7].square().sum().backward()
    assert node.grad is not None
    reached = node.grad.abs().amax(1) > 0
    assert reached.tolist() == [7 - i <= layers for i in range(8)]


def test_a_new_layer_hardly_moves_a_state() -> None:
    edges = torch.randint(0, 100, (2, 2000))
    node = torch.randn(100, 32)
    change = build()(node, edges, torch.rand(2000, 2)) - node
    assert 0 < change.std() < 0.3


@pytest.mark.parametrize("neighbours", [0, 10])
def test_no_edges_give_finite_states_and_gradients(neighbours: int) -> None:
    block, node = build(2), torch.randn(5, 32)
    state = block(node, torch.zeros(2, 0, dtype=torch.int64), torch.zeros(0, 2), neighbours)
    state.square().sum().backward()
    assert state.isfinite().all()
    assert all(p.grad is None or p.grad.isfinite().all() for p in block.parameters())


def test_a_common_move_of_the_neighbours_arrives_whole() -> None:
    # Twenty neighbours that agree change a state as one such neighbour would: messages are means, not sums.
    block = build()
    center, move = torch.randn(1, 32), torch.randn(1, 32)
    many = torch.cat((center, move.expand(20, -1)))
    edges = torch.stack((torch.arange(1, 21), torch.zeros(20, dtype=torch.int64)))
    one = block(torch.cat((center, move)), edges[:, :1].clamp(max=1), torch.ones(1, 2))
    torch.testing.assert_close(block(many, edges, torch.ones(20, 2))[0], one[0], atol=1e-5, rtol=1e-4)


def test_the_edges_features_change_the_state() -> None:
    block, node = build(), torch.randn(9, 32)
    edges = torch.stack((torch.arange(1, 9), torch.zeros(8, dtype=torch.int64)))
    plain = block(node, edges, torch.zeros(8, 2))[0]
    tilted = block(node, edges, torch.linspace(-3, 3, 16).reshape(8, 2))[0]
    assert not torch.allclose(plain, tilted)


def test_every_parameter_gets_a_gradient() -> None:
    block, node = build(2), torch.randn(30, 32)
    block(node, torch.randint(0, 30, (2, 200)), torch.randn(200, 2)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in block.parameters())


def test_dropped_edges_are_dropped_in_training_only() -> None:
    block, node = build(dropout=0.5), torch.randn(30, 32)
    edges, attributes = torch.randint(0, 30, (2, 200)), torch.randn(200, 2)
    assert not torch.equal(block(node, edges, attributes), block(node, edges, attributes))
    block.eval()
    assert torch.equal(block(node, edges, attributes), block(node, edges, attributes))


@pytest.mark.parametrize("edges", [0, 12])
def test_the_weights_of_a_stocks_neighbours_sum_to_one_and_decide_its_state(edges: int) -> None:
    block, node = build(2).eval(), torch.randn(5, 32)
    ends = torch.randint(0, 5, (2, edges))
    given = (node, ends, torch.randn(edges, 2))
    state, weights = block(*given), block.attention(*given)
    assert weights.shape == (2, edges, block.messages[0].heads)
    total = torch.zeros(5, 2, block.messages[0].heads).index_add_(0, ends[1], weights.transpose(0, 1))
    torch.testing.assert_close(total[ends[1].unique()], torch.ones_like(total[ends[1].unique()]))
    if edges:
        # Silencing the neighbour that counts most moves the state.
        loudest = int(weights[0].mean(-1).argmax())
        keep = torch.arange(edges) != loudest
        without = block(node, ends[:, keep], given[2][keep])
        assert not torch.allclose(without[ends[1, loudest]], state[ends[1, loudest]])


@pytest.mark.parametrize("bytecode", ["", pytest.param("1", marks=pytest.mark.slow)])
def test_a_process_leaves_no_file_of_the_layer_behind(tmp_path: Path, bytecode: str) -> None:
    script = "from atft.nn.graph_attention import GraphAttention; GraphAttention(8, 2, 0.0)"
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONDONTWRITEBYTECODE": bytecode}
    subprocess.run([sys.executable, "-W", "ignore", "-c", script], env=environment, check=True)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
