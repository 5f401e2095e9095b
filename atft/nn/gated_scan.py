"""A gated linear recurrence over windows, whose gates read the step's input only.

    z_t = sigmoid(U x_t + b),  v_t = V x_t + c,  h_t = (1 - z_t) h_{t-1} + z_t v_t

No matrix product waits for the step before, as an LSTM's do. Three things follow, which make it several times
faster at equal RankIC (EXPERIMENTS.md):

- what windows share is paid once. ``x_t`` is a row of the span plus the window's own residual: ``U`` and ``V`` are
  applied to the span's rows once, not once a window, and to residuals as one small matrix from features to gates;
- a step is one product, one sigmoid and one interpolation, in buffers that every step reuses;
- the backward pass is by hand and stores states and gates only: ``z_t (v_t - h_{t-1})`` is ``h_t - h_{t-1}``, so no
  value is needed again. Making the gates again would take longer than to store and read them.

Under autocast, sums and gates are in its format, and the states, which sum many days, in full
precision. A step is a day, or a patch of days (`window_steps`).

Paper: Feng et al. 2024, "Were RNNs All We Needed?", section 3.1 (minGRU).
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from atft.full_precision import full_precision
from atft.nn.window_steps import WindowSteps

INIT_HALF_LIVES_DAYS = (1.0, 30.0)
"""A new unit's state halves in one of these times or one between."""


class GatedScan(nn.Module):
    """The recurrence with its two matrices; the states of its units start with half-lives of one day to thirty.

    Args:
        hidden_size: units, as many as a step has numbers.
        step_days: days from one step to the next.
    """

    def __init__(self, hidden_size: int, step_days: int = 1) -> None:
        super().__init__()
        self.both = nn.Linear(hidden_size, 2 * hidden_size)
        shortest, longest = (math.log10(days) for days in INIT_HALF_LIVES_DAYS)
        share = 1 - 0.5 ** (step_days / torch.logspace(shortest, longest, hidden_size))
        # A step of 25 half-lives or more leaves nothing that float32 can tell from nothing: its logit stays finite.
        share.clamp_(max=1 - torch.finfo(share.dtype).eps / 2)
        with torch.no_grad():
            self.both.bias.copy_(torch.cat((share.logit(), torch.zeros(hidden_size))))

    def forward(
        self, steps: WindowSteps
    ) -> tuple[Float[Tensor, "steps rows hidden"], Float[Tensor, "rows hidden"]]:
        """Read each window into the states of its steps, of days x stocks rows; also return the last one's."""
        both: Tensor = self.both(steps.rows)
        residual = weight = None
        if steps.residual is not None and steps.projection is not None:
            weight = self.both.weight @ steps.projection
            residual = steps.residual.to(weight.dtype)
        return gated_scan(both, residual, weight, steps.starts, steps.days)


def gated_scan(
    both: Float[Tensor, "shared stocks both"],
    residual: Float[Tensor, "steps days stocks inputs"] | None,
    weight: Float[Tensor, "both inputs"] | None,
    starts: Sequence[int],
    days: int,
) -> tuple[Float[Tensor, "steps rows hidden"], Float[Tensor, "rows hidden"]]:
    """Run the recurrence over the windows of a block, each from a state of 0.

    Args:
        both: what each shared row adds to ``logit(z)`` and, in the second half, to ``v``.
        residual: what each window has beside the shared rows; None for nothing.
        weight: from a residual to both; None without one. In the precision of ``both``, as the residual is.
        starts: which shared row each step of the first window reads; the next window's is one further.
        days: windows of the block.

    Returns:
        The states of all steps, of days x stocks rows, in at least float32, and those of the last step once more,
        so that the gradient of a slice need not be filled up.
    """
    # A graph of plain operations is what an exporter can write and a compiler can fuse.
    if torch.compiler.is_compiling():
        return plain_scan(both, residual, weight, starts, days)
    with full_precision(both.device):
        states: tuple[Tensor, Tensor] = _Scan.apply(  # type: ignore[no-untyped-call]
            both, residual, weight, starts, days
        )
    return states


def plain_scan(
    both: Float[Tensor, "shared stocks both"],
    residual: Float[Tensor, "steps days stocks inputs"] | None,
    weight: Float[Tensor, "both inputs"] | None,
    starts: Sequence[int],
    days: int,
) -> tuple[Float[Tensor, "steps rows hidden"], Float[Tensor, "rows hidden"]]:
    """Write the recurrence as it reads: the oracle of :func:`gated_scan`, and what is exported."""
    full = torch.promote_types(both.dtype, torch.float32)
    from_residual = None if residual is None or weight is None else nn.functional.linear(residual, weight)
    states: list[Tensor] = []
    for step, start in enumerate(starts):
        sums = both[start : start + days]
        if from_residual is not None:
            sums = sums + from_residual[step]
        logit, value = sums.flatten(0, 1).chunk(2, dim=-1)
        before = states[-1] if states else torch.zeros_like(value, dtype=full)
        states.append(torch.lerp(before, value.to(full), logit.sigmoid().to(full)))
    return torch.stack(states), states[-1]


class _Scan(torch.autograd.Function):
    """The recurrence and its gradients, a step at a time."""

    @staticmethod
    def forward(
        ctx: Any,
        both: Tensor,
        residual: Tensor | None,
        weight: Tensor | None,
        starts: Sequence[int],
        days: int,
    ) -> tuple[Tensor, Tensor]:
        rows, hidden = days * both.shape[1], both.shape[2] // 2
        full = torch.promote_types(both.dtype, torch.float32)
        states = both.new_empty(len(starts), rows, hidden, dtype=full)
        gates = both.new_empty(len(starts), rows, hidden)
        sums = both.new_empty(rows, 2 * hidden)
        for step, start in enumerate(starts):
            shared = both[start : start + days].flatten(0, 1)
            if residual is not None and weight is not None:
                shared = torch.addmm(shared, residual[step].flatten(0, 1), weight.T, out=sums)
            logit, value = shared.chunk(2, dim=1)
            z = torch.sigmoid(logit, out=gates[step]).to(full)
            if step:
                torch.lerp(states[step - 1], value.to(full), z, out=states[step])
            else:
                torch.mul(value, z, out=states[step])
        ctx.save_for_backward(residual, weight, states, gates)
        ctx.starts, ctx.days, ctx.shared_rows = starts, days, len(both)
        return states, states[-1].clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        residual, weight, states, gates = ctx.saved_tensors
        by_states, by_last = gradients
        _, rows, hidden = states.shape
        # Where no two windows read the same row there is nothing to add up: each row's gradient is written once.
        alone = ctx.shared_rows == len(ctx.starts) * ctx.days
        shape = ctx.shared_rows, rows // ctx.days, 2 * hidden
        of_both = gates.new_empty(shape) if alone else states.new_zeros(shape)
        of_weight = None if weight is None else states.new_zeros(weight.shape)
        of_residual = torch.empty_like(residual) if ctx.needs_input_grad[1] else None
        by_sums = states.new_empty(rows, 2 * hidden)
        by_logit, by_value = by_sums.chunk(2, dim=1)
        # The gradient of a step's states: by what reads them, and by what the next step's keep of them.
        by_state = by_last.clone()
        for step, start in reversed(list(enumerate(ctx.starts))):
            by_state += by_states[step]
            torch.mul(by_state, gates[step], out=by_value)
            by_state -= by_value
            # dh/dlogit is (v - h_before) z (1 - z), and z (v - h_before) is the step from h_before to h.
            torch.sub(states[step], states[step - 1] if step else 0, out=by_logit)
            by_logit *= by_state
            of_rows = of_both[start : start + ctx.days].view(by_sums.shape)
            by = of_rows.copy_(by_sums) if alone else by_sums.to(gates.dtype)
            if not alone:
                of_rows += by_sums
            if residual is not None and weight is not None:
                x = residual[step].flatten(0, 1)
                of_weight += by.T @ x
                if of_residual is not None:
                    of_residual[step] = (by @ weight).view_as(residual[step])
        return of_both, of_residual, of_weight, None, None
