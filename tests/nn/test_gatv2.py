"""GATv2 has torch-geometric's parameters, draws, outputs and gradients, bit for bit."""

import pytest
import torch

from atft.nn.gatv2 import GATv2, edge_softmax

WIDTH, HEADS, EDGE = 16, 4, 2


@pytest.mark.parametrize(("edges", "dropout"), [(0, 0.0), (300, 0.0), (300, 0.4)])
@pytest.mark.filterwarnings("ignore:.*torch.jit.script.*:DeprecationWarning")
def test_the_layer_is_torch_geometrics(edges: int, dropout: float) -> None:
    from torch_geometric.nn import GATv2Conv

    torch.manual_seed(3)
    other = GATv2Conv(WIDTH, WIDTH // HEADS, HEADS, edge_dim=EDGE, dropout=dropout, add_self_loops=False)
    drawn = torch.rand(1)
    torch.manual_seed(3)
    layer = GATv2(WIDTH, WIDTH // HEADS, HEADS, EDGE, dropout)
    assert torch.rand(1) == drawn
    ours, theirs = dict(layer.named_parameters()), dict(other.named_parameters())
    assert list(ours) == list(theirs)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    node = torch.randn(40, WIDTH)
    ends, attributes = torch.randint(0, 30, (2, edges)), torch.randn(edges, EDGE)
    torch.manual_seed(5)
    one = node.clone().requires_grad_()
    state, weight = layer(one, ends, attributes)
    torch.manual_seed(5)
    two = node.clone().requires_grad_()
    expected, (_, attention) = other(two, ends, attributes, return_attention_weights=True)
    assert torch.equal(state, expected) and torch.equal(weight, attention)
    state.square().sum().backward()
    expected.square().sum().backward()
    assert one.grad is not None and two.grad is not None and torch.equal(one.grad, two.grad)
    for name, parameter in ours.items():
        grad = theirs[name].grad
        assert (parameter.grad is None) == (grad is None)
        assert grad is None or torch.equal(parameter.grad, grad), name


def test_weights_of_the_edges_of_a_node_are_a_softmax() -> None:
    logit, destination = torch.randn(50, 3), torch.randint(0, 7, (50,))
    weight = edge_softmax(logit, destination, torch.empty(7, 1))
    for node in range(7):
        there = destination == node
        torch.testing.assert_close(weight[there], torch.softmax(logit[there], dim=0))
