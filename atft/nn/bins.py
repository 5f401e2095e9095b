"""Read a number by bins: ``clamp((x - a) / (b - a), 0, 1)`` of the bin between the edges ``a`` and ``b``.

One linear layer on a number's bins is any curve of it that is straight between edges. The encoding of 0, the median
of what is scaled, is subtracted, so that a median and an unknown value are all zeros.

Paper: Gorishniy, Rubachev and Babenko, "On Embeddings for Numerical Features in Tabular Deep Learning", NeurIPS
2022, section 3.2.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from atft.errors import InputError

MIN_BIN_WIDTH = 1e-6
"""In interquartile ranges. A narrower bin is two equal edges (a flag, ties) but for rounding, and empty."""


def quantile_edges(
    quantiles: Float[Tensor, "columns levels"],
    median: Float[Tensor, " columns"],
    iqr: Float[Tensor, " columns"],
    bins: int,
    largest: float,
) -> Float[Tensor, "columns edges"]:
    """Edges of bins that are equally likely on the training days, in the unit of ``(x - median) / iqr``.

    Args:
        quantiles: in each column's unit, at equally spaced levels from 0 to 1.
        median: of each column.
        iqr: of each column; 1 in position of 0.
        bins: of each column.
        largest: scaled values are cut there, and so are edges.

    Raises:
        InputError: quantiles are not finite or descending.
    """
    if not (quantiles.isfinite().all() and (quantiles.diff(dim=1) >= 0).all()):
        raise InputError("scaling: quantiles of a feature are not finite or not ascending")
    scale = torch.where(iqr > 0, iqr, torch.ones_like(iqr))
    at_bins = _between_levels(quantiles, bins)
    return ((at_bins - median[:, None]) / scale[:, None]).clamp(-largest, largest)


def equal_edges(columns: int, bins: int, largest: float) -> Float[Tensor, "columns edges"]:
    """Edges of equally wide bins between plus and minus ``largest``, the same for each column."""
    return torch.linspace(-largest, largest, bins + 1).expand(columns, -1).clone()


def bin_lines(edges: Float[Tensor, "columns edges"]) -> Float[Tensor, "4 bins columns"]:
    """Slope, level, low and high of ``clamp(slope * x + level, low, high)``; all 0 for an empty bin."""
    by_edge = edges.T.contiguous()
    width = by_edge.diff(dim=0)
    wide = width > MIN_BIN_WIDTH
    slope = torch.where(wide, 1 / width, 0.0)
    offset = -by_edge[:-1] * slope
    at_median = offset.clamp(0, 1)
    return torch.stack((slope, offset - at_median, -at_median, wide.to(slope.dtype) - at_median))


def encode(
    x: Float[Tensor, "*rows columns"], lines: Float[Tensor, "4 bins columns"], out: Tensor | None = None
) -> Float[Tensor, "*rows bins columns"]:
    """``clamp(slope * x + level, low, high)``, in two passes; columns are last: bins are too short a loop.

    Values beyond the outer edges encode as the edges do.
    """
    slope, level, low, high = lines
    line = torch.addcmul(level, x[..., None, :], slope, out=out)
    # In the format of the result: to round and then to clamp to what is rounded is to clamp and then to round.
    return torch.clamp(line, low.to(line.dtype), high.to(line.dtype), out=out)


def _between_levels(grid: Float[Tensor, "columns levels"], bins: int) -> Float[Tensor, "columns edges"]:
    """Quantiles at the levels 0, 1 / bins, ..., 1, linear between those of the grid."""
    last = grid.shape[1] - 1
    position = torch.arange(bins + 1, device=grid.device) * last
    before, after = position // bins, (position // bins + 1).clamp(max=last)
    return torch.lerp(grid[:, before], grid[:, after], (position % bins / bins).to(grid.dtype))
