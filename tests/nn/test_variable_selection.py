"""Variable selection: weights that sum to one, a linear start, no big tensor."""

from typing import Any

import pytest
import torch

from atft.nn.feature_encoding import FeatureEncoding
from atft.nn.variable_selection import VariableSelection


def build(features: int = 6, hidden: int = 16) -> VariableSelection:
    torch.manual_seed(0)
    return VariableSelection(FeatureEncoding(features, "none"), hidden, dropout=0.0)


def test_weights_are_positive_and_sum_to_one() -> None:
    weight = build().weights(torch.randn(5, 7, 6))
    assert (weight > 0).all()
    torch.testing.assert_close(weight.sum(-1), torch.ones(5, 7))


def test_a_new_block_weighs_features_nearly_alike_and_is_nearly_linear() -> None:
    block, x = build(), torch.randn(500, 6)
    assert (block.weights(x) - 1 / 6).abs().max() < 0.1
    target = block(x)
    design = torch.cat((x, torch.ones(500, 1)), dim=1)
    fitted = design @ torch.linalg.lstsq(design, target).solution
    assert (target - fitted).var() < 0.05 * target.var()


def test_without_selection_weights_and_their_levels_do_not_matter() -> None:
    block, x = build(), torch.randn(9, 6)
    before = block(x, select=False)
    with torch.no_grad():
        for parameter in (*block.weigher.parameters(), block.level):
            parameter.add_(1.0)
    assert torch.equal(before, block(x, select=False))
    assert not torch.allclose(before, block(x))


def test_each_feature_moves_the_output_with_and_without_selection() -> None:
    x = torch.randn(6)
    for select in (True, False):
        slope = torch.autograd.functional.jacobian(lambda row, s=select: build()(row, s), x)
        assert (slope.abs().amax(0) > 1e-4).all()


def test_without_a_gated_residual_the_embedding_is_linear_in_the_encoding_and_has_a_bias() -> None:
    torch.manual_seed(0)
    encoding = FeatureEncoding(6, "piecewise_linear", 4)
    block, x = VariableSelection(encoding, 16, dropout=0.5, select=False, refine=False), torch.randn(9, 6)
    with torch.no_grad():
        block.refine.bias.normal_()
    expected = encoding(x).flatten(-2) @ block.value + block.refine.bias
    torch.testing.assert_close(block(x), expected)


@pytest.mark.parametrize("refine", [True, False])
def test_under_autocast_rows_have_the_format_of_the_products(refine: bool) -> None:
    block = VariableSelection(FeatureEncoding(6, "none"), 16, dropout=0.0, refine=refine)
    with torch.autocast("cpu", torch.bfloat16):
        assert block(torch.randn(9, 6)).dtype == torch.bfloat16


def test_a_weight_multiplies_its_feature_s_encoding_and_chooses_its_level() -> None:
    torch.manual_seed(0)
    encoding, x = FeatureEncoding(6, "piecewise_linear", 4), torch.randn(9, 6)
    block = VariableSelection(encoding, 16, dropout=0.5, refine=False)
    weight = block.weights(x)
    encoded = (6 * weight[:, None] * encoding(x)).flatten(-2)
    torch.testing.assert_close(block(x), encoded @ block.value + weight @ block.level + block.refine.bias)
    alike = VariableSelection(encoding, 16, dropout=0.5, select=False).weights(x)
    torch.testing.assert_close(alike, torch.full((9, 6), 1 / 6))


@pytest.mark.parametrize("kind", ["none", "piecewise_linear"])
def test_a_new_embedding_of_ranks_has_a_mean_square_of_nearly_1_before_it_is_refined(kind: Any) -> None:
    torch.manual_seed(0)
    encoding, ranks = FeatureEncoding(30, kind, 8), 3**0.5 * (2 * torch.rand(4000, 30) - 1)
    refined, plain = (VariableSelection(encoding, 400, 0.0, refine=refine) for refine in (True, False))
    assert encoding.product(ranks, refined.value).square().mean().item() == pytest.approx(1, rel=0.1)
    bound = (30 * encoding.size) ** -0.5
    assert 0.99 * bound < plain.value.max() <= bound and -bound <= plain.value.min() < -0.99 * bound


def test_every_parameter_gets_a_gradient() -> None:
    block = build()
    block(torch.randn(20, 6)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in block.parameters())


def test_no_tensor_holds_hidden_numbers_for_each_feature() -> None:
    sizes: list[int] = []
    rows, features, hidden = 50, 40, 32
    with torch.autograd.graph.saved_tensors_hooks(lambda t: sizes.append(t.numel()) or t, lambda t: t):
        build(features, hidden)(torch.randn(rows, features)).sum().backward()
    assert max(sizes) < rows * features * hidden / 10


def test_stripes_of_rows_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    part, x = build(5, 8), torch.randn(3, 11, 5)
    results = []
    for numbers in (1 << 18, 1):
        monkeypatch.setattr("atft.nn.variable_selection.STRIPE_NUMBERS", numbers)
        rows = part(x)
        gradients = torch.autograd.grad(rows.square().sum(), list(part.parameters()))
        results.append((rows, *gradients))
    torch.testing.assert_close(*results)
