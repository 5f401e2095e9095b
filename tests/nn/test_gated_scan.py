"""The fast recurrence is the one that its formula says, in value and in every gradient."""

import pytest
import torch
from torch import Tensor

from atft.nn.embedded_windows import EmbeddedWindows
from atft.nn.gated_scan import GatedScan, gated_scan, plain_scan

with_and_without_residual = pytest.mark.parametrize("residual", [True, False])
Inputs = tuple[Tensor, Tensor | None, Tensor | None]


def inputs(residual: bool, lookback: int = 5, days: int = 3, dtype: torch.dtype = torch.float64) -> Inputs:
    """What each of 4 stocks' rows adds for 6 units, residuals of 2 features and their weights."""
    torch.manual_seed(0)
    shapes = [(lookback + days - 1, 4, 12), (lookback, days, 4, 2), (12, 2)]
    both, own, weight = (torch.randn(shape, dtype=dtype).requires_grad_() for shape in shapes)
    return (both, own, weight) if residual else (both, None, None)


@with_and_without_residual
@pytest.mark.parametrize("lookback", [1, 2, 5])
def test_states_are_those_of_the_formula(residual: bool, lookback: int) -> None:
    given = inputs(residual, lookback)
    for fast, plain in zip(gated_scan(*given, 3), plain_scan(*given, 3), strict=True):
        torch.testing.assert_close(fast, plain)
    states, last = gated_scan(*given, 3)
    assert states.shape == (lookback, 12, 6) and torch.equal(last, states[-1])


@with_and_without_residual
def test_gradients_are_those_of_the_formula(residual: bool) -> None:
    given = inputs(residual)
    torch.autograd.gradcheck(lambda *tensors: gated_scan(*tensors, 3), given)


def test_a_state_is_a_weighted_mean_that_an_open_gate_replaces_and_a_shut_one_keeps() -> None:
    value, logit = torch.tensor([3.0, 5.0, 7.0]), torch.tensor([40.0, 0.0, -40.0])
    states, _ = gated_scan(torch.stack((logit, value), dim=-1)[:, None], None, None, 1)
    torch.testing.assert_close(states.flatten(), torch.tensor([3.0, 4.0, 4.0]))


def test_new_units_remember_from_one_day_to_thirty() -> None:
    scan = GatedScan(8)
    with torch.no_grad():
        scan.both.weight.zero_()
        scan.both.bias[8:] = torch.tensor(1.0)
        states, _ = scan(EmbeddedWindows(torch.zeros(40, 1, 8), 1))
    # What is still missing from the value halves in a half-life.
    torch.testing.assert_close(1 - states[[0, 29], 0, [0, -1]], torch.tensor([0.5, 0.5]))


@with_and_without_residual
def test_states_stay_in_full_precision_under_autocast(residual: bool) -> None:
    torch.manual_seed(0)
    scan, rows = GatedScan(16), torch.randn(62, 5, 16)
    window = EmbeddedWindows(rows, 3)
    if residual:
        window = window._replace(residual=torch.randn(60, 3, 5, 4), projection=torch.randn(16, 4))
    states, last = scan(window)
    with torch.autocast("cpu", torch.bfloat16):
        rounded, rounded_last = scan(window)
        (rounded.sum() + rounded_last.sum()).backward()
    assert rounded.dtype == rounded_last.dtype == torch.float32
    torch.testing.assert_close(rounded, states, atol=0.05, rtol=0.05)
    in_bfloat16 = scan.both.weight.grad
    scan.zero_grad()
    (states.sum() + last.sum()).backward()
    torch.testing.assert_close(in_bfloat16, scan.both.weight.grad, atol=5.0, rtol=0.05)


def test_only_states_gates_and_residuals_are_stored_for_the_backward_pass() -> None:
    stored: list[tuple[int, ...]] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda x: stored.append(tuple(x.shape)), lambda _: None):
        gated_scan(*inputs(residual=True), 3)
    assert sorted(stored) == [(5, 3, 4, 2), (5, 12, 6), (5, 12, 6), (12, 2)]


def test_an_exporter_gets_plain_operations() -> None:
    class Program(torch.nn.Module):
        def forward(self, both: Tensor, residual: Tensor, weight: Tensor) -> Tensor:
            return gated_scan(both, residual, weight, 3)[0]

    given = inputs(residual=True)
    program = torch.export.export(Program(), given, strict=False)
    names = [str(node.target) for node in program.graph.nodes]
    assert sum("lerp" in name for name in names) == 5 and not any("empty" in name for name in names)
    torch.testing.assert_close(program.module()(*given), plain_scan(*given, 3)[0])
