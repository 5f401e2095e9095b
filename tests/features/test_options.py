"""Options out of range are refused by name; the report says what happened."""

import pytest

from atft.errors import InputError
from atft.features.options import FeatureOptions, PanelReport


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"duplicates": "keep"}, "duplicates must be one of error, exclude, got 'keep'"),
        ({"jumps": "excluded"}, "got 'excluded'; did you mean 'exclude'?"),
        ({"splits": "drop"}, "splits must be one of error, exclude, adjust, keep, got 'drop'"),
        ({"copies": "adjust"}, "copies must be one of error, exclude, keep, got 'adjust'"),
        ({"jump_labels": "drop"}, "jump_labels must be one of null, keep"),
        ({"horizons": [5, 5]}, "horizons must be distinct trading days >= 1"),
        ({"horizons": []}, "horizons must be distinct"),
        ({"lag": -1}, "lag must be at least 0, got -1"),
        ({"frozen_days": 1}, "frozen_days must be at least 2"),
        ({"min_close": float("nan")}, "min_close must be at least 0"),
        ({"return_cap": 0.0}, "return_cap must be above 0"),
    ],
)
def test_an_option_out_of_range_is_refused_by_name(options: dict[str, object], said: str) -> None:
    with pytest.raises(InputError) as caught:
        FeatureOptions(**options).check()
    assert said in str(caught.value)


def test_the_defaults_pass() -> None:
    FeatureOptions().check()


def test_the_report_has_a_line_for_each_gate() -> None:
    report = PanelReport(
        "p.parquet", 1000, 10, 100, 500, ("x_a",), {"duplicate": 3}, {"open": 7}, ("x_a",), ("one gap",)
    )
    assert report.lines() == [
        "p.parquet: 1,000 rows, 10 days, 100 stocks, 1 features; 500 rows in the universe",
        "left out, duplicate: 3 rows",
        "one gap",
        "taken as missing, open: 7 rows",
        "no spread across the universe on more than 5 % of days: x_a",
    ]
