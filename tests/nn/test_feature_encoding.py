"""Encoding features: curves through the edges of bins, zero at the median, a product that stores no encoding."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from atft.errors import InputError
from atft.network import Scaling
from atft.nn import feature_encoding
from atft.nn.feature_encoding import RANK_BOUND, FeatureEncoding
from atft.nn.robust_input import RobustInput
from networks import small_network

RANKS = np.sqrt(12) * (np.arange(241) / 240 - 0.5)


def scaling_of(*columns: Any) -> Scaling:
    """The scaling of raw columns, as the data has it."""
    grid = torch.tensor(
        np.array([np.quantile(c, np.arange(241) / 240) for c in columns]), dtype=torch.float32
    )
    none = torch.zeros(0)
    return Scaling(grid[:, 120], grid[:, 180] - grid[:, 60], none, none, grid)


def build(*columns: Any, bins: int = 6, kind: Any = "piecewise_linear", **options: Any) -> FeatureEncoding:
    torch.manual_seed(0)
    encoding = FeatureEncoding(len(columns), kind, bins, **options)
    encoding.set_scaling(scaling_of(*columns))
    return encoding


def skewed(seed: int = 0, features: int = 3) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [np.exp(rng.standard_normal(500)) * 10.0**f for f in range(features)]


@given(st.integers(0, 200), st.sampled_from([2, 5, 7, 12, 48]))
@settings(max_examples=20, deadline=None)
def test_a_row_of_weights_makes_any_curve_that_is_straight_between_edges(seed: int, bins: int) -> None:
    rng = np.random.default_rng(seed)
    encoding, x = build(*skewed(seed), bins=bins), torch.linspace(-6, 6, 400)[:, None].expand(-1, 3)
    steps = rng.standard_normal((bins, 3)).astype(np.float32)
    # Bins beyond the clip of scaled values are empty.
    steps *= (encoding.edges.diff(dim=1) > 0).T.numpy()
    ours = encoding.product(x, torch.from_numpy(steps).reshape(-1, 1))[:, 0].numpy()
    expected = 0.0
    for feature in range(3):
        edges = encoding.edges[feature].double().numpy()
        heights = np.concatenate(([0.0], steps[:, feature].cumsum()))
        expected = expected + np.interp(x[:, feature], edges, heights) - np.interp(0.0, edges, heights)
    np.testing.assert_allclose(ours, expected, atol=2e-4)


def test_each_number_rises_with_the_feature_and_ends_at_the_outer_edges() -> None:
    encoding = build(*skewed())
    encoded = encoding(torch.linspace(-6, 6, 1000)[:, None].expand(-1, 3))
    assert (encoded.diff(dim=0) >= 0).all()
    torch.testing.assert_close(encoded[-1] - encoded[0], torch.ones(6, 3))


def test_edges_are_the_training_quantiles_in_the_scaled_unit() -> None:
    column = skewed(features=1)[0]
    encoding = build(column, bins=5)
    quantiles = np.quantile(column, np.arange(6) / 5)
    low, median, high = np.percentile(column, [25, 50, 75])
    expected = ((quantiles - median) / (high - low)).clip(-5, 5)
    np.testing.assert_allclose(encoding.edges[0], expected, rtol=1e-5, atol=1e-6)


def test_bins_between_two_levels_of_the_grid_are_interpolated() -> None:
    encoding = build(np.linspace(0, 1, 10_000), bins=7)
    np.testing.assert_allclose(encoding.edges[0], np.linspace(-1, 1, 8), atol=1e-3)


def test_the_median_an_unknown_value_and_an_absent_row_are_all_zeros() -> None:
    scaling = scaling_of(*skewed())
    door, encoding = RobustInput(3), build(*skewed())
    door.set_scaling(scaling.median, scaling.iqr)
    raw = torch.stack((scaling.median, torch.full((3,), torch.nan), torch.full((3,), 9.0)))[None]
    encoded = encoding(door(raw, torch.tensor([[True, True, False]])))
    assert (encoded == 0).all()


def test_ties_make_empty_bins_and_a_flag_one_number() -> None:
    flag = (np.arange(1000) % 10 == 0).astype(float)
    encoding = build(flag, np.full(1000, 3.0), bins=12)
    encoded = encoding(torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.25, -1.0]]))
    assert encoded.isfinite().all() and (encoded[..., 1] == 0).all()
    assert encoded[:, :, 0].sum(1).tolist() == [0.0, 1.0, 0.25]
    assert (encoded[1, :, 0] > 0).sum() == 1


def test_edges_that_differ_by_rounding_are_one() -> None:
    column = np.repeat([0.0, 1.0, 2.0, 2.0 + 1e-30, 3.0], 100)
    encoded = build(column, bins=240)(torch.linspace(-5, 5, 101)[:, None])
    assert encoded.isfinite().all() and encoded.abs().max() <= 1


@pytest.mark.parametrize("known", [True, False])
def test_bins_of_ranks_are_equally_wide(known: bool) -> None:
    encoding, two, none = FeatureEncoding(2, "piecewise_linear", 12), torch.zeros(2), torch.zeros(0)
    grid = torch.tensor(np.array([RANKS, RANKS]), dtype=torch.float32) if known else None
    encoding.set_scaling(Scaling(two, two + 1, none, none, grid))
    torch.testing.assert_close(encoding.edges[1], torch.linspace(-RANK_BOUND, RANK_BOUND, 13))


def test_the_variance_of_an_encoded_rank_is_about_what_weights_are_scaled_by() -> None:
    ranks = torch.empty(4000, 20).uniform_(-RANK_BOUND, RANK_BOUND)
    for kind in ("piecewise_linear", "periodic", "none"):
        encoding = build(*[RANKS] * 20, bins=12, kind=kind)
        square = encoding(ranks).square().sum(-2).mean()
        assert encoding.variance / 1.5 < square < 1.5 * encoding.variance, kind


@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("stripe", [1, 1 << 19])
def test_the_product_equals_its_slow_twin_with_all_gradients(
    monkeypatch: pytest.MonkeyPatch, stripe: int, weighted: bool
) -> None:
    monkeypatch.setattr(feature_encoding, "STRIPE_NUMBERS", stripe)
    encoding = build(*skewed()).double()
    x = (2 * torch.randn(4, 11, 3, dtype=torch.double)).requires_grad_()
    weight = torch.rand(4, 11, 3, dtype=torch.double).requires_grad_() if weighted else None
    matrix = torch.randn(18, 5, dtype=torch.double, requires_grad=True)
    inputs = [t for t in (x, matrix, weight) if t is not None]
    slow = encoding(x) if weight is None else encoding(x) * weight[..., None, :]
    ours, theirs = encoding.product(x, matrix, weight), slow.flatten(-2) @ matrix
    torch.testing.assert_close(ours, theirs)
    direction = torch.randn_like(ours)
    for own, other in zip(
        torch.autograd.grad(ours, inputs, direction),
        torch.autograd.grad(theirs, inputs, direction),
        strict=True,
    ):
        torch.testing.assert_close(own, other)


def test_of_several_stripes_nothing_that_is_encoded_is_stored_for_the_backward_pass(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(feature_encoding, "STRIPE_NUMBERS", 1 << 10)
    sizes: list[int] = []
    encoding, matrix = build(*skewed(), bins=40), torch.randn(120, 2, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: sizes.append(t.numel()) or t, lambda t: t):
        encoding.product(torch.randn(5000, 3), matrix, torch.rand(5000, 3)).sum().backward()
    assert max(sizes) <= 5000 * 3


def test_what_a_single_stripe_keeps_has_the_format_of_the_products_on_a_device() -> None:
    encoding = build(*skewed()).to("meta")
    x = torch.empty(50, 3, device="meta")
    saved: list[torch.Tensor] = []
    with (
        torch.autograd.graph.saved_tensors_hooks(lambda t: saved.append(t) or t, lambda t: t),
        torch.autocast("cpu", torch.bfloat16),
    ):
        encoding.product(x, torch.empty(18, 2, device="meta", requires_grad=True), torch.rand_like(x))
    kept = [t for t in saved if t.numel() == 50 * 18]
    assert len(kept) == 2 and {t.dtype for t in kept} == {torch.bfloat16}


def test_bfloat16_autocast_rounds_the_product_and_no_edge() -> None:
    encoding, matrix = build(*skewed(), bins=48), torch.randn(144, 8, requires_grad=True)
    x = 2 * torch.randn(500, 3)
    exact = encoding.product(x, matrix)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = encoding.product(x, matrix)
    assert rounded.dtype == torch.bfloat16
    torch.testing.assert_close(rounded.float(), exact, atol=0.1, rtol=0.02)
    direction = torch.randn(500, 8)
    (own,), (other,) = (torch.autograd.grad(y, matrix, direction.to(y.dtype)) for y in (rounded, exact))
    assert own.dtype == torch.float32
    assert torch.corrcoef(torch.stack((own.flatten(), other.flatten())))[0, 1] > 0.999


@pytest.mark.parametrize("kind", ["piecewise_linear", "periodic", "none"])
def test_it_computes_shapes_on_the_meta_device_and_takes_no_rows(kind: Any) -> None:
    with torch.device("meta"):
        encoding = FeatureEncoding(3, kind, 4)
        rows = encoding.product(torch.empty(7, 2, 3), torch.empty(3 * encoding.size, 5))
    assert rows.shape == (7, 2, 5) and rows.device.type == "meta"
    encoding = FeatureEncoding(3, kind, 4)
    assert encoding.product(torch.empty(0, 3), torch.ones(3 * encoding.size, 5)).shape == (0, 5)


@pytest.mark.parametrize("kind", ["piecewise_linear", "periodic", "none"])
def test_dropout_hides_whole_features_of_a_row_in_training_only(kind: Any) -> None:
    encoding = build(*skewed(), kind=kind, dropout=0.25)
    x = torch.full((4000, 3), 0.4)
    # One column of weights for each feature: what of each is in the row.
    matrix = torch.eye(3).repeat(encoding.size, 1)
    whole = encoding.eval().product(x, matrix)
    dropped = encoding.train().product(x, matrix)
    ratio = dropped / whole
    assert torch.equal(whole, encoding.eval().product(x, matrix))
    assert ((ratio.abs() < 1e-5) | ((ratio - 1 / 0.75).abs() < 1e-4)).all()
    assert ((ratio > 0.5).float().mean(0) - 0.75).abs().max() < 0.05
    assert not torch.equal(ratio[:, 0] > 0.5, ratio[:, 1] > 0.5)
    # A feature that stays keeps its own weight in the row.
    weight = 0.5 + torch.rand(4000, 3)
    ratio = encoding.train().product(x, matrix, weight) / (weight * whole)
    assert ((ratio.abs() < 1e-5) | ((ratio - 1 / 0.75).abs() < 1e-4)).all()


def test_periodic_is_sines_and_cosines_a_linear_layer_for_each_feature_and_relu() -> None:
    encoding, x = build(*skewed(), kind="periodic", bins=4, sigma=0.5), torch.randn(10, 3)

    def curves(value: torch.Tensor, f: int) -> torch.Tensor:
        angle = 2 * torch.pi * encoding.frequency[f] * value[..., None]
        waves = torch.cat((angle.sin(), angle.cos()), -1)
        return (waves @ encoding.matrix[f] + encoding.bias[f, 0]).relu()

    for f in range(3):
        expected = curves(x[:, f], f) - curves(torch.zeros(10), f)
        torch.testing.assert_close(encoding(x)[..., f], expected, atol=1e-5, rtol=1e-4)
    wide = build(*skewed(features=50), kind="periodic", bins=100, sigma=0.5)
    assert abs(wide.frequency.std().item() - 0.5) < 0.02


def test_none_is_a_plain_linear_layer() -> None:
    encoding, x, matrix = build(*skewed(), kind="none"), torch.randn(10, 3), torch.randn(3, 4)
    assert torch.equal(encoding.product(x, matrix), x @ matrix)
    assert not encoding.state_dict() and torch.equal(encoding(x)[:, 0], x)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bins": 1}, "bins must be 2 to 240"),
        ({"dropout": 1.0}, "encoding_dropout must be at least 0"),
        ({"sigma": 0.0}, "encoding_sigma must be a number above 0"),
        ({"sigma": math.inf}, "encoding_sigma must be a number above 0"),
    ],
)
def test_a_number_out_of_range_is_an_error_that_names_its_option(options: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        FeatureEncoding(3, "periodic", **options)


def test_quantiles_of_another_panel_are_an_error_of_one_line() -> None:
    good = scaling_of(*skewed())
    other = scaling_of(*skewed(features=2))
    holed = good._replace(quantiles=torch.full_like(good.quantiles, torch.nan))
    turned = good._replace(quantiles=good.quantiles.flip(1))
    for scaling, message in (
        (other, "3 features, got quantiles of 2"),
        (holed, "finite"),
        (turned, "ascend"),
    ):
        with pytest.raises(InputError, match=message) as error:
            build(*skewed()).set_scaling(scaling)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "name", ["ATFTGATFAN-piecewise-linear", "TabM-piecewise-linear", "MASTER-piecewise-linear"]
)
def test_a_network_passes_the_quantiles_on_and_its_checkpoint_carries_the_edges(name: str) -> None:
    network: nn.Module = small_network(name)
    scaling = scaling_of(*skewed(features=5))._replace(regime_median=torch.zeros(2), regime_iqr=torch.ones(2))
    network.set_scaling(scaling)
    (edges,) = (value for key, value in network.state_dict().items() if key.endswith("encoding.edges"))
    assert edges.shape[0] == 5 and (edges[:, -1] == 5).all() and (edges[:, 0] > -1.5).all()
