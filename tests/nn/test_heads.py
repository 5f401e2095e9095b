"""Heads: scores of a sane size, quantiles that cannot cross, dropout in training only."""

import torch

from atft.nn.heads import OUTPUT_STD, Heads


def build(quantiles: int = 0, norm: bool = False, dropout: float = 0.0) -> Heads:
    torch.manual_seed(0)
    return Heads(hidden_size=64, horizons=4, quantiles=quantiles, dropout=dropout, norm=norm)


def test_output_weights_start_at_their_stated_deviation() -> None:
    assert abs(build().score.weight.std().item() - OUTPUT_STD) < 0.01
    assert build().layer_scale.eq(1).all()


def test_a_new_head_tells_states_apart() -> None:
    score, quantiles = build()(torch.randn(500, 64))
    assert quantiles is None
    assert ((score.std(0) > 0.2) & (score.std(0) < 0.8)).all()


def test_quantiles_ascend_whatever_the_state() -> None:
    score, quantiles = build(quantiles=5)(100 * torch.randn(3, 7, 64))
    assert quantiles is not None and quantiles.shape == (*score.shape, 5)
    assert (quantiles.diff(dim=-1) >= 0).all()


def test_the_norm_makes_scores_blind_to_the_states_size() -> None:
    state = torch.randn(9, 64)
    normed, plain = build(norm=True), build()
    torch.testing.assert_close(normed(state)[0], normed(10 * state)[0], atol=1e-4, rtol=1e-3)
    assert not torch.allclose(plain(state)[0], plain(10 * state)[0], atol=0.1)


def test_dropout_is_off_in_eval() -> None:
    head, state = build(dropout=0.5), torch.randn(9, 64)
    assert not torch.equal(head(state)[0], head(state)[0])
    head.eval()
    assert torch.equal(head(state)[0], head(state)[0])
