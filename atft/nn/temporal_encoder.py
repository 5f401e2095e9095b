"""What a stock's history says about its last day: a recurrence over the window, then attention with one query.

Only the last day's state is read, so attention has one query per stock. That lets keys and values be folded
into it: ``q (K h) = (K' q) h`` and ``sum a (V h) = V sum a h``, two products with the recurrence's states instead
of projecting all of them.
"""

import math
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from atft.nn.attention_pooling import pool
from atft.nn.dropout import Dropout
from atft.nn.embedded_windows import EmbeddedWindows
from atft.nn.gated_residual import Gate, GatedResidual
from atft.nn.gated_scan import GatedScan
from atft.nn.sizes import head_count
from atft.nn.window_steps import PatchSum, WindowSteps, day_steps

MAX_INIT_HALF_LIFE_DAYS = 10.0
"""Half-life of the new attention head that looks back the furthest."""


class LastDayAttention(nn.Module):
    """Attention whose only query is the last day; a new head's weights halve with each half-life of its own.

    Args:
        hidden_size: numbers of a state.
        step_days: days from one step of the history to the next.
    """

    def __init__(self, hidden_size: int, step_days: int = 1) -> None:
        super().__init__()
        self.heads, self.step_days = head_count(hidden_size), step_days
        width = hidden_size // self.heads
        bound = hidden_size**-0.5
        self.query = nn.Linear(hidden_size, self.heads * width, bias=False)
        self.key = nn.Parameter(torch.empty(self.heads, width, hidden_size).uniform_(-bound, bound))
        # Values keep the states' size: a new recurrence's are small enough.
        self.value = nn.Parameter(torch.randn(self.heads, width, hidden_size) * bound)
        # Half-lives from ten days down to one, each learned: heads without a preference average the window, and
        # have no gradient that tells them where to look.
        half_life = torch.logspace(math.log10(MAX_INIT_HALF_LIFE_DAYS), 0, self.heads)
        self.recency = nn.Parameter(math.log(2) / half_life)

    def forward(
        self, last: Float[Tensor, "rows hidden"], history: Float[Tensor, "steps rows hidden"]
    ) -> tuple[Float[Tensor, "rows hidden"], Float[Tensor, "rows heads steps"]]:
        """Gather from the history what the last day asks for; also return the weights, summing to 1."""
        steps, rows, _ = history.shape
        query = self.query(last).reshape(rows, self.heads, -1)
        # The key projection is applied to the one query, not to all states; the value's to the pooled state.
        folded = torch.einsum("nhw,hwc->nhc", query, self.key) / self.key.shape[1] ** 0.5
        age = torch.arange(steps - 1, -1, -1, device=last.device, dtype=self.recency.dtype) * self.step_days
        pooled, weight = pool(folded.to(history.dtype), history, -self.recency[:, None] * age)
        return torch.einsum("nhc,hwc->nhw", pooled, self.value).reshape(rows, -1), weight


class WindowLSTM(nn.LSTM):
    """torch's LSTM over the windows of a block."""

    def forward(  # type: ignore[override]
        self, steps: WindowSteps
    ) -> tuple[Float[Tensor, "steps rows hidden"], Float[Tensor, "rows hidden"]]:
        """Return the states of all steps, and those of the last one."""
        rows = steps.all_steps().flatten(1, 2)
        # The last state as the LSTM gives it: a slice of the history would fill a gradient of its whole size.
        history, (last, _) = super().forward(rows)
        return history, last[0]


class TemporalEncoder(nn.Module):
    """Recurrence over the window, gated skip of its last state, attention of the last day, gated residual.

    ``s = x_L + Gate(h_L)``, ``s' = s + Gate(Attention(s, h_1..h_L))``, ``out = GRN(s')``.
    """

    def __init__(
        self, hidden_size: int, dropout: float, recurrence: Literal["scan", "lstm"], patch_days: int = 1
    ) -> None:
        super().__init__()
        self.patches = PatchSum(hidden_size, patch_days) if patch_days > 1 else None
        # Named for the choice: a checkpoint of the other one does not fit, and says so.
        self.recurrence = recurrence
        self.add_module(
            recurrence,
            (
                GatedScan(hidden_size, patch_days)
                if recurrence == "scan"
                else WindowLSTM(hidden_size, hidden_size)
            ),
        )
        self.skip = Gate(hidden_size, init_share=0.5)
        self.norm = nn.LayerNorm(hidden_size)
        self.attention = LastDayAttention(hidden_size, patch_days)
        self.admit = Gate(hidden_size, init_share=0.5)
        self.dropout = Dropout(dropout)
        self.refine = GatedResidual(hidden_size, dropout)

    def forward(
        self, window: EmbeddedWindows
    ) -> tuple[Float[Tensor, "rows hidden"], Float[Tensor, "rows heads steps"]]:
        """Encode each row's window into the state of its last day; also return the attention weights."""
        steps = day_steps(window) if self.patches is None else self.patches(window)
        history, last = self.get_submodule(self.recurrence)(steps)
        state = window.last_day().flatten(0, 1) + self.dropout(self.skip(last))
        answer, weight = self.attention(self.norm(state), history)
        state = state + self.dropout(self.admit(answer))
        refined: Tensor = self.refine(state)
        return refined, weight
