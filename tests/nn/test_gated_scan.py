"""The fast recurrence is the one that its formula says, in value and in every gradient."""

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from atft.nn.gated_scan import GatedScan, gated_scan, plain_scan
from atft.nn.window_steps import WindowSteps

DAYS = 3
STARTS = {
    "days": range(5),
    "patches": range(0, 9, 2),
    "a short patch first": (0, 3, 5, 7, 9),
    "no row read twice": range(0, 15, DAYS),
}
"""Which shared rows the steps of the first window read."""
each_stride = pytest.mark.parametrize("starts", STARTS.values(), ids=STARTS)
with_and_without_residual = pytest.mark.parametrize("residual", [True, False])
Inputs = tuple[Tensor, Tensor | None, Tensor | None]


def inputs(residual: bool, starts: Sequence[int] = range(5), dtype: torch.dtype = torch.float64) -> Inputs:
    """What each of 4 stocks' rows adds for 6 units, residuals of 2 inputs and their weights."""
    torch.manual_seed(0)
    shapes = [(starts[-1] + DAYS, 4, 12), (len(starts), DAYS, 4, 2), (12, 2)]
    both, own, weight = (torch.randn(shape, dtype=dtype).requires_grad_() for shape in shapes)
    return (both, own, weight) if residual else (both, None, None)


@with_and_without_residual
@pytest.mark.parametrize("starts", [range(1), range(2), *STARTS.values()])
def test_states_are_those_of_the_formula(residual: bool, starts: Sequence[int]) -> None:
    given = inputs(residual, starts)
    states, last = gated_scan(*given, starts, DAYS)
    for fast, plain in zip((states, last), plain_scan(*given, starts, DAYS), strict=True):
        torch.testing.assert_close(fast, plain)
    assert states.shape == (len(starts), 12, 6) and torch.equal(last, states[-1])


@with_and_without_residual
@each_stride
def test_gradients_are_those_of_the_formula(residual: bool, starts: Sequence[int]) -> None:
    given = inputs(residual, starts)
    torch.autograd.gradcheck(lambda *tensors: gated_scan(*tensors, starts, DAYS), given)


def test_a_state_is_a_weighted_mean_that_an_open_gate_replaces_and_a_shut_one_keeps() -> None:
    value, logit = torch.tensor([3.0, 5.0, 7.0]), torch.tensor([40.0, 0.0, -40.0])
    states, _ = gated_scan(torch.stack((logit, value), dim=-1)[:, None], None, None, range(3), 1)
    torch.testing.assert_close(states.flatten(), torch.tensor([3.0, 4.0, 4.0]))


def test_a_window_s_residual_adds_to_the_rows_that_it_shares() -> None:
    torch.manual_seed(0)
    scan, rows = GatedScan(6).double(), torch.randn(7, 4, 6).double()
    residual, projection = torch.randn(5, DAYS, 4, 2).double(), torch.randn(6, 2).double()
    states, last = scan(WindowSteps(rows, range(5), DAYS, residual, projection))
    for day in range(DAYS):
        own = rows[day : day + 5] + residual[:, day] @ projection.T
        alone, _ = scan(WindowSteps(own, range(5), 1))
        torch.testing.assert_close(states[:, 4 * day : 4 * day + 4], alone)
    assert torch.equal(last, states[-1])


@pytest.mark.parametrize("step_days", [1, 2, 5])
def test_new_units_remember_from_one_day_to_thirty(step_days: int) -> None:
    scan, steps = GatedScan(8, step_days), 30 // step_days
    with torch.no_grad():
        scan.both.weight.zero_()
        scan.both.bias[8:] = torch.tensor(1.0)
        states, _ = scan(WindowSteps(torch.zeros(steps, 1, 8), range(steps), 1))
    # What is still missing from the value halves in a half-life.
    missing = 1 - states[[0, -1], 0, [0, -1]]
    torch.testing.assert_close(missing, torch.tensor([0.5**step_days, 0.5]))


@with_and_without_residual
@pytest.mark.parametrize("starts", [range(60), range(0, 180, 3)], ids=["shared rows", "no row read twice"])
def test_states_stay_in_full_precision_under_autocast(residual: bool, starts: range) -> None:
    torch.manual_seed(0)
    scan, rows = GatedScan(16), torch.randn(starts[-1] + 3, 5, 16)
    steps = WindowSteps(rows, starts, 3)
    if residual:
        steps = steps._replace(residual=torch.randn(60, 3, 5, 4), projection=torch.randn(16, 4))
    states, last = scan(steps)
    with torch.autocast("cpu", torch.bfloat16):
        rounded, rounded_last = scan(steps)
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
        gated_scan(*inputs(residual=True), range(5), DAYS)
    assert sorted(stored) == [(5, 3, 4, 2), (5, 12, 6), (5, 12, 6), (12, 2)]


def test_an_exporter_gets_plain_operations() -> None:
    class Program(torch.nn.Module):
        def forward(self, both: Tensor, residual: Tensor, weight: Tensor) -> Tensor:
            return gated_scan(both, residual, weight, range(5), DAYS)[0]

    given = inputs(residual=True)
    program = torch.export.export(Program(), given, strict=False)
    names = [str(node.target) for node in program.graph.nodes]
    assert sum("lerp" in name for name in names) == 5 and not any("empty" in name for name in names)
    torch.testing.assert_close(program.module()(*given), plain_scan(*given, range(5), DAYS)[0])


@pytest.mark.parametrize("step_days", [24, 25, 60])
def test_a_new_unit_that_forgets_all_in_a_step_has_finite_weights(step_days: int) -> None:
    bias = GatedScan(8, step_days).both.bias
    assert bias.isfinite().all() and (bias[:7].diff() <= 0).all()
