"""The steps in which a recurrence reads a window: its days, or patches of several days.

A recurrence over 60 days writes 60 states a stock-day, the largest tensors of a training step, and attention passes
over them again. A patch embeds neighbouring days as one step, ``x'_j = sum_i E_i x_(p j + i)``, so that a window of
60 days is 15 steps of 4. No day is left out, and none is read less closely than ``E`` makes it: where a day in the
patch matters, its matrix learns so. The last day still reaches the encoder as it is, beside the recurrence.

The embedding is linear, so windows share what they read of the span's rows, as they do where a step is a day; and a
window's own residual goes through ``E_i P``, one small matrix. Where the lookback is no multiple of a patch the
oldest patch has fewer days, and reads them as if zeros stood before them.

Paper: Nie, Nguyen, Sinthong and Kalagnanam, "A Time Series is Worth 64 Words: Long-term Forecasting with
Transformers", ICLR 2023, section 3.1 (patches that do not overlap).
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from atft.full_precision import full_precision, product_dtype
from atft.nn.embedded_windows import EmbeddedWindows


class WindowSteps(NamedTuple):
    """What a recurrence reads of each window: ``x[l, d] = rows[starts[l] + d] + residual[l, d] P'``."""

    rows: Float[Tensor, "shared stocks hidden"]
    starts: Sequence[int]
    """Which of the rows each step of the first window reads, oldest first; the next window's is one further."""
    days: int
    """Windows: one ends on each of the block's days."""
    residual: Float[Tensor, "steps days stocks inputs"] | None = None
    projection: Float[Tensor, "hidden inputs"] | None = None

    def all_steps(self) -> Float[Tensor, "steps days stocks hidden"]:
        """Return every step of each window, a copy."""
        shared = torch.stack([self.rows[start : start + self.days] for start in self.starts])
        if self.residual is None or self.projection is None:
            return shared
        from_residual = nn.functional.linear(self.residual, self.projection)
        # In place, since this is a large tensor; not where autocast made it less precise than the rows.
        return from_residual.add_(shared) if from_residual.dtype == shared.dtype else from_residual + shared


def day_steps(window: EmbeddedWindows) -> WindowSteps:
    """Read each day of a window as a step."""
    lookback = len(window.rows) - window.days + 1
    residual = None if window.residual is None else window.residual.flatten(-2)
    return WindowSteps(window.rows, range(lookback), window.days, residual, window.projection)


class PatchEmbedding(nn.Module):
    """Embed each ``patch_days`` neighbouring days of a window as one step, counted back from its last day."""

    def __init__(self, hidden_size: int, patch_days: int) -> None:
        super().__init__()
        bound = (patch_days * hidden_size) ** -0.5
        self.taps = nn.Parameter(torch.empty(patch_days, hidden_size, hidden_size).uniform_(-bound, bound))

    def forward(self, window: EmbeddedWindows) -> WindowSteps:
        days, patch_days = window.days, len(self.taps)
        lookback = len(window.rows) - days + 1
        patches, oldest = patch_count(lookback, patch_days), oldest_patch_days(lookback, patch_days)
        starts: Sequence[int]
        if oldest == patch_days:
            rows, starts = embed_patches(window.rows, self.taps), range(0, lookback, patch_days)
        else:
            # The oldest patch of each window reads its last days only, whatever the block has before them.
            rows = embed_patches(window.rows[: days + oldest - 1], self.taps[-oldest:])
            if patches > 1:
                rows = torch.cat((rows, embed_patches(window.rows[oldest:], self.taps)))
            starts = (0, *range(days, days + lookback - oldest, patch_days))
        residual, projection = window.residual, window.projection
        if residual is not None and projection is not None:
            residual = residual.flatten(-2)
            projection = torch.einsum("pkh,kf->hpf", self.taps, projection).flatten(1)
        return WindowSteps(rows, starts, days, residual, projection)


def patch_count(lookback: int, patch_days: int) -> int:
    """How many patches a window of so many days has."""
    return -(-lookback // patch_days)


def oldest_patch_days(lookback: int, patch_days: int) -> int:
    """How many days the oldest patch of a window has, at least 1."""
    return (lookback - 1) % patch_days + 1


def as_patches(
    window: Float[Tensor, "lookback *others features"], patch_days: int
) -> Float[Tensor, "patches *others patch_days features"]:
    """Put the days of a patch side by side; a view, unless the oldest patch has zeros before its days."""
    lookback, *shape = window.shape
    missing = -lookback % patch_days
    if missing:
        window = torch.cat((window.new_zeros(missing, *shape), window))
    return window.reshape(-1, patch_days, *shape).movedim(1, -2)


def weights_of_days(
    weights: Float[Tensor, "*rows steps"], lookback: int, patch_days: int
) -> Float[Tensor, "*rows lookback"]:
    """Share each patch's weight equally among its days."""
    of_days = torch.full((weights.shape[-1],), patch_days, device=weights.device)
    of_days[0] = oldest_patch_days(lookback, patch_days)
    return (weights / of_days).repeat_interleave(of_days, dim=-1, output_size=lookback)


def embed_patches(
    rows: Float[Tensor, "span stocks hidden"], taps: Float[Tensor, "patch_days hidden hidden"]
) -> Float[Tensor, "patches stocks hidden"]:
    """Embed the patch that begins at each row: ``out[t] = sum_i rows[t + i] taps[i]``."""
    # A graph of plain operations is what an exporter can write and a compiler can fuse.
    if torch.compiler.is_compiling():
        return plain_patches(rows, taps)
    read_as = product_dtype(rows.device, rows.dtype)
    with full_precision(rows.device):
        embedded: Tensor = _Patches.apply(rows.to(read_as), taps.to(read_as))  # type: ignore[no-untyped-call]
    return embedded


def plain_patches(
    rows: Float[Tensor, "span stocks hidden"], taps: Float[Tensor, "patch_days hidden hidden"]
) -> Float[Tensor, "patches stocks hidden"]:
    """Write the formula as it reads: the oracle of :func:`embed_patches`, and what is exported."""
    patches = len(rows) - len(taps) + 1
    return torch.stack([rows[i : i + patches] @ tap for i, tap in enumerate(taps)]).sum(0)


class _Patches(torch.autograd.Function):
    """The products added up in place, forward and backward; torch's own backward fills a span for each of them."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, taps: Tensor) -> Tensor:
        ctx.save_for_backward(rows, taps)
        patches = len(rows) - len(taps) + 1
        out = rows[:patches].flatten(0, 1) @ taps[0]
        for i, tap in enumerate(taps[1:], 1):
            out.addmm_(rows[i : i + patches].flatten(0, 1), tap)
        return out.view(patches, *rows.shape[1:])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        rows, taps = ctx.saved_tensors
        patches, by = len(rows) - len(taps) + 1, gradients[0].flatten(0, 1)
        of_rows, of_taps = torch.zeros_like(rows), torch.empty_like(taps)
        for i, tap in enumerate(taps):
            of_rows[i : i + patches].flatten(0, 1).addmm_(by, tap.T)
            torch.mm(rows[i : i + patches].flatten(0, 1).T, by, out=of_taps[i])
        return of_rows, of_taps
