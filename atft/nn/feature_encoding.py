r"""Encode each feature by itself as several numbers, so that one linear layer reads it by any curve.

A linear layer on a feature's rank can only weigh it; a tree cuts it anywhere. Piecewise linear, as in Gorishniy,
Rubachev and Babenko, "On Embeddings for Numerical Features in Tabular Deep Learning", NeurIPS 2022, section 3.2:
the number of the bin between the edges ``a`` and ``b`` is ``clamp((x - a) / (b - a), 0, 1)``. Here the encoding of
the median is subtracted, so that a median and an unknown value are all zeros.

Cost of ``product`` at F features, B bins, H outputs: 2 F B H FLOP a row forward, as many backward, twice as many
backward where rows have weights; 4 (F + H) bytes a row in and out. The encoding itself, 4 F B bytes a row, is made
in stripes that stay in the processor's cache, again in the backward pass, and never stored: 8 kB a row at 170
features and 12 bins. One thread of a 2.6 GHz Zen 4 core takes 14 us a row forward and backward for 128 outputs, as
long as the matrix products alone (`benchmarks/encoding_speed.py`).
"""

from collections.abc import Iterator
from math import pi, sqrt
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from atft.errors import InputError
from atft.full_precision import product_dtype
from atft.network import Scaling
from atft.nn.bins import bin_lines, encode, equal_edges, quantile_edges
from atft.nn.dropout import drop
from atft.nn.robust_input import MAX_SCALED, ScaledModule
from atft.nn.sizes import check_positive, check_shares, check_sizes

Encoding = Literal["piecewise_linear", "periodic", "none"]
RANK_BOUND = sqrt(3.0)
"""Ranks in the cache are uniform between minus and plus this, with standard deviation 1."""
STRIPE_NUMBERS = 1 << 19
"""Encoded numbers that each thread of a CPU has in memory at a time, 2 MB in float32: they stay in its cache."""
MAX_STRIPE_NUMBERS = 1 << 27
"""Encoded numbers that are in memory at a time on other devices."""


class FeatureEncoding(ScaledModule):
    """Encode scaled features, each as ``size`` numbers that are 0 at 0, its median.

    Args:
        features: number of features.
        kind: piecewise_linear: bins between quantiles of the training days; periodic: learned frequencies, a linear
            layer for each feature and ReLU (the paper's PLR, section 3.3); none: the feature itself.
        bins: numbers per feature, 2 to 240; none does not read it.
        dropout: share of the features of each row that are 0 in training; the others grow by ``1 / (1 - dropout)``.
        sigma: standard deviation of the initial frequencies, in cycles per interquartile range (of a rank: per
            standard deviation); above 0. The larger, the finer the first curves.
    """

    edges: Tensor

    def __init__(
        self, features: int, kind: Encoding, bins: int = 12, dropout: float = 0.0, sigma: float = 0.1
    ) -> None:
        super().__init__()
        check_sizes(2, 240, bins=bins)
        check_shares(encoding_dropout=dropout)
        check_positive(encoding_sigma=sigma)
        self.features, self.kind, self.dropout = features, kind, dropout
        self.size = 1 if kind == "none" else bins
        self.variance = 1.0
        """Mean square of a rank's encoding, summed over its numbers: what a first layer's weights are scaled by."""
        if kind == "piecewise_linear":
            self.variance = bins / 4
            self.register_buffer("edges", equal_edges(features, bins, RANK_BOUND))
        elif kind == "periodic":
            self.variance = bins / 48
            bound = (2 * bins) ** -0.5
            self.frequency = nn.Parameter(sigma * torch.randn(features, bins))
            self.matrix = nn.Parameter(torch.empty(features, 2 * bins, bins).uniform_(-bound, bound))
            self.bias = nn.Parameter(torch.empty(features, 1, bins).uniform_(-bound, bound))

    def set_scaling(self, scaling: Scaling) -> None:
        """Take the edges of bins from the training days' quantiles, in the unit that `RobustInput` scales to.

        Without quantiles the bins are equally wide, as those of ranks. Kinds without edges ignore it.

        Raises:
            InputError: quantiles of another number of features, not finite or descending.
        """
        if self.kind != "piecewise_linear":
            return
        edges = equal_edges(self.features, self.size, RANK_BOUND)
        if scaling.quantiles is not None:
            if len(scaling.quantiles) != self.features:
                raise InputError(
                    f"scaling: the network has {self.features} features, got quantiles of "
                    f"{len(scaling.quantiles)}; build both from one panel"
                )
            edges = quantile_edges(scaling.quantiles, scaling.median, scaling.iqr, self.size, MAX_SCALED)
        with torch.no_grad():
            self.edges.copy_(edges)

    def forward(self, x: Float[Tensor, "*rows features"]) -> Float[Tensor, "*rows size features"]:
        """Encode scaled features without NaN; values beyond the outer edges encode as the edges do."""
        if self.kind == "none":
            return x[..., None, :]
        if self.kind == "piecewise_linear":
            return encode(x, bin_lines(self.edges))
        return (self._curves(x) - self._curves(torch.zeros_like(self.frequency[:, 0]))).mT

    def product(
        self,
        x: Float[Tensor, "*rows features"],
        matrix: Float[Tensor, "inputs outputs"],
        weight: Float[Tensor, "*rows features"] | None = None,
    ) -> Float[Tensor, "*rows outputs"]:
        """Multiply the encoding of each row, each feature's by its weight, by a matrix: a first layer.

        Args:
            x: scaled features, without NaN.
            matrix: its rows are those of bin 0 of all features, then of bin 1, and so on.
            weight: of the features of each row; all 1 without.
        """
        if self.training and self.dropout > 0:
            kept = drop(torch.ones_like(x), self.dropout)
            weight = kept if weight is None else weight * kept
        if self.kind == "none":
            return (x if weight is None else weight * x) @ matrix
        if self.kind == "piecewise_linear" and torch.compiler.is_exporting():
            return self._product_by_bins(x, matrix, weight)
        if self.kind == "piecewise_linear":
            dtype = product_dtype(x.device, matrix.dtype)
            flat = None if weight is None else weight.reshape(-1, self.features).to(x.dtype)
            arguments = (x.reshape(-1, self.features), flat, matrix.to(dtype), bin_lines(self.edges))
            rows: Tensor = _EncodedProduct.apply(*arguments)  # type: ignore[no-untyped-call]
            return rows.view(*x.shape[:-1], matrix.shape[1])
        encoded = self(x)
        if weight is not None:
            encoded = encoded * weight[..., None, :]
        # In the order in which the curves are computed, features first: the matrix is smaller than all rows.
        by_feature = matrix.view(self.size, self.features, -1).transpose(0, 1).flatten(0, 1)
        embedded: Tensor = encoded.mT.flatten(-2) @ by_feature
        return embedded

    def _product_by_bins(self, x: Tensor, matrix: Tensor, weight: Tensor | None) -> Tensor:
        """The same product as a sum over bins: an exported program has neither stripes nor loops over rows."""
        slope, level, low, high = bin_lines(self.edges)
        by_bin = matrix.view(self.size, self.features, -1)
        product = x.new_zeros(())
        for b in range(self.size):
            encoded = torch.clamp(torch.addcmul(level[b], x, slope[b]), low[b], high[b])
            product = product + (encoded if weight is None else weight * encoded) @ by_bin[b]
        return product

    def _curves(self, x: Float[Tensor, "*rows features"]) -> Float[Tensor, "*rows features size"]:
        """A linear layer and ReLU on each feature's own waves."""
        angle = (2 * pi * self.frequency)[:, None] * x.reshape(-1, self.features).T[..., None]
        of_sine, of_cosine = self.matrix.chunk(2, dim=1)
        curves = torch.baddbmm(torch.baddbmm(self.bias, angle.sin(), of_sine), angle.cos(), of_cosine)
        return curves.relu().transpose(0, 1).reshape(*x.shape, self.size)


class _EncodedProduct(torch.autograd.Function):
    """``(weight * encode(x)).flatten() @ matrix`` in stripes of rows, without storing what is encoded."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor | None, matrix: Tensor, lines: Tensor) -> Tensor:
        out = matrix.new_empty(len(x), matrix.shape[1])
        kept: tuple[Tensor, ...] = ()
        for rows, encoded in _stripes(x, lines, matrix.dtype):
            # A stripe that is all rows is read again in the backward pass, as it is and weighed.
            is_all = len(encoded) == len(x)
            weighed = encoded
            if weight is not None:
                room = torch.empty_like(encoded) if is_all else encoded
                weighed = torch.mul(encoded, weight[rows, None], out=room)
            kept = (encoded, weighed) if is_all else ()
            torch.mm(weighed.flatten(1).to(matrix.dtype), matrix, out=out[rows])
        ctx.save_for_backward(x, weight, matrix, lines, *kept)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, matrix, lines, *kept = ctx.saved_tensors
        of_x, of_weight, of_matrix, _ = ctx.needs_input_grad
        d_x = torch.empty_like(x) if of_x else None
        d_weight = torch.empty_like(weight) if of_weight else None
        # Stripes are added up in the precision of x, whatever autocast multiplies in.
        d_matrix = torch.zeros_like(matrix, dtype=x.dtype) if of_matrix else None
        stripes = [(slice(None), kept[0])] if kept else _stripes(x, lines, matrix.dtype)
        for rows, encoded in stripes:
            g = gradient[rows]
            if d_x is not None or d_weight is not None:
                back = (g @ matrix.T).to(encoded.dtype).view(encoded.shape)
                if d_x is not None:
                    # A bin moves with x between its edges only.
                    slope, _, low, high = lines.to(encoded.dtype)
                    moved = back * slope * ((encoded > low) & (encoded < high))
                    torch.sum(moved, dim=1, dtype=x.dtype, out=d_x[rows])
                    if weight is not None:
                        d_x[rows] *= weight[rows]
                if d_weight is not None:
                    torch.sum(back.mul_(encoded), dim=1, dtype=x.dtype, out=d_weight[rows])
            if d_matrix is not None:
                weighed = kept[1] if kept else encoded
                if weight is not None and not kept:
                    weighed.mul_(weight[rows, None])
                flat = weighed.flatten(1)
                if matrix.dtype == x.dtype:
                    d_matrix.addmm_(flat.T, g)
                else:
                    d_matrix += flat.to(matrix.dtype).T @ g
        return d_x, d_weight, None if d_matrix is None else d_matrix.to(matrix.dtype), None


def _stripes(x: Tensor, lines: Tensor, dtype: torch.dtype) -> Iterator[tuple[slice, Tensor]]:
    """Encode rows a stripe at a time, into one buffer: the rows' slice and what is encoded.

    In the format of the products, ``dtype``; but a CPU's stripe is in its cache, where bfloat16 is a tenth slower.
    """
    on_cpu = x.device.type == "cpu"
    numbers = STRIPE_NUMBERS * torch.get_num_threads() if on_cpu else MAX_STRIPE_NUMBERS
    count = max(16, numbers // lines[0].numel())
    kind = x.dtype if on_cpu else dtype
    buffer = x.new_empty(min(count, len(x)), *lines.shape[1:], dtype=kind)
    for start in range(0, len(x), count):
        rows = slice(start, min(start + count, len(x)))
        yield rows, encode(x[rows], lines, buffer[: rows.stop - start])
