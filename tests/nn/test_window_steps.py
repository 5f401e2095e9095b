"""A window in steps of several days: the formula, whatever the lookback, and nothing from outside of the window."""

import pytest
import torch
from torch import Tensor

from atft.nn.embedded_windows import EmbeddedWindows, windows
from atft.nn.window_steps import (
    PatchSum,
    as_patches,
    day_steps,
    oldest_patch_days,
    patch_count,
    plain_patches,
    sum_patches,
    weights_of_days,
)

DAYS, STOCKS, HIDDEN, FEATURES = 3, 4, 6, 2
each_size = pytest.mark.parametrize(
    ("lookback", "patch_days"), [(8, 4), (9, 4), (11, 4), (6, 2), (3, 4), (1, 4), (5, 5), (7, 1)]
)


def block(lookback: int, patch_days: int) -> tuple[EmbeddedWindows, Tensor]:
    """A block with residuals, and these residuals by day [lookback, days, stocks, features]."""
    torch.manual_seed(0)
    rows = torch.randn(lookback + DAYS - 1, STOCKS, HIDDEN, dtype=torch.float64)
    residual = torch.randn(lookback, DAYS, STOCKS, FEATURES, dtype=torch.float64)
    projection = torch.randn(HIDDEN, FEATURES, dtype=torch.float64)
    return EmbeddedWindows(rows, DAYS, as_patches(residual, patch_days), projection), residual


@each_size
def test_a_step_is_the_weighted_sum_of_its_days(lookback: int, patch_days: int) -> None:
    window, residual = block(lookback, patch_days)
    patches = PatchSum(HIDDEN, patch_days).double()
    steps = patches(window).all_steps()
    # By the definition: each window on its own, counted back from its last day, zeros before its first.
    days = windows(window.rows, DAYS) + residual @ window.projection.T
    padded = torch.cat((days.new_zeros(-lookback % patch_days, DAYS, STOCKS, HIDDEN), days))
    expected = [
        sum(padded[step + i] * patches.weight[i] for i in range(patch_days))
        for step in range(0, len(padded), patch_days)
    ]
    torch.testing.assert_close(steps, torch.stack(expected))
    assert len(steps) == patch_count(lookback, patch_days)


@each_size
def test_a_block_of_one_day_has_the_steps_of_a_longer_block(lookback: int, patch_days: int) -> None:
    window, residual = block(lookback, patch_days)
    patches = PatchSum(HIDDEN, patch_days).double()
    together = patches(window).all_steps()
    for day in range(DAYS):
        own = as_patches(residual[:, day : day + 1], patch_days)
        alone = EmbeddedWindows(window.rows[day : day + lookback], 1, own, window.projection)
        torch.testing.assert_close(patches(alone).all_steps()[:, 0], together[:, day])


def test_days_as_steps_are_rows_and_residuals() -> None:
    window, residual = block(lookback=6, patch_days=1)
    steps = day_steps(window)
    expected = windows(window.rows, DAYS) + residual @ window.projection.T
    torch.testing.assert_close(steps.all_steps(), expected)
    assert steps.residual.data_ptr() == window.residual.data_ptr()
    bare = day_steps(window._replace(residual=None, projection=None))
    assert torch.equal(bare.all_steps(), windows(window.rows, DAYS))


@pytest.mark.parametrize("numbers", [1, 40, 1 << 18])
@pytest.mark.parametrize("patch_days", [1, 2, 4])
def test_sums_and_their_gradients_are_those_of_the_formula_whatever_is_cached(
    patch_days: int, numbers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("atft.nn.window_steps.PART_NUMBERS", numbers)
    torch.manual_seed(0)
    rows = torch.randn(6, 3, 4, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(patch_days, 4, dtype=torch.float64, requires_grad=True)
    torch.testing.assert_close(sum_patches(rows, weight), plain_patches(rows, weight))
    torch.autograd.gradcheck(sum_patches, (rows, weight))


@pytest.mark.parametrize("numbers", [1, 40, 1 << 18])
@pytest.mark.parametrize(("step", "days"), [(4, 1), (4, 3), (5, 2), (2, 2)])
def test_sums_of_some_patches_are_those_among_the_sums_of_all(
    step: int, days: int, numbers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("atft.nn.window_steps.PART_NUMBERS", numbers)
    torch.manual_seed(0)
    rows = torch.randn(11 + days, 2, 3, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    every = sum_patches(rows, weight)
    first = [t + d for t in range(0, len(every) - days + 1, step) for d in range(days)]
    for some in (sum_patches(rows, weight, step, days), plain_patches(rows, weight, step, days)):
        torch.testing.assert_close(some, every[first])
    assert torch.autograd.gradcheck(lambda r, w: sum_patches(r, w, step, days), (rows, weight))


@each_size
def test_patches_that_no_window_reads_are_not_summed(lookback: int, patch_days: int) -> None:
    window, _ = block(lookback, patch_days)
    steps = PatchSum(HIDDEN, patch_days).double()(window)
    read = {start + day for start in steps.starts for day in range(DAYS)}
    assert read == set(range(len(steps.rows)))


def test_under_autocast_sums_and_gradients_stay_close() -> None:
    torch.manual_seed(0)
    rows, weight = torch.randn(9, 5, 16, requires_grad=True), torch.randn(4, 16, requires_grad=True)
    exact = sum_patches(rows, weight)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = sum_patches(rows, weight)
    assert rounded.dtype == torch.bfloat16
    torch.testing.assert_close(rounded.float(), exact, atol=0.2, rtol=0.05)
    rounded.float().square().sum().backward()
    assert rows.grad.dtype == weight.grad.dtype == torch.float32


def test_an_exporter_gets_plain_operations() -> None:
    class Program(torch.nn.Module):
        def forward(self, rows: Tensor, weight: Tensor) -> Tensor:
            return sum_patches(rows, weight)

    given = torch.randn(6, 3, 4), torch.randn(2, 4)
    program = torch.export.export(Program(), given, strict=False)
    assert not any("addcmul_" in str(node.target) for node in program.graph.nodes)
    torch.testing.assert_close(program.module()(*given), plain_patches(*given))


@each_size
def test_days_share_the_weight_of_their_patch(lookback: int, patch_days: int) -> None:
    weights = torch.rand(5, 2, patch_count(lookback, patch_days)).softmax(-1)
    by_day = weights_of_days(weights, lookback, patch_days)
    assert by_day.shape == (5, 2, lookback)
    torch.testing.assert_close(by_day.sum(-1), torch.ones(5, 2))
    oldest = oldest_patch_days(lookback, patch_days)
    torch.testing.assert_close(by_day[..., :oldest].sum(-1), weights[..., 0])
    assert torch.equal(by_day[..., -1], by_day[..., -min(lookback, patch_days)])
    if lookback > oldest:
        torch.testing.assert_close(
            by_day[..., oldest:].unflatten(-1, (-1, patch_days)).sum(-1), weights[..., 1:]
        )
