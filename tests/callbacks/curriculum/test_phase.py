"""A phase or criterion that is wrong with any model is an error in one line; a criterion is met strictly."""

import math
from typing import Any

import pytest

from atft.callbacks.curriculum.phase import Phase
from atft.errors import InputError


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"terms": {"sharp": 1.0}}, "curriculum.phases 'p': no term 'sharp'; did you mean 'sharpe'?"),
        ({"epochs": -1}, "curriculum.phases 'p': epochs must be at least 1, got -1"),
        ({"epochs": 0}, "curriculum.phases 'p': epochs must be at least 1, got 0"),
        ({"name": " "}, "a phase needs a name"),
        (
            {"lr_factor": 0.0},
            "'p': lr_factor must be above 0, got 0.0; leave a group out of train to freeze it",
        ),
        ({"lr_factor": {"heads": math.nan}}, "'p': lr_factor must be above 0, got nan"),
        ({"train": []}, "'p': train names no group; null trains all that are on"),
        (
            {"criterion": "val/rank_ic"},
            "'p': criterion must compare a metric with a number, such as val/rank",
        ),
        ({"criterion": "val/rank_ic > nan"}, "'p': criterion must compare a metric with a number"),
        ({"criterion": "val/rank_ic > 0.1 > 0"}, "'p': criterion must compare a metric with a number"),
    ],
)
def test_a_phase_that_is_wrong_with_any_model_is_an_error(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as raised:
        Phase(**{"name": "p", "epochs": 2, **options})
    assert message in str(raised.value) and "\n" not in str(raised.value)


def test_a_criterion_is_met_strictly_beyond_its_number_and_never_by_what_is_no_number() -> None:
    above = Phase("p", 1, criterion="val/rank_ic > 0.01").parsed_criterion()
    below = Phase("p", 1, criterion="train/loss<1").parsed_criterion()
    assert above is not None and below is not None and Phase("p", 1).parsed_criterion() is None
    assert [above.met_by(v) for v in (0.02, 0.01, math.nan)] == [True, False, False]
    assert [below.met_by(v) for v in (0.9, 1.0, math.nan)] == [True, False, False]
    assert (str(above), str(below)) == ("val/rank_ic > 0.01", "train/loss < 1")
