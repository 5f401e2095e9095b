"""A stock explained: exact for a linear network, complete for the tiny run's, silent on nothing that is missing."""

from collections.abc import Callable
from datetime import date
from typing import Any

import polars as pl
import pytest
import torch

from atft.explain.explain_stock import explain_stock
from atft.explain.median_stock import median_window
from atft.explain.one_day import day_to_explain
from atft.explain.stock_explanation import StockExplanation

DAY = "2015-04-17"


@pytest.fixture(scope="module")
def found(tiny: Any) -> StockExplanation:
    batch = tiny.data.block_of_day(day_to_explain(tiny.data, DAY))
    first = int(batch.edge_index[1, 0])
    code = tiny.data.open_cache().codes[int(batch.stock[first])]
    return explain_stock(tiny.task, tiny.data, code, DAY, 5)


def test_features_days_and_the_gap_sum_to_the_difference_of_the_scores(found: StockExplanation) -> None:
    by_feature = sum(part.attribution for part in found.features)
    assert by_feature + found.gap == pytest.approx(found.difference, abs=1e-5)
    assert sum(part.attribution for part in found.days) == pytest.approx(by_feature, abs=1e-5)
    sizes = [abs(part.attribution) for part in found.features]
    assert sizes == sorted(sizes, reverse=True) and len(found.features) == 6
    assert len(found.days) == 6 and str(found.days[-1].date) == DAY == str(found.date)
    assert sum(part.attention or 0 for part in found.days) == pytest.approx(1, abs=1e-5)


def test_a_day_is_named_by_a_date_too(found: StockExplanation, tiny: Any) -> None:
    again = explain_stock(tiny.task, tiny.data, found.code, date.fromisoformat(DAY), 5)
    assert (again.date, again.score, again.features) == (found.date, found.score, found.features)


def test_rank_and_weights_are_those_of_the_whole_day(found: StockExplanation, tiny: Any) -> None:
    batch, codes = (
        tiny.data.block_of_day(day_to_explain(tiny.data, DAY)),
        tiny.data.open_cache().codes,
    )
    place = [codes[i] for i in batch.stock.tolist()].index(found.code)
    tiny.task.eval()
    with torch.no_grad():
        score = tiny.task(batch).score[0, :, 1]
        looks = tiny.task.network.explain(batch)
    assert found.rank == 1 + int((score > score[place]).sum()) and found.stocks == len(score)
    assert found.score == pytest.approx(float(score[place]), abs=1e-6) and found.horizon == 5
    arriving = (batch.edge_index[1] == place).nonzero()[:, 0]
    weights = {
        codes[int(batch.stock[batch.edge_index[0, e]])]: float(looks.neighbours.mean((0, 2))[e])
        for e in arriving
    }
    assert {n.code: n.weight for n in found.neighbours} == pytest.approx(weights, abs=1e-5)
    assert sum(weights.values()) == pytest.approx(1, abs=1e-5) and found.left_out == []


def test_the_score_is_that_of_the_runs_predictions(found: StockExplanation, tiny_run: Any) -> None:
    rows = pl.read_parquet(tiny_run.directory / "predictions.parquet").filter(
        pl.col("date") == found.date, pl.col("horizon") == 5
    )
    scores = dict(zip(rows["code"], rows["score"], strict=True))
    assert found.score == pytest.approx(scores[found.code], abs=1e-6)
    assert len(set(scores.values())) == found.stocks == len(rows)


def test_of_a_linear_network_each_part_is_the_weight_times_the_distance_from_the_median(
    weighted: Callable[..., Any],
) -> None:
    task, data = weighted()
    batch = data.block_of_day(day_to_explain(data, DAY))
    place = 3
    found = explain_stock(task, data, data.open_cache().codes[int(batch.stock[place])], DAY)
    x, median = batch.features[-1, place], median_window(batch)[-1, 0]
    expected = (task.network.weight * (x - median)).nan_to_num(nan=0.0).tolist()
    assert {p.name: p.attribution for p in found.features} == pytest.approx(
        dict(zip(data.features, expected, strict=True)), abs=1e-5
    )
    assert found.is_complete and found.days == [] and found.neighbours == [] and found.horizon == 1
    assert found.left_out == [
        "no days of the window: the score depends on the stock's last row only",
        "no neighbours: the score does not depend on the graph",
    ]


def test_what_a_neighbour_does_shows_without_the_networks_own_weights(weighted: Callable[..., Any]) -> None:
    task, data = weighted(social=True)
    batch, codes = data.block_of_day(day_to_explain(data, DAY)), data.open_cache().codes
    place = int(batch.edge_index[1, 0])
    found = explain_stock(task, data, codes[int(batch.stock[place])], DAY)
    own = (batch.features[-1].nan_to_num(nan=0.0) @ task.network.weight).tolist()
    sources = batch.edge_index[0, batch.edge_index[1] == place].tolist()
    mean = sum(own[s] for s in sources) / len(sources)
    others = [s for s in sources if s != sources[0]]
    without = sum(own[s] for s in others) / max(len(others), 1)
    effects = {n.code: n.effect for n in found.neighbours}
    assert effects[codes[int(batch.stock[sources[0]])]] == pytest.approx(0.1 * (mean - without), abs=1e-4)
    assert all(n.weight is None for n in found.neighbours)
    assert "no weights of neighbours: the network has no attention over the graph" in found.left_out
