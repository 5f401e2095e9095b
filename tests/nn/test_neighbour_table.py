"""A table of neighbours has each edge once, in the row of the node in which it ends."""

import pytest
import torch

from atft.nn.neighbour_table import neighbour_table


@pytest.mark.parametrize("seed", range(3))
def test_each_node_has_its_edges_in_the_order_in_which_they_came(seed: int) -> None:
    torch.manual_seed(seed)
    nodes, edge_index = 9, torch.randint(9, (2, 40))
    edge_attr = torch.randn(40, 2)
    width = int(edge_index[1].bincount().max()) + seed
    table = neighbour_table(edge_index, edge_attr, nodes, width)
    for node in range(nodes):
        edges = (edge_index[1] == node).nonzero()[:, 0]
        assert table.linked[node].tolist() == [1.0] * len(edges) + [0.0] * (width - len(edges))
        assert torch.equal(table.source[node, : len(edges)], edge_index[0, edges])
        assert torch.equal(table.attributes[node, : len(edges)], edge_attr[edges])
        assert (table.source[node, len(edges) :] == node).all()
        assert not table.attributes[node, len(edges) :].any()


def test_edges_beyond_the_width_are_left_out() -> None:
    edge_index = torch.tensor([[0, 1, 2, 3], [1, 1, 1, 0]])
    table = neighbour_table(edge_index, torch.ones(4, 2), nodes=4, width=2)
    assert table.source.tolist() == [[3, 0], [0, 1], [2, 2], [3, 3]]
    assert table.linked.tolist() == [[1, 0], [1, 1], [0, 0], [0, 0]]


def test_no_edge_gives_an_empty_table() -> None:
    table = neighbour_table(torch.empty(2, 0, dtype=torch.int64), torch.empty(0, 2), nodes=3, width=2)
    assert not table.linked.any() and table.source.tolist() == [[0, 0], [1, 1], [2, 2]]
