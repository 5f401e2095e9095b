"""A program of one day has the inputs that its network reads, and no others."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from atft.batch import DayBatch, Forecast
from atft.errors import InputError
from atft.export.formats import load_program, write_program
from atft.export.one_day import OneDay, input_names, inputs_of_day, trace_inputs
from networks import NETWORKS, small_network

ROW, EDGES = ("features", "observed", "universe"), ("edge_index", "edge_attr")


class OwnNetwork(nn.Module):
    """A network of a user's, of which a test gives the score."""

    horizons, quantiles = (1, 5), ()

    def __init__(self, score: Callable[[DayBatch], Tensor]) -> None:
        super().__init__()
        self.score = score

    def forward(self, batch: DayBatch) -> Forecast:
        return Forecast(self.score(batch)[..., None].expand(*batch.universe.shape, 2))


@pytest.mark.parametrize("name", NETWORKS)
def test_the_inputs_are_those_that_the_network_reads(make_batch: Callable[..., DayBatch], name: str) -> None:
    names = input_names(small_network(name).eval(), make_batch(days=1))
    graph = EDGES if name.startswith("ATFTGATFAN") else ()
    market = ("regime",) if "modulated" in name or name in ("MASTER", "MASTER-piecewise-linear") else ()
    assert names == (*ROW, *graph, *market)


@pytest.mark.parametrize("name", ["ATFTGATFAN-modulated", "MASTER", "TabM"])
def test_a_program_of_one_day_scores_as_the_network_does(
    make_batch: Callable[..., DayBatch], name: str
) -> None:
    network, batch = small_network(name).eval(), make_batch(days=1)
    names = input_names(network, batch)
    with torch.no_grad():
        program = OneDay(network)
        ours, theirs = program(**inputs_of_day(batch, names)), program.results(network(batch))
    # To the bit but for a graph, whose messages a program sums over edges.
    assert list(ours) == list(theirs)
    for key in theirs:
        torch.testing.assert_close(
            ours[key], theirs[key], atol=1e-6 if name.startswith("ATFT") else 0, rtol=0
        )
    assert ours["score"].shape == (17, 2)


def test_a_program_of_a_network_in_float64_returns_float32(make_batch: Callable[..., DayBatch]) -> None:
    double = OwnNetwork(lambda batch: batch.features[-1:].nan_to_num().double().sum(-1))
    batch = make_batch(days=1)
    score = OneDay(double)(**inputs_of_day(batch, ROW))["score"]
    assert score.dtype == torch.float32 and torch.equal(score, double(batch).score[0].float())


def test_a_network_that_copies_the_batch_gets_all_inputs_and_one_that_reads_targets_is_an_error(
    make_batch: Callable[..., DayBatch],
) -> None:
    batch = make_batch(days=1)
    copied = OwnNetwork(lambda b: b._replace(position=3).features[-1:, :, 0])
    assert input_names(copied, batch) == (*ROW, *EDGES, "regime", "sector", "exposure")
    with pytest.raises(InputError, match=r"^OwnNetwork reads batch\.target, which a one-day program lacks"):
        input_names(OwnNetwork(lambda b: b.target[..., 0].nan_to_num()), batch)
    sectors = OwnNetwork(lambda b: b.sector.float() + b.exposure.sum(-1))
    assert input_names(sectors, batch) == (*ROW, "sector", "exposure")
    # Edges and what is known of them come together.
    ends = OwnNetwork(lambda b: b.features[-1:, :, 0] + b.edge_index.sum())
    assert input_names(ends, batch) == (*ROW, *EDGES)


@pytest.mark.parametrize(
    ("score", "message"),
    [
        (lambda b: torch.zeros(1, len(b.features[0])), r"write x\.shape\[0\] for len\(x\)"),
        (
            lambda b: b.features[-1:, :, 0] * (2 if b.observed.any() else 3),
            "branches on the values of tensors",
        ),
        (lambda b: torch.from_numpy(b.features[-1:, :, 0].numpy()), "cannot be exported: "),
    ],
)
def test_what_torch_cannot_follow_is_one_line(
    make_batch: Callable[..., DayBatch], score: Callable[[DayBatch], Tensor], message: str
) -> None:
    network, batch = OwnNetwork(score), make_batch(days=1)
    with pytest.raises(InputError, match=message) as caught:
        write_program(OneDay(network), trace_inputs(batch, ROW), ["score"], "pt2")
    assert "\n" not in str(caught.value) and str(caught.value).startswith("OwnNetwork cannot be exported: ")
    assert len(str(caught.value)) < 200


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["pt2", "onnx"])
@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_is_exported_for_any_number_of_stocks_and_edges(
    make_batch: Callable[..., DayBatch], name: str, kind: str
) -> None:
    compare(make_batch, small_network(name).eval(), kind)


def test_an_ensemble_that_ranks_is_exported_for_any_number_of_stocks(
    make_batch: Callable[..., DayBatch],
) -> None:
    # With graph, recurrence and ONNX: test_checked_program.py. All networks in both formats: the slow test above.
    compare(make_batch, small_network("TabM-piecewise-linear").eval(), "pt2")


def test_intervals_are_results_where_all_their_widths_are_known(make_batch: Callable[..., DayBatch]) -> None:
    network, batch = small_network("MASTER", quantiles=[0.1, 0.5, 0.9]).eval(), make_batch(days=1)
    names, widths = input_names(network, batch), {1: [0.25], 5: [-0.125]}
    with torch.no_grad():
        results = OneDay(network, widths)(**inputs_of_day(batch, names))
        assert "intervals" not in OneDay(network, {1: [0.25], 5: [torch.inf]}).results(network(batch))
    moved = torch.stack((results["quantiles"][..., 0], results["quantiles"][..., 2]), dim=-1)
    for i, width in enumerate((0.25, -0.125)):
        by = torch.tensor([-width, width])
        torch.testing.assert_close(results["intervals"][:, i, 0], moved[:, i] + by)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["pt2", "onnx"])
def test_quantiles_and_intervals_are_exported(make_batch: Callable[..., DayBatch], kind: str) -> None:
    network = small_network("ATFTGATFAN-modulated", quantiles=[0.05, 0.25, 0.5, 0.75, 0.95]).eval()
    compare(make_batch, network, kind, {1: [0.2, 0.1], 5: [0.3, -0.1]})


def compare(
    make_batch: Callable[..., DayBatch],
    network: Any,
    kind: str,
    widths: dict[int, list[float]] | None = None,
) -> None:
    """Export a network and compare it on days of other sizes than the one it was traced with."""
    batch = make_batch(days=1)
    names = input_names(network, batch)
    with torch.no_grad():
        program = OneDay(network, widths)
        results = list(program.results(network(batch)))
    run = load_program(write_program(program, trace_inputs(batch, names), results, kind), kind)
    for stocks, edges in ((3, 0), (3, 2), (8, 4), (60, 20)):
        day = make_batch(days=1, stocks=stocks, edges_per_stock=edges, seed=stocks)
        day.features[-1, 0, 0] = torch.inf
        with torch.no_grad():
            expected = program.results(network(day))
        found = run(inputs_of_day(day, names))
        assert list(found) == list(expected)
        for key, value in expected.items():
            torch.testing.assert_close(found[key], value, rtol=0, atol=1e-5, msg=f"{key} of {stocks} stocks")
