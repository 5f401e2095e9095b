"""Heads: scores of a sane size, quantiles that cannot cross, dropout in training only."""

import torch

from atft.nn.heads import INIT_OUTPUT_STD, Heads


def build(quantiles: int = 0, dropout: float = 0.0) -> Heads:
    torch.manual_seed(0)
    return Heads(hidden_size=64, horizons=4, quantiles=quantiles, dropout=dropout)


def test_output_weights_start_at_their_stated_deviation() -> None:
    assert abs(build().score.weight.std().item() - INIT_OUTPUT_STD) < 0.01
    assert build().layer_scale.eq(1).all()


def test_scores_of_a_new_head_differ() -> None:
    score, quantiles = build()(torch.randn(500, 64))
    assert quantiles is None
    assert ((score.std(0) > 0.2) & (score.std(0) < 0.8)).all()


def test_outputs_and_gradients_are_those_of_a_scaled_state() -> None:
    head, state = build(quantiles=3).double(), torch.randn(50, 64, dtype=torch.double, requires_grad=True)
    with torch.no_grad():
        head.layer_scale.uniform_(0.5, 2)
    score, quantiles = head(state)
    assert quantiles is not None and head.quantile is not None
    ready = head.layer_scale * state
    plain = torch.cat((head.score(ready), head.quantile(ready)[:, ::3]), dim=1)
    ours = torch.cat((score, quantiles[..., 0]), dim=1)
    direction = torch.randn_like(plain)
    expected, found = (torch.autograd.grad(x, [head.layer_scale, state], direction) for x in (plain, ours))
    torch.testing.assert_close([ours, *found], [plain, *expected])


def test_quantiles_ascend_whatever_the_state() -> None:
    score, quantiles = build(quantiles=5)(100 * torch.randn(3, 7, 64))
    assert quantiles is not None and quantiles.shape == (*score.shape, 5)
    assert (quantiles.diff(dim=-1) >= 0).all()


def test_dropout_is_off_in_eval() -> None:
    head, state = build(dropout=0.5), torch.randn(9, 64)
    assert not torch.equal(head(state)[0], head(state)[0])
    head.eval()
    assert torch.equal(head(state)[0], head(state)[0])


def test_scores_are_not_rounded_to_the_precision_of_mixed_products() -> None:
    # 3,000 stocks that bfloat16 would score with some hundred values, many of them tied.
    head, state = build(quantiles=3).eval(), torch.randn(3000, 64)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = head(state)
    assert all(one.equal(other) for one, other in zip(mixed, head(state), strict=True))
    assert len(mixed[0][:, 0].unique()) > 2900
