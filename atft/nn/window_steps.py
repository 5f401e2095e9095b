"""The steps in which a recurrence reads a window: its days, or patches of several days.

A recurrence over 60 days writes 60 states a stock-day, the largest tensors of a training step, and attention passes
over them again. A patch reads neighbouring days as one step, ``x'_j = sum_i a_i * x_(p j + i)``, where each hidden
unit weighs the days of a patch by numbers of its own, so that a window of 60 days is 15 steps of 4. The last day
still reaches the encoder as it is, beside the recurrence.

The sum is linear, so windows share what they read of the span's rows, as they do where a step is a day; and a
window's own residual goes through ``a_i * P``, one small matrix. Where the lookback is no multiple of a patch the
oldest patch has fewer days, and reads them as if zeros stood before them.

Matrices in place of the weights (an embedding of all units of a patch's days, as PatchTST's) were no better on
simulated markets, slower, and worse on a real one: EXPERIMENTS.md.

Papers: Nie, Nguyen, Sinthong and Kalagnanam, "A Time Series is Worth 64 Words: Long-term Forecasting with
Transformers", ICLR 2023, section 3.1 (patches); Gu and Dao, "Mamba: Linear-Time Sequence Modeling with Selective
State Spaces", 2023, section 3.4 (a convolution of each unit by itself before a gated recurrence).
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from atft.full_precision import full_precision, product_dtype
from atft.nn.embedded_windows import EmbeddedWindows

PART_NUMBERS = 1 << 18
"""Numbers of the patches that a thread of a CPU adds up at a time, 1 MB: a dozen passes stay in its cache."""


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


class PatchSum(nn.Module):
    """Read each ``patch_days`` neighbouring days of a window as one step, counted back from its last day."""

    def __init__(self, hidden_size: int, patch_days: int) -> None:
        super().__init__()
        # About the mean of the days, each unit's another one.
        self.weight = nn.Parameter(torch.empty(patch_days, hidden_size).uniform_(0, 2 / patch_days))

    def forward(self, window: EmbeddedWindows) -> WindowSteps:
        days, patch_days = window.days, len(self.weight)
        lookback = len(window.rows) - days + 1
        patches, oldest = patch_count(lookback, patch_days), oldest_patch_days(lookback, patch_days)
        starts: Sequence[int]
        if oldest == patch_days:
            rows, starts = sum_patches(window.rows, self.weight), range(0, lookback, patch_days)
        else:
            # The oldest patch of each window reads its last days only, whatever the block has before them.
            rows = sum_patches(window.rows[: days + oldest - 1], self.weight[-oldest:])
            if patches > 1:
                rows = torch.cat((rows, sum_patches(window.rows[oldest:], self.weight)))
            starts = (0, *range(days, days + lookback - oldest, patch_days))
        residual, projection = window.residual, window.projection
        if residual is not None and projection is not None:
            residual = residual.flatten(-2)
            projection = torch.einsum("ph,hf->hpf", self.weight, projection).flatten(1)
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


def sum_patches(
    rows: Float[Tensor, "span stocks hidden"], weight: Float[Tensor, "patch_days hidden"]
) -> Float[Tensor, "patches stocks hidden"]:
    """Add up the patch that begins at each row: ``out[t] = sum_i weight[i] * rows[t + i]``."""
    # A graph of plain operations is what an exporter can write and a compiler can fuse.
    if torch.compiler.is_compiling():
        return plain_patches(rows, weight)
    read_as = product_dtype(rows.device, rows.dtype)
    with full_precision(rows.device):
        sums: Tensor = _Patches.apply(rows.to(read_as), weight.to(read_as))  # type: ignore[no-untyped-call]
    return sums


def plain_patches(
    rows: Float[Tensor, "span stocks hidden"], weight: Float[Tensor, "patch_days hidden"]
) -> Float[Tensor, "patches stocks hidden"]:
    """Write the formula as it reads: the oracle of :func:`sum_patches`, and what is exported."""
    patches = len(rows) - len(weight) + 1
    return torch.stack([rows[i : i + patches] * w for i, w in enumerate(weight)]).sum(0)


class _Patches(torch.autograd.Function):
    """The sums and their gradients, a few patches at a time; torch's own backward fills a span for each weight."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(rows, weight)
        out = rows.new_empty(len(rows) - len(weight) + 1, *rows.shape[1:])
        for start, stop in _parts(out):
            torch.mul(rows[start:stop], weight[0], out=out[start:stop])
            for i, w in enumerate(weight[1:], 1):
                out[start:stop].addcmul_(rows[start + i : stop + i], w)
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        (rows, weight), (by_sums,) = ctx.saved_tensors, gradients
        of_rows = torch.zeros_like(rows)
        of_weight = torch.zeros_like(weight, dtype=torch.promote_types(weight.dtype, torch.float32))
        for start, stop in _parts(by_sums):
            by = by_sums[start:stop]
            for i, w in enumerate(weight):
                of_rows[start + i : stop + i].addcmul_(by, w)
                of_weight[i] += (rows[start + i : stop + i] * by).sum((0, 1), dtype=of_weight.dtype)
        return of_rows, of_weight.to(weight.dtype)


def _parts(patches: Tensor) -> list[tuple[int, int]]:
    """Bounds of parts of the patches, which a processor's cache keeps; all of them on a GPU."""
    size = len(patches)
    if patches.device.type == "cpu":
        size = max(1, PART_NUMBERS * torch.get_num_threads() // max(1, patches[0].numel()))
    return [(start, min(start + size, len(patches))) for start in range(0, len(patches), max(1, size))]
