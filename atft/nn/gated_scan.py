"""A gated linear recurrence over windows, whose gates read the day's input only.

    z_t = sigmoid(U x_t + b),  v_t = V x_t + c,  h_t = (1 - z_t) h_{t-1} + z_t v_t

No matrix product waits for the day before, as an LSTM's do. Three things follow, which make it several times faster
at equal RankIC (EXPERIMENTS.md):

- what windows share is paid once. ``x_t`` is a row of the span plus the window's own residual: ``U`` and ``V`` are
  applied to the span's rows once, not once a window, and to residuals as one small matrix from features to gates;
- a day is one product, one sigmoid and one interpolation, in buffers that every day reuses;
- the backward pass is by hand and stores states and gates only: ``z_t (v_t - h_{t-1})`` is ``h_t - h_{t-1}``, so no
  value is needed again. Making the gates again would take longer than to store and read them.

Under autocast, sums and gates are in its format, and the states, which sum many days, in full precision.

Paper: Feng et al. 2024, "Were RNNs All We Needed?", section 3.1 (minGRU).
"""

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from atft.full_precision import full_precision
from atft.nn.embedded_windows import EmbeddedWindows

INIT_HALF_LIVES_DAYS = (1.0, 30.0)
"""A new unit's state halves in one of these times or one between."""


class GatedScan(nn.Module):
    """The recurrence with its two matrices; the states of its units start with half-lives of one day to thirty."""

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.both = nn.Linear(hidden_size, 2 * hidden_size)
        shortest, longest = (math.log10(days) for days in INIT_HALF_LIVES_DAYS)
        share = 1 - 0.5 ** (1 / torch.logspace(shortest, longest, hidden_size))
        with torch.no_grad():
            self.both.bias.copy_(torch.cat((share.logit(), torch.zeros(hidden_size))))

    def forward(
        self, window: EmbeddedWindows
    ) -> tuple[Float[Tensor, "lookback rows hidden"], Float[Tensor, "rows hidden"]]:
        """Read each window into the states of its days, of days x stocks rows; also return the last day's."""
        both: Tensor = self.both(window.rows)
        residual = weight = None
        if window.residual is not None and window.projection is not None:
            weight = self.both.weight @ window.projection
            residual = window.residual.to(weight.dtype)
        return gated_scan(both, residual, weight, window.days)


def gated_scan(
    both: Float[Tensor, "span stocks both"],
    residual: Float[Tensor, "lookback days stocks features"] | None,
    weight: Float[Tensor, "both features"] | None,
    days: int,
) -> tuple[Float[Tensor, "lookback rows hidden"], Float[Tensor, "rows hidden"]]:
    """Run the recurrence over the windows that end on the span's last ``days`` days, each from a state of 0.

    Args:
        both: what each row of the span adds to ``logit(z)`` and, in the second half, to ``v``.
        residual: what each window has beside the span's rows; None for nothing.
        weight: from a residual to both; None without one. In the precision of ``both``, as the residual is.
        days: windows of the block; the lookback is ``span - days + 1``.

    Returns:
        The states of all days, of days x stocks rows, in at least float32, and those of the last day once more, so
        that the gradient of a slice need not be filled up.
    """
    # A graph of plain operations is what an exporter can write and a compiler can fuse.
    if torch.compiler.is_compiling():
        return plain_scan(both, residual, weight, days)
    with full_precision(both.device):
        states: tuple[Tensor, Tensor] = _Scan.apply(both, residual, weight, days)  # type: ignore[no-untyped-call]
    return states


def plain_scan(
    both: Float[Tensor, "span stocks both"],
    residual: Float[Tensor, "lookback days stocks features"] | None,
    weight: Float[Tensor, "both features"] | None,
    days: int,
) -> tuple[Float[Tensor, "lookback rows hidden"], Float[Tensor, "rows hidden"]]:
    """Write the recurrence as it reads: the oracle of :func:`gated_scan`, and what is exported."""
    lookback, full = len(both) - days + 1, torch.promote_types(both.dtype, torch.float32)
    from_residual = None if residual is None or weight is None else nn.functional.linear(residual, weight)
    states: list[Tensor] = []
    for day in range(lookback):
        sums = (
            both[day : day + days] if from_residual is None else both[day : day + days] + from_residual[day]
        )
        logit, value = sums.flatten(0, 1).chunk(2, dim=-1)
        before = states[-1] if states else torch.zeros_like(value, dtype=full)
        states.append(torch.lerp(before, value.to(full), logit.sigmoid().to(full)))
    return torch.stack(states), states[-1]


class _Scan(torch.autograd.Function):
    """The recurrence and its gradients, a day at a time."""

    @staticmethod
    def forward(
        ctx: Any, both: Tensor, residual: Tensor | None, weight: Tensor | None, days: int
    ) -> tuple[Tensor, Tensor]:
        lookback, rows, hidden = len(both) - days + 1, days * both.shape[1], both.shape[2] // 2
        full = torch.promote_types(both.dtype, torch.float32)
        states = both.new_empty(lookback, rows, hidden, dtype=full)
        gates = both.new_empty(lookback, rows, hidden)
        sums = both.new_empty(rows, 2 * hidden)
        for day in range(lookback):
            shared = both[day : day + days].flatten(0, 1)
            if residual is not None and weight is not None:
                shared = torch.addmm(shared, residual[day].flatten(0, 1), weight.T, out=sums)
            logit, value = shared.chunk(2, dim=1)
            z = torch.sigmoid(logit, out=gates[day]).to(full)
            if day:
                torch.lerp(states[day - 1], value.to(full), z, out=states[day])
            else:
                torch.mul(value, z, out=states[day])
        ctx.save_for_backward(residual, weight, states, gates)
        ctx.days = days
        return states, states[-1].clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        residual, weight, states, gates = ctx.saved_tensors
        by_states, by_last = gradients
        days, (lookback, rows, hidden) = ctx.days, states.shape
        of_both = states.new_zeros(lookback + days - 1, rows // days, 2 * hidden)
        of_weight = None if weight is None else states.new_zeros(weight.shape)
        of_residual = torch.empty_like(residual) if ctx.needs_input_grad[1] else None
        by_sums = states.new_empty(rows, 2 * hidden)
        by_logit, by_value = by_sums.chunk(2, dim=1)
        # The gradient of a day's states: by what reads them, and by what the next day's keep of them.
        by_state = by_last.clone()
        for day in reversed(range(lookback)):
            by_state += by_states[day]
            torch.mul(by_state, gates[day].to(states.dtype), out=by_value)
            by_state -= by_value
            # dh/dlogit is (v - h_before) z (1 - z), and z (v - h_before) is the step from h_before to h.
            torch.sub(states[day], states[day - 1] if day else 0, out=by_logit)
            by_logit *= by_state
            of_both[day : day + days].view(by_sums.shape).add_(by_sums)
            if residual is not None and weight is not None:
                x, by = residual[day].flatten(0, 1), by_sums.to(weight.dtype)
                of_weight += by.T @ x
                if of_residual is not None:
                    of_residual[day] = (by @ weight).view_as(residual[day])
        return of_both, of_residual, of_weight, None
