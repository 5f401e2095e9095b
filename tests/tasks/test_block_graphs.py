"""Replayed blocks train as plain ones do; on a CPU the work is repeated where a GPU replays a graph of it."""

import copy
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from atft.batch import DayBatch
from atft.callbacks.guards.non_finite import NonFiniteGuard
from atft.callbacks.guards.spike import SpikeGuard
from atft.callbacks.record.messages import EpochLine
from atft.losses.objective import ObjectiveOptions
from atft.tasks.block_graphs import BlockGraphs
from atft.tasks.ranking import RankingTask
from small_task import IN_MEMORY, fit, small_task

pytestmark = IN_MEMORY


def repeat(work: Callable[[], None]) -> Callable[[], None]:
    """Stand in for a CUDA graph: fixed inputs, the same work each time."""
    return work


def task(graphs: bool, capture: Callable[..., Any] = repeat, **changes: Any) -> RankingTask:
    given: dict[str, Any] = {
        "objective": ObjectiveOptions(terms={"ic": 0.7, "sharpe": 0.3}),
        "gradient_clip": 1.0,
        **changes,
    }
    made = small_task(cuda_graphs=graphs, **given)
    made.block_graphs = BlockGraphs(graphs, "cpu", capture)
    return made


@pytest.fixture
def blocks(make_batch: Callable[..., DayBatch]) -> list[DayBatch]:
    """Six blocks of two padded sizes, each within a step and at its end."""
    given = [make_batch(stocks=s, seed=i) for i, s in enumerate((17, 25, 18, 17, 25, 19))]
    edges = min(len(b.edge_attr) for b in given) // 16 * 16 - 1  # few enough for one padded size
    return [
        b._replace(
            weight=b.weight / 2,
            closes_step=i % 2 == 1,
            position=i,
            edge_index=b.edge_index[:, : edges - i % 3],
            edge_attr=b.edge_attr[: edges - i % 3],
        )
        for i, b in enumerate(given)
    ]


def test_weights_moments_and_metrics_are_those_of_plain_blocks(
    blocks: list[DayBatch], tmp_path: Path
) -> None:
    plain, replayed = task(False), task(True)
    runs = [fit(t, blocks, tmp_path, NonFiniteGuard(), SpikeGuard(), max_epochs=2) for t in (plain, replayed)]
    assert len(replayed.block_graphs._graphs) == 4 and not replayed.block_graphs.failure
    assert not plain.block_graphs._graphs
    torch.testing.assert_close(replayed.state_dict(), plain.state_dict(), rtol=1e-4, atol=1e-6)
    expected = {n: v for n, v in runs[0].callback_metrics.items() if n.startswith("train/")}
    assert expected.keys() == {n for n in runs[1].callback_metrics if n.startswith("train/")}
    for name, value in expected.items():
        torch.testing.assert_close(runs[1].callback_metrics[name], value, rtol=1e-4, atol=1e-5, msg=name)


def test_a_parameter_that_gets_no_gradient_gets_none_from_a_graph(
    blocks: list[DayBatch], tmp_path: Path
) -> None:
    from atft.nn.atft_gat_fan import ATFTGATFAN
    from small_task import SIZES

    decaying = partial(torch.optim.AdamW, lr=1e-2)
    replayed = task(True, optimizer=decaying, network=partial(ATFTGATFAN, quantiles=[0.1, 0.9], **SIZES))
    before = replayed.network.heads.quantile.weight.clone()
    fit(replayed, blocks, tmp_path, max_epochs=2)
    assert torch.equal(replayed.network.heads.quantile.weight, before)  # not even decayed


def test_other_term_weights_are_captured_anew(blocks: list[DayBatch], tmp_path: Path) -> None:
    captured = []

    def counted(work: Callable[[], None]) -> Callable[[], None]:
        captured.append(work)
        return work

    replayed = task(True, counted)
    fit(replayed, blocks, tmp_path)
    first = len(captured)
    replayed.objective.set_weights({"ic": 0.1})
    fit(replayed, blocks, tmp_path)
    assert len(captured) == 2 * first > 0


def test_a_network_that_cannot_be_captured_trains_as_usual_and_says_why(
    blocks: list[DayBatch], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def forbidden(work: Callable[[], None]) -> Callable[[], None]:
        raise RuntimeError("operation not permitted when stream is capturing\nmore")

    plain, tried = task(False), task(True, forbidden)
    for each in (plain, tried):
        fit(each, blocks, tmp_path, EpochLine(), max_epochs=2)
    assert capsys.readouterr().err.count("warning: no CUDA graphs") == 1
    assert tried.block_graphs.failure == "operation not permitted when stream is capturing"
    for name, value in plain.state_dict().items():
        assert torch.equal(tried.state_dict()[name], value), name


def test_a_copied_task_has_graphs_of_its_own() -> None:
    original = task(True)
    original.block_graphs.failure = "x"
    assert copy.deepcopy(original).block_graphs.failure == ""
