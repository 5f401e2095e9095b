"""Options of a measurement: what is out of range is named; the bootstrap gets its own."""

import pytest

from atft.errors import InputError
from atft.evaluation.options import EvaluateOptions, MeasureOptions


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("k", 0, "k must be at least 1, got 0"),
        ("cost_bps", -1.0, "cost_bps must be at least 0, got -1"),
        ("cost_bps", float("nan"), "cost_bps must be at least 0 and finite, got nan"),
        ("cost_bps", float("inf"), "cost_bps must be at least 0 and finite, got inf"),
        ("min_stocks", 1, "min_stocks must be at least 2, got 1"),
        ("draws", 1, "draws must be at least 2 and at most 100,000, got 1"),
        ("draws", 2**63 - 1, "draws must be at least 2 and at most 100,000, got 9223372036854775807"),
        ("horizon", -5, "horizon must be at least 1 and at most 10,000 trading days, got -5"),
        ("horizon", 40_000, "horizon must be at least 1 and at most 10,000 trading days, got 40000"),
        ("participation", 0.0, r"participation must be in \(0, 1\], got 0"),
    ],
)
def test_a_number_out_of_range_is_named(name: str, value: float, words: str) -> None:
    with pytest.raises(InputError, match=words):
        EvaluateOptions(**{name: value})


def test_the_bootstrap_has_its_draws_and_the_seed() -> None:
    assert MeasureOptions(draws=50, seed=3).bootstrap == {"draws": 50, "seed": 3}
