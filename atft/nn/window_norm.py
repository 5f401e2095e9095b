"""Normalise each window per feature, and pass the removed statistics (level, scale, ...) to the head separately.

One member of the family in `normalisers` is built, or none. All work on the scaled features, not on the hidden
channels behind variable selection:

- a level or a cycle belongs to a feature. A hidden channel mixes all features, so the loudest one would decide what
  is taken out, and what differs from stock to stock would be taken out of some channels only;
- a residual in units of its own scale makes a small value under a large drift as loud as any other feature;
- inputs carry no gradient, so the backward costs little or nothing.

The normalised window is a view beside the rows, which stay in the network: nothing is hidden. It reads a window up
to and including its last day, the day that is ranked.
"""

from collections.abc import Callable
from functools import partial

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from atft.errors import InputError, nearest
from atft.full_precision import full_precision, product_dtype
from atft.nn.cache_parts import cache_parts
from atft.nn.embedded_windows import EmbeddedWindows
from atft.nn.normalisers import (
    SLICES,
    DishNorm,
    FourierMatrices,
    NormalisedWindow,
    frequency_norm,
    reversible_norm,
    slice_norm,
)
from atft.nn.window_steps import as_patches, patch_count

MEMBERS = {"revin": 2, "dish_ts": 4, "san": 2 * SLICES, "fan": 4}
"""How many numbers per feature the summary of each member has."""
STRIPE_NUMBERS = 1 << 18
"""Numbers of a window that a thread of a CPU normalises at a time, 1 MB: a member's passes stay in its cache."""
Normaliser = Callable[[Tensor, Tensor], NormalisedWindow]
"""From a window [lookback, stocks, features] and where it was observed to the normalised window."""


def normaliser(name: str, n_features: int) -> Normaliser:
    """Build a member of the family."""
    if name not in MEMBERS:
        raise InputError(
            f"model.network.init_args.window_norm: no window normalisation {name!r}{nearest(name, MEMBERS)}"
        )
    if name == "dish_ts":
        return DishNorm(n_features)
    return {"revin": reversible_norm, "san": slice_norm, "fan": frequency_norm}[name]


class WindowNorm(nn.Module):
    """Normalise windows by a member of :data:`MEMBERS`, and embed the residual and the removed statistics."""

    def __init__(self, name: str, n_features: int, hidden_size: int, patch_days: int = 1) -> None:
        super().__init__()
        self.normalise, self.patch_days = normaliser(name, n_features), patch_days
        self.residual_rows = nn.Linear(n_features, hidden_size, bias=False)
        self.window_summary = nn.Linear(MEMBERS[name] * n_features, hidden_size, bias=False)

    def forward(
        self,
        window: EmbeddedWindows,
        scaled: Float[Tensor, "span stocks features"],
        observed: Bool[Tensor, "span stocks"],
    ) -> tuple[EmbeddedWindows, Float[Tensor, "days stocks hidden"]]:
        """Add to the embedded windows the view of their residuals; also return the embedded summaries."""
        residual, summary = normalise_windows(self.normalise, scaled, observed, window.days, self.patch_days)
        statistics: Tensor = self.window_summary(summary)
        return window._replace(residual=residual, projection=self.residual_rows.weight), statistics


def normalise_windows(
    normalise: Normaliser,
    scaled: Float[Tensor, "span stocks features"],
    observed: Bool[Tensor, "span stocks"],
    days: int,
    patch_days: int = 1,
) -> tuple[Float[Tensor, "patches days stocks patch_days features"], Float[Tensor, "days stocks summary"]]:
    """Normalise the window of each of the span's last ``days`` days, each from its own days only.

    Under autocast a residual without a gradient is rounded to the format of the products that read it.
    """
    read_as = product_dtype(scaled.device, scaled.dtype)
    lookback, stocks = len(scaled) - days + 1, scaled.shape[1]
    if normalise is frequency_norm:
        normalise = partial(frequency_norm, waves=FourierMatrices.of(lookback, scaled.dtype, scaled.device))
    learns = torch.is_grad_enabled() and (scaled.requires_grad or isinstance(normalise, nn.Module))
    # In full precision: the residual under a large cycle would drown in bfloat16's rounding.
    with torch.set_grad_enabled(learns), full_precision(scaled.device):
        # An exported program has neither a loop over stocks nor a buffer: it scores any number of them.
        if learns or torch.compiler.is_compiling():
            parts = [normalise(scaled[d : d + lookback], observed[d : d + lookback]) for d in range(days)]
            residual = as_patches(torch.stack([p.residual for p in parts], dim=1), patch_days)
            return residual, torch.stack([p.summary for p in parts])
        shape = (patch_count(lookback, patch_days), days, stocks, patch_days, scaled.shape[2])
        residual, summaries = scaled.new_empty(shape, dtype=read_as), []
        for stripe in cache_parts(stocks, scaled[:lookback, 0].numel(), STRIPE_NUMBERS, scaled.device):
            of_days = []
            # The windows of neighbouring days share all but one row, which stays in the cache.
            for day in range(days):
                part = slice(day, day + lookback), stripe
                window, summary = normalise(scaled[part], observed[part])
                residual[:, day, stripe] = as_patches(window, patch_days)
                of_days.append(summary)
            summaries.append(torch.stack(of_days))
    return residual, torch.cat(summaries, dim=1)
