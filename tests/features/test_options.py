"""Options out of range raise by name."""

import pytest

from atft.errors import InputError
from atft.features.options import FeatureOptions


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"duplicates": "keep"}, "duplicates must be one of error, exclude, got 'keep'"),
        ({"jumps": "excluded"}, "jumps must be one of error, exclude, keep, got 'excluded'"),
        ({"splits": "drop"}, "splits must be one of error, exclude, adjust, keep, got 'drop'"),
        ({"copies": "adjust"}, "copies must be one of error, exclude, keep, got 'adjust'"),
        ({"horizons": [5, 5]}, "horizons must be distinct trading days >= 1"),
        ({"horizons": []}, "horizons must be distinct"),
        ({"horizons": [1, 2**63 - 1]}, "horizons must be at most 10,000 trading days, got [1, 9223"),
        ({"lag": -1}, "lag must be at least 0 and at most 10,000, got -1"),
        ({"lag": 2**63 - 1}, "lag must be at least 0 and at most 10,000, got 9223372036854775807"),
        ({"min_close": float("nan")}, "min_close must be at least 0"),
    ],
)
def test_an_option_out_of_range_raises_by_name(options: dict[str, object], said: str) -> None:
    with pytest.raises(InputError) as caught:
        FeatureOptions(**options)
    assert said in str(caught.value) and "known:" not in str(caught.value)
