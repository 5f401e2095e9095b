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
from atft.nn.cache_parts import cache_parts
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
        # A block with fewer days than a patch leaves gaps: no window reads the patches that begin there.
        gaps = days < patch_days
        every = (patch_days, days) if gaps else (1, 1)
        starts: Sequence[int] = range(0, patches * days, days) if gaps else range(0, lookback, patch_days)
        if oldest == patch_days:
            rows = sum_patches(window.rows, self.weight, *every)
        else:
            # The oldest patch of each window reads its last days only, whatever the block has before them.
            rows = sum_patches(window.rows[: days + oldest - 1], self.weight[-oldest:])
            if patches > 1:
                rows = torch.cat((rows, sum_patches(window.rows[oldest:], self.weight, *every)))
            if not gaps:
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
    rows: Float[Tensor, "span stocks hidden"],
    weight: Float[Tensor, "patch_days hidden"],
    step: int = 1,
    days: int = 1,
) -> Float[Tensor, "patches stocks hidden"]:
    """Add up the patches that begin at each row: ``out[t] = sum_i weight[i] * rows[t + i]``.

    Args:
        rows: of a block's days.
        weight: of the days of a patch.
        step: rows from one patch to the next.
        days: patches that begin at neighbouring rows of each step: ``out[j days + d]`` begins at ``j step + d``.
    """
    # A graph of plain operations is what an exporter can write and a compiler can fuse.
    if torch.compiler.is_compiling():
        return plain_patches(rows, weight, step, days)
    read_as = product_dtype(rows.device, rows.dtype)
    with full_precision(rows.device):
        sums: Tensor = _Patches.apply(  # type: ignore[no-untyped-call]
            rows.to(read_as), weight.to(read_as), step, days
        )
    return sums


def plain_patches(
    rows: Float[Tensor, "span stocks hidden"],
    weight: Float[Tensor, "patch_days hidden"],
    step: int = 1,
    days: int = 1,
) -> Float[Tensor, "patches stocks hidden"]:
    """Write the formula as it reads: the oracle of :func:`sum_patches`, and what is exported."""
    starts = slice(0, _steps(rows, weight, step, days))
    of_days = [
        torch.stack([_read(rows, starts, step, day + i) * w for i, w in enumerate(weight)]).sum(0)
        for day in range(days)
    ]
    return torch.stack(of_days, dim=1).flatten(0, 1)


class _Patches(torch.autograd.Function):
    """The sums and their gradients, a few patches at a time; torch's own backward fills a span for each weight."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, weight: Tensor, step: int, days: int) -> Tensor:
        ctx.save_for_backward(rows, weight)
        ctx.step, ctx.days = step, days
        out = rows.new_empty(_steps(rows, weight, step, days), days, *rows.shape[1:])
        for part in _parts(out):
            for day in range(days):
                sums = out[part, day]
                torch.mul(_read(rows, part, step, day), weight[0], out=sums)
                for i, w in enumerate(weight[1:], 1):
                    sums.addcmul_(_read(rows, part, step, day + i), w)
        return out.flatten(0, 1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (rows, weight), (by_sums,) = ctx.saved_tensors, gradients
        by_sums = by_sums.reshape(-1, ctx.days, *by_sums.shape[1:])
        of_rows = torch.zeros_like(rows)
        of_weight = torch.zeros_like(weight, dtype=torch.promote_types(weight.dtype, torch.float32))
        for part in _parts(by_sums):
            for day in range(ctx.days):
                by = by_sums[part, day]
                for i, w in enumerate(weight):
                    _read(of_rows, part, ctx.step, day + i).addcmul_(by, w)
                    of_weight[i] += (_read(rows, part, ctx.step, day + i) * by).sum(
                        (0, 1), dtype=of_weight.dtype
                    )
        return of_rows, of_weight.to(weight.dtype), None, None


def _steps(rows: Tensor, weight: Tensor, step: int, days: int) -> int:
    """How many steps have all rows of their patches."""
    return (len(rows) - len(weight) - days + 1) // step + 1


def _read(rows: Tensor, steps: slice, step: int, ahead: int) -> Tensor:
    """The row that is so far ahead of each step's first; a view."""
    return rows[steps.start * step + ahead : (steps.stop - 1) * step + ahead + 1 : step]


def _parts(patches: Tensor) -> list[slice]:
    return cache_parts(len(patches), patches[0].numel(), PART_NUMBERS, patches.device)
