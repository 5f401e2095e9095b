"""The encoder reads all of its window, and attention is attention although it projects nothing."""

from typing import Literal

import pytest
import torch

from atft.nn.embedded_windows import EmbeddedWindows
from atft.nn.temporal_encoder import LastDayAttention, TemporalEncoder

Recurrence = Literal["scan", "lstm"]
both_recurrences = pytest.mark.parametrize("recurrence", ["scan", "lstm"])


def build(recurrence: Recurrence, hidden: int = 32, patch_days: int = 1) -> TemporalEncoder:
    torch.manual_seed(0)
    return TemporalEncoder(hidden, 0.0, recurrence, patch_days)


def one_day(rows: torch.Tensor) -> EmbeddedWindows:
    """A block of one day, whose window is all of the rows [lookback, stocks, hidden]."""
    return EmbeddedWindows(rows, 1)


def test_folded_attention_equals_projecting_every_state() -> None:
    torch.manual_seed(0)
    block, last, history = LastDayAttention(64), torch.randn(5, 64), torch.randn(9, 5, 64)
    query = block.query(last).reshape(5, 4, 16)
    key = torch.einsum("lnc,hwc->nhlw", history, block.key)
    value = torch.einsum("lnc,hwc->nhlw", history, block.value)
    age = torch.arange(8.0, -1, -1)
    bias = -block.recency[:, None, None] * age
    expected = torch.nn.functional.scaled_dot_product_attention(query[:, :, None], key, value, attn_mask=bias)
    answer, weight = block(last, history)
    torch.testing.assert_close(answer, expected.reshape(5, 64))
    torch.testing.assert_close(weight.sum(-1), torch.ones(5, 4))


@both_recurrences
def test_new_heads_remember_from_ten_days_down_to_one(recurrence: Recurrence) -> None:
    _, weight = build(recurrence)(one_day(torch.randn(20, 50, 32)))
    halved = weight[:, 1, -2].mean() / weight[:, 1, -1].mean()
    later = weight[:, 0, -11].mean() / weight[:, 0, -1].mean()
    torch.testing.assert_close(torch.stack((halved, later)), torch.full((2,), 0.5), atol=0.1, rtol=0)


@both_recurrences
def test_new_heads_remember_as_many_days_where_a_step_has_five(recurrence: Recurrence) -> None:
    _, weight = build(recurrence, patch_days=5)(one_day(torch.randn(20, 50, 32)))
    assert weight.shape == (50, 2, 4)
    later = weight[:, 0, -3].mean() / weight[:, 0, -1].mean()
    torch.testing.assert_close(later, torch.tensor(0.5), atol=0.1, rtol=0)


@both_recurrences
@pytest.mark.parametrize("patch_days", [1, 4, 7])
def test_the_state_depends_on_every_day_of_the_window(recurrence: Recurrence, patch_days: int) -> None:
    rows = torch.randn(60, 1, 32, requires_grad=True)
    state, _ = build(recurrence, patch_days=patch_days)(one_day(rows))
    state.square().sum().backward()
    assert rows.grad is not None
    reach = rows.grad.abs().amax((1, 2))
    assert (reach > 1e-6).all() and reach[-1] > reach[0]


@both_recurrences
def test_the_last_row_reaches_the_state_unchanged_at_first(recurrence: Recurrence) -> None:
    rows = torch.randn(10, 200, 32)
    state, _ = build(recurrence)(one_day(rows))
    assert torch.corrcoef(torch.stack((state.flatten(), rows[-1].flatten())))[0, 1] > 0.95


@both_recurrences
def test_rows_are_encoded_on_their_own(recurrence: Recurrence) -> None:
    rows, block = torch.randn(10, 7, 32), build(recurrence)
    alone = block(one_day(rows[:, 3:4]))[0]
    torch.testing.assert_close(block(one_day(rows))[0][3:4], alone, atol=1e-5, rtol=1e-4)


@both_recurrences
@pytest.mark.parametrize("patch_days", [1, 4])
def test_every_parameter_gets_a_gradient(recurrence: Recurrence, patch_days: int) -> None:
    block = build(recurrence, patch_days=patch_days)
    block(one_day(torch.randn(10, 7, 32)))[0].square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in block.parameters())
