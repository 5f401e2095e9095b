"""MASTER against a slow twin in plain loops; what its gate reads and what its attention must not see."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch

from atft.batch import DayBatch
from atft.errors import InputError
from atft.network import Scaling
from atft.nn.master import MASTER, AttentionLayer, positions
from networks import inputs_of, scores

MakeBatch = Callable[..., DayBatch]


@torch.no_grad()
def build(features: int = 5, **options: Any) -> MASTER:
    """A network whose parameters have all moved, a gate that starts at 1 too."""
    torch.manual_seed(0)
    inputs = inputs_of(features, regimes=("regime_0", "regime_1"))
    network = MASTER(inputs, **{"hidden_size": 32, "gate_temperature": 0.5, **options})
    for parameter in network.parameters():
        parameter += 0.1 * torch.randn_like(parameter)
    return network.eval()


def softmax(logits: list[float]) -> list[float]:
    powers = [math.exp(x - max(logits)) for x in logits]
    return [p / sum(powers) for p in powers]


def slow_layer(
    layer: AttentionLayer, rows: dict[Any, torch.Tensor], reads: dict[Any, list[Any]]
) -> dict[Any, torch.Tensor]:
    """A transformer layer row by row: ``reads`` names the rows that each row attends to."""
    normed = {place: layer.norm(x) for place, x in rows.items()}
    query_key_value = layer.query_key_value.weight.chunk(3)
    width = len(query_key_value[0]) // layer.heads
    output = {}
    for place, y in normed.items():
        answer = []
        for head in range(layer.heads):
            query, key, value = (m[head * width : (head + 1) * width] for m in query_key_value)
            others = [normed[other] for other in reads[place]]
            weight = softmax([float((query @ y) @ (key @ x)) / width**0.5 for x in others])
            answer.append(
                sum((w * (value @ x) for w, x in zip(weight, others, strict=True)), torch.zeros(width))
            )
        z = layer.norm_sum(y + torch.cat(answer))
        first, second = layer.mlp[0], layer.mlp[3]
        output[place] = z + second(first(z).relu())
    return output


@torch.no_grad()
def slow_day(network: MASTER, batch: DayBatch) -> dict[int, tuple[torch.Tensor, list[float]]]:
    """Score and window weights of each stock of a block's only day, one stock and one step at a time."""
    lookback, stocks = batch.observed.shape
    encoded = network.encoding(network.scaling(batch.features, batch.observed))
    logits = (network.gate.weight @ batch.regime[0] + network.gate.bias) / network.gate.temperature
    gate = 5 * torch.tensor(softmax(logits.tolist()))
    place = positions(lookback, 32, torch.device("cpu"))
    seen = [(t, s) for t in range(lookback) for s in range(stocks) if batch.observed[t, s]]
    rows = {(t, s): network.embedding((gate * encoded[t, s]).flatten()) + place[t] for t, s in seen}
    rows = slow_layer(network.intra_stock, rows, {p: [q for q in seen if q[1] == p[1]] for p in seen})
    ranked = [(t, s) for t, s in seen if batch.universe[0, s]]
    rows = {p: rows[p] for p in ranked}
    rows = slow_layer(network.inter_stock, rows, {p: [q for q in ranked if q[0] == p[0]] for p in ranked})
    result = {}
    for stock in {s for _, s in ranked}:
        states = [rows[p] for p in ranked if p[1] == stock]
        weight = softmax([float(z @ network.summary.query(states[-1])) for z in states])
        summary = sum((w * z for w, z in zip(weight, states, strict=True)), torch.zeros(32))
        result[stock] = (network.heads.score(network.heads.layer_scale * summary), weight)
    return result


@pytest.mark.parametrize("encoding", ["none", "piecewise_linear"])
def test_a_day_is_scored_as_by_plain_loops(make_batch: MakeBatch, encoding: str) -> None:
    network, batch = build(encoding=encoding), make_batch(days=1, stocks=9, missing=0.3)
    assert network.intra_stock.heads == 2
    slow = slow_day(network, batch)
    score, attention = scores(network, batch), network.explain(batch).attention
    assert len(slow) == int(batch.universe.sum()) and not batch.observed.all()
    for stock, (expected, weight) in slow.items():
        torch.testing.assert_close(score[0, stock], expected, atol=1e-4, rtol=1e-4)
        days = batch.observed[:, stock]
        torch.testing.assert_close(attention[0, stock, 0, days], torch.tensor(weight), atol=1e-4, rtol=1e-4)
        assert (attention[0, stock, 0, ~days] == 0).all()


def test_a_stock_outside_the_universe_is_read_by_no_other(make_batch: MakeBatch) -> None:
    network, batch = build(), make_batch(days=2, missing=0.2)
    outside = (~batch.universe).nonzero()
    assert len(outside) > 1
    for day, stock in outside.tolist():
        features = batch.features.clone()
        features[:, stock] += 1
        ranked = batch.universe[day].clone()
        after = scores(network, batch._replace(features=features))[day, ranked]
        assert torch.equal(after, scores(network, batch)[day, ranked])


def test_a_stock_of_the_universe_is_read_by_the_others(make_batch: MakeBatch) -> None:
    network, batch = build(), make_batch(days=1, missing=0.0)
    features = batch.features.clone()
    features[:, 3] += 1
    change = scores(network, batch._replace(features=features)) - scores(network, batch)
    assert (change.abs().amax(2) > 1e-5).all()


def test_a_score_depends_on_every_day_of_its_window(make_batch: MakeBatch) -> None:
    network, batch = build(), make_batch(days=1, missing=0.0)
    features = batch.features.requires_grad_()
    network(batch._replace(features=features)).score.sum().backward()
    assert (features.grad.abs().amax((1, 2)) > 1e-6).all()


def test_the_order_of_the_windows_days_matters(make_batch: MakeBatch) -> None:
    network, batch = build(), make_batch(days=1, missing=0.0)
    swapped = batch.features[[1, 0, *range(2, batch.lookback)]]
    assert not torch.allclose(
        scores(network, batch._replace(features=swapped)), scores(network, batch), atol=1e-5
    )


def test_positions_are_those_of_the_paper() -> None:
    table = positions(4, 6, torch.device("cpu"))
    for day in range(4):
        for pair in range(3):
            angle = day / 10_000 ** (2 * pair / 6)
            assert table[day, 2 * pair] == pytest.approx(math.sin(angle), abs=1e-6)
            assert table[day, 2 * pair + 1] == pytest.approx(math.cos(angle), abs=1e-6)
    assert positions(3, 7, torch.device("cpu")).shape == (3, 7)


def test_a_new_gate_weighs_all_features_alike_and_so_does_none(make_batch: MakeBatch) -> None:
    inputs, batch = inputs_of(regimes=("regime_0", "regime_1")), make_batch()
    torch.manual_seed(0)
    gated = MASTER(inputs, hidden_size=16)
    without = MASTER(inputs, hidden_size=16, gate="none")
    without.load_state_dict({n: w for n, w in gated.state_dict().items() if not n.startswith("gate")})
    torch.testing.assert_close(scores(gated, batch), scores(without, batch), atol=1e-5, rtol=1e-5)
    assert without.reads == without.parts == {} and "gate" not in without.parameter_groups()
    assert gated.reads == {"gate": "regime"} and len(gated.parameter_groups()["gate"]) == 2


def test_the_gate_weighs_each_days_window_by_that_days_market(make_batch: MakeBatch) -> None:
    network, batch = build(), make_batch(days=2, missing=0.0)
    regime = batch.regime.clone()
    regime[0] += 1
    before, after = scores(network, batch), scores(network, batch._replace(regime=regime))
    assert torch.equal(before[1], after[1]) and not torch.allclose(before[0], after[0], atol=1e-4)


def test_a_lower_temperature_selects_fewer_features(make_batch: MakeBatch) -> None:
    batch = make_batch()
    strongest = [
        build(gate_temperature=t).explain(batch).selection.max().item() for t in (1e6, 1.0, 0.1, 0.001)
    ]
    assert strongest == sorted(strongest) and strongest[0] == pytest.approx(1 / 5, abs=1e-4)
    assert strongest[-1] == pytest.approx(1, abs=0.05)


def test_the_market_is_scaled_by_its_training_days_and_unknown_is_its_median(make_batch: MakeBatch) -> None:
    network, batch = build(), make_batch()
    zero = torch.zeros(5)
    network.set_scaling(Scaling(zero, zero + 1, torch.tensor([3.0, -1.0]), torch.tensor([2.0, 0.0])))
    moved = batch._replace(regime=batch.regime * torch.tensor([2.0, 1.0]) + torch.tensor([3.0, -1.0]))
    torch.testing.assert_close(scores(network, moved), scores(build(), batch), atol=1e-5, rtol=1e-4)
    unknown = batch._replace(regime=torch.full_like(batch.regime, torch.nan))
    median = batch._replace(regime=torch.tensor([3.0, -1.0]).expand_as(batch.regime))
    assert torch.equal(scores(network, unknown), scores(network, median))


def test_explain_gives_a_row_the_mean_gate_of_the_days_that_read_it(make_batch: MakeBatch) -> None:
    network, batch = build(), make_batch(days=3, lookback=4)
    gates = network.gate(batch.regime) / 5
    selection = network.explain(batch).selection
    for row, days in enumerate(([0], [0, 1], [0, 1, 2], [0, 1, 2], [1, 2], [2])):
        expected = gates[days].mean(0).expand(len(batch.stock), -1)
        torch.testing.assert_close(selection[row], expected)


def test_quantiles_come_for_every_horizon_and_level(make_batch: MakeBatch) -> None:
    forecast = build(quantiles=[0.05, 0.5, 0.95])(make_batch())
    assert forecast.quantiles.shape == (*forecast.score.shape, 3)
    assert (forecast.quantiles.diff(dim=-1) >= 0).all()


@pytest.mark.parametrize(
    "options",
    [{"hidden_size": 2}, {"dropout": -0.1}, {"gate_temperature": 0.0}, {"gate_temperature": math.inf}],
)
def test_a_size_out_of_range_is_an_error_that_names_it(options: dict[str, Any]) -> None:
    (name,) = options
    with pytest.raises(InputError, match=name):
        build(**options)
