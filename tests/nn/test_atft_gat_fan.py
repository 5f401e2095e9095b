"""The network as a whole: every part learns, changes the scores and can be left out.

What holds for every network is in test_every_network.py.
"""

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
import torch

from atft.batch import DayBatch
from atft.errors import InputError
from atft.network import check_network
from atft.nn.atft_gat_fan import ATFTGATFAN
from atft.nn.embedded_windows import EmbeddedWindows
from atft.nn.window_norm import MEMBERS
from networks import inputs_of, loss_of, scores

PARTS = ("variable_selection", "window_norm", "encoder", "graph")
MakeBatch = Callable[..., DayBatch]
SWITCHES = [dict(zip(PARTS, on, strict=True)) for on in product((True, False), repeat=len(PARTS))]


def build(features: int = 5, **options: Any) -> ATFTGATFAN:
    torch.manual_seed(0)
    return ATFTGATFAN(inputs_of(features), **{"hidden_size": 16, **options})


@pytest.mark.parametrize(
    "switches", SWITCHES, ids=lambda s: "+".join(n for n, on in s.items() if on) or "none"
)
@pytest.mark.parametrize("window_norm", MEMBERS)
def test_every_parameter_that_asks_for_a_gradient_gets_one_and_scores_differ(
    make_batch: MakeBatch, window_norm: str, switches: dict[str, bool]
) -> None:
    network = build(window_norm=window_norm, quantiles=[0.1, 0.5, 0.9])
    network.set_parts(**switches)
    batch = make_batch(stocks=30)
    spread = scores(network, batch).std(1)
    assert (spread > 0.02).all() and (spread < 3).all()
    network.train()
    loss_of(network, batch).backward()
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None and parameter.grad.isfinite().all(), name
            assert parameter.grad.abs().max() > 0, name
        else:
            assert parameter.grad is None, name


@pytest.mark.parametrize("part", PARTS)
def test_each_part_changes_the_scores(make_batch: MakeBatch, part: str) -> None:
    network, batch = build(), make_batch()
    before = scores(network, batch)
    network.set_parts(**{part: False})
    assert not torch.allclose(before, scores(network, batch), atol=1e-4)
    network.set_parts(**{part: True})
    assert torch.equal(before, scores(network, batch))


@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_is_none_is_not_built_and_scores_like_one_that_is_off(
    make_batch: MakeBatch, part: str
) -> None:
    network, batch = build(), make_batch()
    network.set_parts(**{part: False})
    without = build(**{part: "none"})
    assert part not in without.parts and part not in without.parameter_groups()
    kept = {n: v for n, v in network.state_dict().items() if n in without.state_dict()}
    assert len(kept) < len(network.state_dict())
    without.load_state_dict(kept)
    assert torch.equal(scores(without, batch), scores(network, batch))
    loss_of(without, batch).backward()
    assert all(p.grad is not None for p in without.parameters())
    with pytest.raises(InputError, match=f"no part '{part}'"):
        without.set_parts(**{part: True})


def test_an_encoder_may_have_no_attention_to_show(make_batch: MakeBatch) -> None:
    class LastRow(torch.nn.Module):
        def forward(self, window: EmbeddedWindows) -> tuple[torch.Tensor, None]:
            return window.last_day().flatten(0, 1), None

    network, batch = build(), make_batch()
    network.encoder = LastRow()
    assert scores(network, batch).shape == batch.target.shape
    assert network.explain(batch).attention is None


@pytest.mark.parametrize("name", MEMBERS)
def test_each_window_normalisation_changes_the_scores_where_its_block_is_on(
    make_batch: MakeBatch, name: str
) -> None:
    network, batch = build(window_norm=name), make_batch()
    before = scores(network, batch)
    network.set_parts(window_norm=False)
    assert not torch.allclose(before, scores(network, batch), atol=1e-4)


def test_an_unknown_block_lists_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean 'encoder'"):
        build().set_parts(encodr=False)


@pytest.mark.parametrize("window_norm", MEMBERS)
@pytest.mark.parametrize("encoder", ["scan", "lstm", "none"])
def test_a_score_depends_on_every_day_of_its_window(
    make_batch: MakeBatch, window_norm: str, encoder: str
) -> None:
    network = build(encoder=encoder, graph="none", window_norm=window_norm).eval()
    batch = make_batch(days=1, missing=0.0)
    features = batch.features.requires_grad_()
    network(batch._replace(features=features)).score.sum().backward()
    assert (features.grad.abs().amax((1, 2)) > 1e-8).all()
    before = scores(network, batch)
    for position in range(batch.lookback):
        moved = batch.features.detach().clone()
        moved[position] += 0.5
        # Without the encoder the window still reaches the score through its normalisation.
        assert not torch.allclose(scores(network, batch._replace(features=moved)), before, atol=1e-6), (
            position
        )


def test_without_history_blocks_a_score_reads_the_last_day_only(make_batch: MakeBatch) -> None:
    network, batch = build(encoder="none", window_norm="none"), make_batch(days=1)
    moved = batch.features.clone()
    moved[:-1] = 7.0
    assert torch.equal(scores(network, batch), scores(network, batch._replace(features=moved)))


def test_quantiles_come_for_every_horizon_and_level(make_batch: MakeBatch) -> None:
    forecast = build(quantiles=[0.05, 0.5, 0.95])(make_batch())
    assert forecast.quantiles.shape == (*forecast.score.shape, 3)
    assert build()(make_batch()).quantiles is None


def test_explain_tells_weights_that_sum_to_one(make_batch: MakeBatch) -> None:
    network, batch = build().eval(), make_batch()
    explanation = network.explain(batch)
    assert explanation.selection.shape == batch.features.shape
    assert explanation.attention.shape == (*batch.universe.shape, 1, batch.lookback)
    for weights in explanation[:2]:
        torch.testing.assert_close(weights.sum(-1), torch.ones(weights.shape[:-1]))
    totals = torch.zeros(batch.universe.numel()).index_add_(
        0, batch.edge_index[1], explanation.neighbours.sum((0, 2)) / explanation.neighbours[:, 0].numel()
    )
    torch.testing.assert_close(totals[totals > 0], torch.ones(int((totals > 0).sum())))
    network.set_parts(encoder=False, variable_selection=False, graph=False)
    assert network.explain(batch) == (None, None, None)


@pytest.mark.parametrize("hidden", [4, 10, 37, 64])
@pytest.mark.parametrize("layers", [1, 4])
def test_every_size_of_the_search_space_builds_and_steps(
    make_batch: MakeBatch, hidden: int, layers: int
) -> None:
    network, batch = build(hidden_size=hidden, gat_layers=layers), make_batch(stocks=9)
    loss_of(network, batch).backward()
    assert scores(network, batch).isfinite().all()


def test_every_parameter_lies_in_exactly_one_group() -> None:
    network = build(quantiles=[0.1, 0.9])
    groups = network.parameter_groups()
    assert tuple(groups) == (*PARTS, "input", "heads") and all(groups.values())
    check_network(network, inputs_of())
