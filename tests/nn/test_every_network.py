"""What holds for every network: nothing unknown matters, no day knows the next, no stock's place matters."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch

from atft.batch import DayBatch
from atft.network import Explainable, Pretrainable, Scaling, build_network
from networks import NETWORKS, inputs_of, loss_of, scores, small_network

MakeBatch = Callable[..., DayBatch]


@pytest.fixture(params=NETWORKS)
def build(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Build the same network at each call; options are its own."""
    return partial(small_network, request.param)


@pytest.mark.parametrize("name", NETWORKS)
def test_it_is_a_network_for_any_names(name: str) -> None:
    factory = partial(NETWORKS[name], hidden_size=8)
    network = build_network(factory, inputs_of(3, (2, 5, 20), ("regime_0",)))
    assert isinstance(network, Explainable) and network.horizons == (2, 5, 20)


def test_every_parameter_gets_a_gradient_and_scores_differ(
    build: Callable[..., Any], make_batch: MakeBatch
) -> None:
    network, batch = build(), make_batch(stocks=30)
    spread = scores(network, batch).std(1)
    assert (spread > 0.02).all() and (spread < 3).all()
    optimizer = torch.optim.SGD(network.train().parameters(), lr=0.1)
    loss_of(network, batch).backward()
    optimizer.step()  # what begins at 0 has no gradient for what feeds it
    optimizer.zero_grad()
    loss_of(network, batch).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().max() > 0, name


def test_permuting_the_stocks_permutes_the_scores(build: Callable[..., Any], make_batch: MakeBatch) -> None:
    network, batch = build(), make_batch()
    stocks = len(batch.stock)
    order = torch.randperm(stocks)
    place = torch.empty_like(order)
    place[order] = torch.arange(stocks)
    day, stock = batch.edge_index // stocks, batch.edge_index % stocks
    moved = batch._replace(
        features=batch.features[:, order],
        observed=batch.observed[:, order],
        universe=batch.universe[:, order],
        edge_index=day * stocks + place[stock],
    )
    torch.testing.assert_close(scores(network, moved), scores(network, batch)[:, order], atol=1e-5, rtol=1e-4)


def test_a_block_scores_its_days_as_single_days(build: Callable[..., Any], make_batch: MakeBatch) -> None:
    network, batch = build(), make_batch()
    alone = torch.cat([scores(network, batch.part(i, i + 1)) for i in range(len(batch.day))])
    torch.testing.assert_close(scores(network, batch), alone, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("later", [float("nan"), 0.0, 1e9])
def test_a_day_is_scored_without_the_days_after_it(
    build: Callable[..., Any], make_batch: MakeBatch, later: float
) -> None:
    network, batch = build(), make_batch()
    before = scores(network, batch)
    for day in range(2):
        features, regime = batch.features.clone(), batch.regime.clone()
        features[batch.lookback + day :], regime[day + 1 :] = later, later
        after = scores(network, batch._replace(features=features, regime=regime))
        assert torch.equal(after[: day + 1], before[: day + 1])


def test_what_stands_in_unobserved_rows_never_matters(
    build: Callable[..., Any], make_batch: MakeBatch
) -> None:
    network, batch = build(), make_batch(missing=0.3)
    for value in (1e9, float("inf"), -3.0):
        filled = torch.where(batch.observed[..., None], batch.features, value)
        assert torch.equal(scores(network, batch), scores(network, batch._replace(features=filled)))


def test_scores_and_gradients_are_finite_whatever_is_unknown(
    build: Callable[..., Any], make_batch: MakeBatch
) -> None:
    batch = make_batch(missing=0.5)
    features, regime = batch.features.clone(), batch.regime.clone()
    features[:, 0] = float("nan")
    features[:, 1] = float("inf")
    features[..., 2] = 3.0
    regime[0], regime[1] = float("nan"), float("inf")
    observed = batch.observed.clone()
    observed[:, 2] = False
    network = build()
    holed = batch._replace(features=features, observed=observed, regime=regime)
    assert scores(network, holed).isfinite().all()
    loss_of(network.train(), holed).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


def test_an_all_invalid_block_steps_like_any_other(build: Callable[..., Any], make_batch: MakeBatch) -> None:
    batch = make_batch()
    empty = batch._replace(
        features=torch.full_like(batch.features, torch.nan),
        observed=torch.zeros_like(batch.observed),
        universe=torch.zeros_like(batch.universe),
        valid=torch.zeros_like(batch.valid),
        edge_index=batch.edge_index[:, :0],
        edge_attr=batch.edge_attr[:0],
        regime=torch.full_like(batch.regime, torch.nan),
    )
    network = build()
    loss_of(network, empty).backward()
    assert scores(network, empty).isfinite().all()
    assert all(p.grad is None or p.grad.isfinite().all() for p in network.parameters())


def test_predicting_twice_gives_the_same_bits(build: Callable[..., Any], make_batch: MakeBatch) -> None:
    network, batch = build(dropout=0.5), make_batch()
    assert torch.equal(scores(network, batch), scores(network, batch))
    network.train()
    assert not torch.equal(network(batch).score, network(batch).score)


def test_bfloat16_autocast_ranks_like_full_precision(
    build: Callable[..., Any], make_batch: MakeBatch
) -> None:
    network, batch = build(), make_batch(stocks=40)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = scores(network, batch)
        loss_of(network.train(), batch).backward()
    assert rounded.dtype == torch.float32
    both = torch.stack((rounded.flatten(), scores(network, batch).flatten()))
    assert torch.corrcoef(both)[0, 1] > 0.99
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


def test_float16_features_from_a_cache_are_taken(build: Callable[..., Any], make_batch: MakeBatch) -> None:
    network, batch = build(), make_batch()
    half = batch._replace(features=batch.features.half(), regime=batch.regime.half().float())
    torch.testing.assert_close(scores(network, half), scores(network, batch), atol=1e-2, rtol=1e-2)


def test_a_checkpoint_carries_the_scaling(build: Callable[..., Any], make_batch: MakeBatch) -> None:
    network, batch, copy = build(), make_batch(), build()
    before = scores(network, batch)
    two = torch.full((2,), 2.0)
    network.set_scaling(Scaling(torch.arange(5.0), torch.full((5,), 2.0), two, two))
    copy.load_state_dict(network.state_dict())
    assert torch.equal(scores(network, batch), scores(copy, batch))
    assert not torch.equal(scores(network, batch), before)


@pytest.mark.parametrize("lookback", [1, 2, 3, 20])
def test_any_lookback_is_scored(build: Callable[..., Any], make_batch: MakeBatch, lookback: int) -> None:
    assert scores(build(), make_batch(lookback=lookback)).isfinite().all()


@pytest.mark.parametrize("hidden_size", [4, 10, 37, 64])
def test_every_width_builds_and_steps(
    build: Callable[..., Any], make_batch: MakeBatch, hidden_size: int
) -> None:
    network, batch = build(hidden_size=hidden_size), make_batch(stocks=9)
    loss_of(network, batch).backward()
    assert scores(network, batch).isfinite().all()


def test_two_networks_of_one_seed_are_equal(build: Callable[..., Any], make_batch: MakeBatch) -> None:
    batch = make_batch()
    assert torch.equal(scores(build(), batch), scores(build(), batch))


def test_a_part_that_is_off_changes_the_scores_and_asks_for_no_gradient(
    build: Callable[..., Any], make_batch: MakeBatch
) -> None:
    network, batch = build(), make_batch()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    before = scores(network, batch)
    for part in network.parts:
        network.set_parts(**{part: False})
        assert not torch.allclose(before, scores(network, batch), atol=1e-4), part
        assert all(not p.requires_grad for p in network.parameter_groups()[part])
        network.set_parts(**{part: True})
    assert torch.equal(before, scores(network, batch))


def test_explanations_are_weights_that_sum_to_one(build: Callable[..., Any], make_batch: MakeBatch) -> None:
    network, batch = build().eval(), make_batch(missing=0.3)
    with torch.no_grad():
        selection, attention, _ = network.explain(batch)
    for weights, shape in ((selection, batch.features.shape), (attention, batch.universe.shape)):
        if weights is not None:
            assert weights.shape[: len(shape)] == shape and (weights >= 0).all()
            torch.testing.assert_close(weights.sum(-1), torch.ones(weights.shape[:-1]))
    if attention is not None:
        assert attention.shape[-1] == batch.lookback


def test_its_states_use_every_parameter_but_the_heads(
    build: Callable[..., Any], make_batch: MakeBatch
) -> None:
    network, batch = build().train(), make_batch()
    assert isinstance(network, Pretrainable)
    states = network.encode(batch)
    assert states.shape[:2] == batch.universe.shape and states.isfinite().all()
    (states * torch.arange(1, states.numel() + 1).reshape(states.shape).cos()).sum().backward()
    unused = {
        group
        for group, parameters in network.parameter_groups().items()
        for parameter in parameters
        if parameter.grad is None
    }
    assert unused == {"heads"}
