"""Means count observed rows, ranked stocks and true edges; titles give the result."""

from collections.abc import Callable

import pytest
import torch

from atft.batch import DayBatch
from atft.callbacks.figures.explanation import (
    CORRELATION_BINS,
    DEGREES,
    SHOWN_FEATURES,
    attention_figure,
    attention_sums,
    graph_figure,
    graph_sums,
    selection_figure,
    selection_sums,
)

MakeBatch = Callable[..., DayBatch]


def test_selection_weights_are_means_over_the_observed_rows(make_batch: MakeBatch) -> None:
    batch = make_batch(missing=0.3)
    weights = torch.rand(batch.features.shape).softmax(-1)
    sums = selection_sums(weights, batch)
    torch.testing.assert_close((sums[:-1] / sums[-1]).float(), weights[batch.observed].mean(0))
    damaged = weights.masked_fill(~batch.observed[..., None], 9.0)
    torch.testing.assert_close(selection_sums(damaged, batch), sums)


def test_the_heaviest_features_stand_on_top_with_their_names() -> None:
    share = torch.arange(1, 31).double() / torch.arange(1, 31).sum()
    (axis,) = selection_figure(
        torch.cat((4 * share, torch.tensor([4.0]))), [f"x_{i}" for i in range(30)]
    ).axes
    labels = [label.get_text() for label in axis.get_yticklabels()]
    assert labels == [f"x_{i}" for i in range(30 - SHOWN_FEATURES, 30)]
    widths = [bar.get_width() for bar in axis.patches]
    assert widths == sorted(widths) and widths[-1] == pytest.approx(100 * 30 / 465)
    assert axis.get_title() == "the first 3 of 30 features have 19 %"


def test_attention_is_the_mean_over_the_ranked_stock_days(make_batch: MakeBatch) -> None:
    batch = make_batch(missing=0.3)
    weights = torch.rand(*batch.universe.shape, 2, batch.lookback).softmax(-1)
    sums = attention_sums(weights, batch)
    torch.testing.assert_close((sums[:, :-1] / sums[:, -1:]).float(), weights[batch.universe].mean(0))


def test_the_attention_figure_runs_to_the_scored_day_and_says_where_half_of_it_is() -> None:
    weights = torch.tensor([[0.1, 0.2, 0.3, 0.4], [0.3, 0.3, 0.2, 0.2]])
    (axis,) = attention_figure(torch.cat((8 * weights, torch.full((2, 1), 8.0)), 1)).axes
    assert list(axis.lines[2].get_xdata()) == [3, 2, 1, 0]
    assert list(axis.lines[2].get_ydata()) == pytest.approx([20, 25, 25, 30])
    assert axis.get_title() == "half of the attention is on the last 2 of 4 days"


def test_degrees_count_the_ranked_stocks_and_equal_weights_are_one_share(make_batch: MakeBatch) -> None:
    batch = make_batch(edges_per_stock=4)
    receiver = batch.edge_index[1]
    degree = torch.bincount(receiver, minlength=batch.universe.numel())
    alike = (1 / degree[receiver])[None, :, None].expand(2, -1, 3)
    sums = graph_sums(alike, batch)
    expected = torch.bincount(degree[batch.universe.flatten()], minlength=DEGREES).double()
    torch.testing.assert_close(sums["degrees"], expected)
    assert float(sums["neighbour_weights"][1].sum()) == len(receiver)
    known = sums["neighbour_weights"][1] > 0
    torch.testing.assert_close(
        sums["neighbour_weights"][0][known] / sums["neighbour_weights"][1][known],
        torch.ones(int(known.sum())).double(),
    )


def test_a_neighbour_that_takes_all_counts_as_many_times_as_there_are_neighbours(
    make_batch: MakeBatch,
) -> None:
    batch = make_batch(days=1, stocks=5)
    edges, features = torch.tensor([[0, 1, 2, 3], [4, 4, 4, 4]]), torch.tensor([0.95, 0.1, 0.1, 0.1])
    batch = batch._replace(edge_index=edges, edge_attr=torch.stack((features, features), 1))
    weights = torch.tensor([1.0, 0, 0, 0])[None, :, None]
    sums = graph_sums(weights, batch)
    assert float(sums["neighbour_weights"][0, -1]) == 4 and float(sums["neighbour_weights"][0].sum()) == 4
    left, right = graph_figure(sums["degrees"], sums["neighbour_weights"]).axes
    assert right.get_title() == "weight 0.0 to 4.0 x an equal share"
    ranked = int(batch.universe.sum())
    assert (
        left.get_title() == f"mean {4 / ranked:.1f} neighbours, {100 * (ranked - 1) / ranked:.0f} % without"
    )


def test_a_block_without_edges_says_so_and_a_stock_of_many_neighbours_is_drawn(make_batch: MakeBatch) -> None:
    batch = make_batch(edges_per_stock=0)
    sums = graph_sums(torch.zeros(1, 0, 1), batch)
    (axis,) = graph_figure(sums["degrees"], sums["neighbour_weights"]).axes
    assert [text.get_text() for text in axis.texts] == ["the graph has no edge on these days"]
    assert not axis.patches
    ends = torch.arange(DEGREES + 10) % batch.universe.numel()
    many = batch._replace(
        universe=torch.ones_like(batch.universe),
        edge_index=torch.stack((ends, torch.zeros_like(ends))),
        edge_attr=torch.ones(len(ends), 2),
    )
    sums = graph_sums(torch.full((1, len(ends), 1), 1 / len(ends)), many)
    assert float(sums["degrees"][-1]) == 1
    assert float(sums["neighbour_weights"][0, CORRELATION_BINS - 1]) == pytest.approx(len(ends))
