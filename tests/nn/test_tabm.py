"""TabM: members that share matrices, differ by adapters, and vote by rank."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from scipy.stats import rankdata
from torch import nn

from atft.batch import DayBatch
from atft.errors import InputError
from atft.nn.tabm import MemberHeads, SharedLinear, TabM
from networks import inputs_of

MakeBatch = Callable[..., DayBatch]
ENCODINGS = pytest.mark.parametrize("encoding", ["none", "piecewise_linear"])


def build(features: int = 5, **options: Any) -> TabM:
    torch.manual_seed(0)
    return TabM(inputs_of(features), **{"k": 4, "hidden_size": 16, "dropout": 0.0, **options})


def last_rows(network: TabM, batch: DayBatch) -> torch.Tensor:
    scaled = network.scaling(batch.features, batch.observed)[batch.lookback - 1 :]
    return network.encoding(scaled).flatten(-2)


@torch.no_grad()
def shake(network: TabM) -> TabM:
    """Move every parameter, adapters that start at 1 too."""
    for parameter in network.parameters():
        parameter += 0.3 * torch.randn_like(parameter)
    return network


@ENCODINGS
def test_each_member_is_a_perceptron_with_its_own_adapters_and_head(
    make_batch: MakeBatch, encoding: str
) -> None:
    network, batch = shake(build(layers=3, encoding=encoding)), make_batch()
    members = network(batch).members
    assert members.shape == (*batch.target.shape, 4)
    for k in range(4):
        state = last_rows(network, batch)
        for layer in network.hidden:
            state = (((state * layer.r[k]) @ layer.matrix) * layer.s[k] + layer.bias[k]).relu()
        score = state @ network.heads.matrices[k] + network.heads.bias[k]
        torch.testing.assert_close(members[..., k], score, atol=1e-5, rtol=1e-4)


@ENCODINGS
@pytest.mark.parametrize("layers", [1, 3])
def test_one_member_is_a_plain_perceptron(make_batch: MakeBatch, layers: int, encoding: str) -> None:
    network, batch = build(k=1, layers=layers, encoding=encoding), make_batch()
    plain = nn.Sequential()
    for layer in network.hidden:
        plain.extend((nn.Linear(*layer.matrix.shape), nn.ReLU()))
    plain.append(nn.Linear(16, 2))
    weights = [w for m in network.hidden for w in (m.matrix.T, m.bias[0])]
    weights += [network.heads.matrices[0].T, network.heads.bias[0]]
    assert len(list(plain.parameters())) == len(list(network.parameters()))
    with torch.no_grad():
        for parameter, weight in zip(plain.parameters(), weights, strict=True):
            parameter.copy_(weight)
    expected = plain(last_rows(network, batch))
    torch.testing.assert_close(network.train()(batch).score, expected)
    torch.testing.assert_close(network(batch).members[..., 0], expected)


def test_new_members_differ_by_the_first_layers_signs_and_the_heads_only() -> None:
    network = build(k=64, layers=3, encoding="piecewise_linear", bins=6)
    first, *later = network.hidden
    assert set(first.r.flatten().tolist()) == {-1.0, 1.0} and abs(first.r.mean()) < 0.2
    of_features = first.r.view(64, 6, 5)
    assert (of_features == of_features[:, :1]).all()  # all numbers of a feature have its sign
    for layer in later:
        assert (layer.r == 1).all()
    for layer in network.hidden:
        assert (layer.s == 1).all() and (layer.bias == layer.bias[0]).all()
        assert layer.matrix.abs().max() <= layer.matrix.shape[0] ** -0.5
    assert network.heads.matrices.std(0).min() > 0


def test_members_differ_and_a_change_of_one_leaves_the_others(make_batch: MakeBatch) -> None:
    network, batch = build(), make_batch()
    before = network(batch).members
    for k in range(1, 4):
        assert not torch.allclose(before[..., 0], before[..., k], atol=1e-3)
    with torch.no_grad():
        network.hidden[0].r[2] *= -1
    after = network(batch).members
    others = [0, 1, 3]
    assert torch.equal(after[..., others], before[..., others])
    assert not torch.allclose(after[..., 2], before[..., 2])


def test_dropout_is_drawn_for_each_member(make_batch: MakeBatch) -> None:
    network, batch = build(k=2, dropout=0.5), make_batch()
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.startswith("heads") or name.endswith((".r", ".s")):
                parameter.copy_(parameter[:1].expand_as(parameter))
    one, other = network.eval()(batch).members.unbind(-1)
    torch.testing.assert_close(one, other)
    one, other = network.train()(batch).members.unbind(-1)
    assert not torch.allclose(one, other, atol=1e-3)


def test_a_score_reads_the_last_day_only(make_batch: MakeBatch) -> None:
    network, batch = build().eval(), make_batch(days=1)
    features = batch.features.clone()
    features[:-1] = 7.0
    assert torch.equal(network(batch).score, network(batch._replace(features=features)).score)


def test_in_training_the_score_is_the_mean_of_the_members(make_batch: MakeBatch) -> None:
    forecast = build().train()(make_batch())
    torch.testing.assert_close(forecast.score, forecast.members.mean(-1))


def test_evaluated_the_score_orders_stocks_by_the_mean_of_the_members_ranks(make_batch: MakeBatch) -> None:
    network, batch = build().eval(), make_batch(missing=0.3)
    score, _, members = network(batch)
    for day, universe in enumerate(batch.universe):
        for horizon in range(2):
            ranked = members[day, universe, horizon].detach().numpy()
            votes = rankdata(ranked, axis=0).mean(1)
            order = torch.as_tensor(votes - votes.mean()).float()
            own = score[day, universe, horizon]
            torch.testing.assert_close(own / own.std(), order / order.std(), atol=1e-4, rtol=1e-4)
            torch.testing.assert_close(
                own.std(correction=0), torch.as_tensor(ranked.std(0).mean()), atol=1e-5, rtol=1e-4
            )
    assert (score[~batch.universe] == 0).all()


@ENCODINGS
def test_explain_weighs_the_features_of_each_row_by_the_first_layer(
    make_batch: MakeBatch, encoding: str
) -> None:
    network, batch = shake(build(encoding=encoding)), make_batch(missing=0.3)
    selection, attention, neighbours = network.explain(batch)
    assert attention is None and neighbours is None and selection.shape == batch.features.shape
    torch.testing.assert_close(selection.sum(-1), torch.ones(selection.shape[:-1]))
    layer = network.hidden[0]
    encoded = network.encoding(network.scaling(batch.features, batch.observed))
    t, s = (int(i) for i in batch.observed.nonzero()[7])
    squares = torch.zeros(5)
    for k in range(4):
        weights = (layer.r[k, :, None] * layer.matrix * layer.s[k]).reshape(*encoded.shape[-2:], -1)
        squares += (encoded[t, s][..., None] * weights).sum(0).square().sum(-1)
    size = squares.sqrt()
    torch.testing.assert_close(selection[t, s], size / size.sum())
    assert torch.allclose(selection[~batch.observed], torch.tensor(0.2))


def test_a_shared_layer_adds_two_vectors_and_a_bias_for_each_member() -> None:
    def count(members: int) -> int:
        return sum(p.numel() for p in SharedLinear(30, 50, members, random_signs=True).parameters())

    assert count(1) == 30 * 50 + 50
    assert count(8) == 30 * 50 + 8 * (30 + 50 + 50)


@pytest.mark.parametrize("options", [{"k": 0}, {"hidden_size": 2}, {"layers": 0}, {"dropout": 1.0}])
def test_a_size_out_of_range_is_an_error_that_names_it(options: dict[str, Any]) -> None:
    (name,) = options
    with pytest.raises(InputError, match=name):
        build(**options)


def test_scores_of_mixed_precision_are_not_rounded_to_eight_bits() -> None:
    heads, state = MemberHeads(16, 1, 2), torch.rand(2, 3000, 16)
    with torch.autocast("cpu", torch.bfloat16):
        score = heads(state.bfloat16())
    assert score.dtype == torch.float32
    assert all(len(of_member.unique()) > 2900 for of_member in score)
