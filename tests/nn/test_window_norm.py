"""Every member of the family has the same properties: no day beyond the window's, no unobserved day, no NaN."""

import pytest
import torch

from atft.errors import InputError
from atft.nn.embedded_windows import EmbeddedWindows
from atft.nn.window_norm import (
    MEMBERS,
    Normaliser,
    WindowNorm,
    normalise_windows,
    normaliser,
)

every_member = pytest.mark.parametrize("name", MEMBERS)


def member(name: str, features: int = 3) -> Normaliser:
    """A member, its parameters (where it has any) away from where they start."""
    torch.manual_seed(0)
    norm = normaliser(name, features)
    if isinstance(norm, torch.nn.Module):
        for parameter in norm.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
    return norm


def block(days: int = 1, lookback: int = 13, stocks: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    span = lookback + days - 1
    observed = torch.rand(span, stocks) > 0.2
    return torch.randn(span, stocks, 3) * observed[..., None], observed


@every_member
def test_what_is_known_of_the_last_day_depends_on_every_day_of_the_window(name: str) -> None:
    norm, seen = member(name, 1), torch.ones(12, 1, dtype=torch.bool)

    def known(window: torch.Tensor) -> torch.Tensor:
        residual, summary = norm(window, seen)
        return torch.cat((residual[-1].flatten(), summary.flatten()))

    slope = torch.autograd.functional.jacobian(known, torch.randn(12, 1, 1))
    assert (slope.abs().amax(0) > 1e-5).all()


@every_member
def test_today_moves_its_own_residual_and_the_summary(name: str) -> None:
    norm, seen = member(name), torch.ones(13, 6, dtype=torch.bool)
    window = torch.randn(13, 6, 3)
    before = norm(window, seen)
    window[-1] += 0.5
    after = norm(window, seen)
    assert ((after.residual[-1] - before.residual[-1]).abs() > 1e-4).all()
    assert ((after.summary - before.summary).abs().amax(1) > 1e-4).all()


@every_member
def test_unobserved_days_leave_no_residual(name: str) -> None:
    norm, (scaled, observed) = member(name), block()
    residual, _ = norm(scaled, observed)
    assert (residual[~observed] == 0).all()


@every_member
def test_a_constant_series_leaves_nothing_and_has_finite_slopes(name: str) -> None:
    norm, observed = member(name), torch.rand(13, 6) > 0.2
    value = torch.full((13, 6, 3), 4.0) * observed[..., None]
    window = value.clone().requires_grad_()
    residual, summary = norm(window, observed)
    assert residual.abs().max() < 1e-3 and summary.isfinite().all()
    (residual.square().sum() + residual[-1].sum() + summary.sum()).backward()
    assert window.grad is not None and window.grad.isfinite().all()
    if isinstance(norm, torch.nn.Module):
        assert all(p.grad is not None and p.grad.isfinite().all() for p in norm.parameters())


@every_member
def test_a_stock_never_observed_leaves_zeros_and_finite_numbers(name: str) -> None:
    norm, (scaled, observed) = member(name), block()
    observed[:, 0] = False
    scaled = scaled * observed[..., None]
    residual, summary = norm(scaled, observed)
    assert (residual[:, 0] == 0).all() and summary.isfinite().all() and summary[0].abs().max() < 5


@every_member
def test_permuting_the_stocks_permutes_everything(name: str) -> None:
    norm, (scaled, observed) = member(name), block()
    order = torch.randperm(6)
    plain, moved = norm(scaled, observed), norm(scaled[:, order], observed[:, order])
    torch.testing.assert_close(moved.residual, plain.residual[:, order])
    torch.testing.assert_close(moved.summary, plain.summary[order])


@every_member
def test_a_series_is_normalised_without_the_others(name: str) -> None:
    norm, (scaled, observed) = member(name), block()
    plain = norm(scaled, observed)
    other = scaled.clone()
    other[..., 1] = 9.0 * observed
    changed = norm(other, observed)
    assert torch.equal(changed.residual[..., 0], plain.residual[..., 0])
    assert torch.equal(changed.summary[:, ::3], plain.summary[:, ::3])


@every_member
def test_the_future_changes_nothing(name: str) -> None:
    norm, (scaled, observed) = member(name), block(days=3)
    residual, summary = normalise_windows(norm, scaled, observed, 3)
    assert residual.shape == (13, 3, 6, 1, 3) and summary.shape[:2] == (3, 6)
    for day in range(3):
        cut = slice(0, day + 13)
        early, summary_then = normalise_windows(norm, scaled[cut], observed[cut], day + 1)
        assert torch.equal(early, residual[:, : day + 1]) and torch.equal(summary_then, summary[: day + 1])


@every_member
def test_each_day_of_a_block_sees_its_own_window_only(name: str) -> None:
    norm, (scaled, observed) = member(name), block(days=3)
    residual, summary = normalise_windows(norm, scaled, observed, 3)
    for day in range(3):
        alone = norm(scaled[day : day + 13], observed[day : day + 13])
        assert torch.equal(residual[:, day, :, 0], alone.residual) and torch.equal(
            summary[day], alone.summary
        )


@every_member
def test_stripes_of_stocks_and_recorded_gradients_change_nothing(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    norm, (scaled, observed) = member(name), block(days=3)
    with torch.no_grad():
        whole = normalise_windows(norm, scaled, observed, 3, 4)
        monkeypatch.setattr("atft.nn.window_norm.STRIPE_NUMBERS", 13 * 3)
        striped = normalise_windows(norm, scaled, observed, 3, 4)
    recorded = normalise_windows(norm, scaled.clone().requires_grad_(), observed, 3, 4)
    assert all(part.requires_grad for part in recorded)
    for other in (striped, recorded):
        torch.testing.assert_close(other, whole, atol=1e-5, rtol=1e-5)


@every_member
@pytest.mark.parametrize("patch_days", [2, 4, 13, 20])
def test_patches_are_the_days_side_by_side(name: str, patch_days: int) -> None:
    norm, (scaled, observed) = member(name), block(days=3)
    by_day, summary = normalise_windows(norm, scaled, observed, 3)
    patches, summary_too = normalise_windows(norm, scaled, observed, 3, patch_days)
    missing = -13 % patch_days
    days = patches.movedim(-2, 1).flatten(0, 1)
    assert torch.equal(days[missing:], by_day[:, :, :, 0]) and not days[:missing].any()
    assert torch.equal(summary, summary_too)


@every_member
@pytest.mark.parametrize("lookback", [1, 2, 3, 5])
def test_the_shortest_windows_stay_finite(name: str, lookback: int) -> None:
    window = torch.randn(lookback, 4, 3)
    residual, summary = member(name)(window, torch.ones(lookback, 4, dtype=torch.bool))
    assert residual.isfinite().all() and summary.isfinite().all()


@every_member
def test_the_summary_has_as_many_numbers_as_the_table_says(name: str) -> None:
    assert normaliser(name, 3)(*block()).summary.shape == (6, 3 * MEMBERS[name])


@every_member
def test_only_the_residual_is_rounded_under_autocast(name: str) -> None:
    norm, (scaled, observed) = member(name), block(days=2)
    residual, summary = normalise_windows(norm, scaled, observed, 2)
    with torch.autocast("cpu", torch.bfloat16):
        inside, summary_inside = normalise_windows(norm, scaled, observed, 2)
    learns = name == "dish_ts"
    assert torch.equal(inside, residual if learns else residual.bfloat16())
    assert torch.equal(summary_inside, summary)


@every_member
def test_the_view_is_added_and_the_summary_embedded(name: str) -> None:
    norm, (scaled, observed) = WindowNorm(name, 3, 8), block(days=2)
    rows = torch.randn(14, 6, 8)
    shown, statistics = norm(EmbeddedWindows(rows, 2), scaled, observed)
    residual, summary = normalise_windows(norm.normalise, scaled, observed, 2)
    assert torch.equal(shown.rows, rows) and torch.equal(shown.residual, residual)
    torch.testing.assert_close(
        shown.last_day(), rows[-2:] + residual[-1, :, :, -1] @ norm.residual_rows.weight.T
    )
    torch.testing.assert_close(statistics, summary @ norm.window_summary.weight.T)


def test_an_unknown_member_is_an_error_that_names_the_nearest() -> None:
    with pytest.raises(InputError, match="no window normalisation 'dish'; did you mean 'dish_ts'"):
        normaliser("dish", 3)


def test_only_what_learns_has_parameters() -> None:
    own = {name: sum(p.numel() for p in WindowNorm(name, 3, 8).parameters()) for name in MEMBERS}
    linear = {name: 8 * 3 * (1 + MEMBERS[name]) for name in MEMBERS}
    assert own == linear | {"dish_ts": linear["dish_ts"] + 2 * 3 * 3}
