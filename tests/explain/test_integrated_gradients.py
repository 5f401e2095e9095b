"""The parts sum to the difference of the scores, whatever the score is, and say so where it jumps."""

from collections.abc import Callable
from unittest.mock import Mock

import pytest
import torch
from torch import Tensor

from atft.errors import InputError
from atft.explain.integrated_gradients import MIN_STEPS, attribute

X, BASE = torch.tensor([[2.0, -1.0], [0.5, 3.0]]), torch.tensor([[1.0, 1.0], [0.0, -1.0]])


def test_the_parts_of_a_sum_of_powers_are_each_cells_own_difference() -> None:
    found = attribute(lambda x: x.pow(3).sum((1, 2)), X, BASE)
    torch.testing.assert_close(found.parts, X.pow(3) - BASE.pow(3))
    assert found.is_complete and found.gap == pytest.approx(0, abs=1e-4) and found.steps == MIN_STEPS
    assert (found.score, found.baseline_score) == (float(X.pow(3).sum()), float(BASE.pow(3).sum()))


def test_a_product_is_shared_between_its_factors() -> None:
    found = attribute(lambda x: x[:, 0, 0] * x[:, 0, 1], X, torch.zeros_like(X))
    torch.testing.assert_close(found.parts, torch.tensor([[-1.0, -1.0], [0.0, 0.0]]))


def test_corners_ask_for_more_points_until_the_parts_sum_to_the_difference() -> None:
    edges = torch.linspace(-1, 3, 57)
    slopes = torch.linspace(-1, 1.3, 57)
    found = attribute(lambda x: ((x[..., None] - edges).relu() * slopes).sum((1, 2, 3)), X, BASE, at_once=8)
    assert found.is_complete and abs(found.gap) < 0.01 * abs(found.score - found.baseline_score)


def test_what_a_jump_adds_stays_unattributed() -> None:
    found = attribute(lambda x: x.sum((1, 2)) + (x[:, 1, 1] > 1).float(), X, BASE, (32, 64))
    torch.testing.assert_close(found.parts, X - BASE)
    assert found.gap == pytest.approx(1.0, abs=1e-5) and not found.is_complete and found.steps == 64


def test_unknown_cells_add_nothing_and_stay_unknown_on_the_path() -> None:
    unknown = X.clone()
    unknown[0, 0], unknown[1, 1] = torch.nan, torch.inf
    seen: list[Tensor] = []

    def score(x: Tensor) -> Tensor:
        seen.append(x.isfinite().all(0))
        return x.nan_to_num(nan=7.0, posinf=7.0).sum((1, 2))

    found = attribute(score, unknown, BASE)
    torch.testing.assert_close(found.parts, torch.tensor([[0.0, -2.0], [0.5, 0.0]]))
    assert all(torch.equal(mask, unknown.isfinite()) for mask in seen)
    nothing = attribute(score, torch.full_like(X, torch.nan), BASE)
    assert not nothing.parts.any() and nothing.gap == 0 and nothing.is_complete


def test_a_cell_that_is_its_baseline_adds_nothing_whatever_its_gradient() -> None:
    at_zero = torch.where(X == 2.0, 0.0, X)
    base = torch.where(X == 2.0, 0.0, BASE)
    found = attribute(lambda x: (x.sign() * x.abs().sqrt()).sum((1, 2)), at_zero, base, (32, 4096))
    assert found.parts[0, 0] == 0 and found.parts[1, 0] == pytest.approx(0.5**0.5, rel=0.01)
    same = attribute(lambda x: x.sum((1, 2)), X, X)
    assert not same.parts.any() and same.gap == 0 and same.is_complete


@pytest.mark.parametrize(
    "score", [lambda x: (x - x.clamp(max=1.0)).sqrt().sum((1, 2)), lambda x: x.sum((1, 2)) / (x[:, 1, 0] > 0)]
)
def test_a_score_or_a_gradient_that_is_not_finite_is_an_error(score: Callable[[Tensor], Tensor]) -> None:
    with pytest.raises(InputError, match="the network's score or its gradient is not finite; keep 0 out of"):
        attribute(score, X, BASE)


def test_a_score_without_a_gradient_is_an_error() -> None:
    with pytest.raises(InputError, match="scores have no gradient; take detach, no_grad or a ranking out"):
        attribute(lambda x: x.detach().sum((1, 2)), X, BASE)


def test_without_captum_one_line_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("atft.process.optional.import_module", Mock(side_effect=ImportError(name="captum")))
    with pytest.raises(InputError, match=r"captum is not installed; run: pip install 'atft\[explain\]'"):
        attribute(lambda x: x.sum((1, 2)), X, BASE)
