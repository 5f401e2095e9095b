"""A phase or criterion that no model could make sense of is refused in one line; a criterion passes strictly."""

import math
from typing import Any

import pytest

from atft.callbacks.curriculum.phase import Criterion, Phase
from atft.errors import InputError


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"parts": {"grph": True}}, "curriculum.phases 'p': no part 'grph'; did you mean 'graph'?"),
        ({"train": ["head"]}, "curriculum.phases 'p': no parameter group 'head'; did you mean 'heads'?"),
        ({"lr_factor": {"fam": 1.0}}, "curriculum.phases 'p': no parameter group 'fam'; did you mean 'fan'?"),
        ({"terms": {"sharp": 1.0}}, "curriculum.phases 'p': no term 'sharp'; did you mean 'sharpe'?"),
        ({"epochs": -1}, "curriculum.phases 'p': epochs must be at least 1, got -1"),
        ({"epochs": 0}, "curriculum.phases 'p': epochs must be at least 1, got 0"),
        ({"name": " "}, "a phase needs a name"),
        (
            {"lr_factor": 0.0},
            "'p': lr_factor must be above 0, got 0.0; leave a group out of train to rest it",
        ),
        ({"lr_factor": {"heads": math.nan}}, "'p': lr_factor must be above 0, got nan"),
        ({"train": []}, "'p': train names no group; null trains all that are on"),
        ({"criterion": Criterion(above=0.0, at_epoch=3)}, "'p': criterion.at_epoch must be 1 to 2, got 3"),
    ],
)
def test_a_phase_that_cannot_be_is_refused_in_one_line(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as refusal:
        Phase(**{"name": "p", "epochs": 2, **options})
    assert message in str(refusal.value) and "\n" not in str(refusal.value)


@pytest.mark.parametrize("bounds", [{}, {"above": 1.0, "below": 2.0}, {"above": math.nan}])
def test_a_criterion_needs_one_number(bounds: dict[str, float]) -> None:
    with pytest.raises(InputError, match="criterion on val/rank_ic: give one number, above or below"):
        Criterion(**bounds)  # type: ignore[arg-type]


def test_a_criterion_passes_strictly_beyond_its_number_and_never_what_is_no_number() -> None:
    assert [Criterion(above=0.01).passes(v) for v in (0.02, 0.01, math.nan)] == [True, False, False]
    assert [Criterion("train/loss", below=1.0).passes(v) for v in (0.9, 1.0, math.nan)] == [
        True,
        False,
        False,
    ]
    assert Criterion("train/loss", below=1.0).condition() == "train/loss < 1"
