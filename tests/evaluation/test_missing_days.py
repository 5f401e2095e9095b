"""Days that a file leaves out here and there are warned of; holidays, purges and weekly scores are not."""

import numpy as np
import pytest

from atft.evaluation.missing_days import missing_day_warnings

SUNDAY_TO_THURSDAY = "1111001"


def year(weekmask: str = "1111100", first: str = "2019-01-01", years: int = 2) -> np.ndarray:
    """The market's weekdays of two years."""
    every = np.arange(np.datetime64(first), np.datetime64(first) + 365 * years)
    days: np.ndarray = every[np.is_busday(every, weekmask=weekmask)]
    return days


def without(days: np.ndarray, share: float, seed: int = 0) -> np.ndarray:
    kept: np.ndarray = days[np.random.default_rng(seed).random(len(days)) >= share]
    return kept


@pytest.mark.parametrize("weekmask", ["1111100", SUNDAY_TO_THURSDAY, "1111111"])
def test_a_fifth_of_the_days_left_out_is_warned_of_and_holidays_are_not(weekmask: str) -> None:
    days = year(weekmask)
    assert missing_day_warnings(days) == []
    assert missing_day_warnings(without(days, 0.085)) == []
    (text,) = missing_day_warnings(without(days, 0.2))
    assert " weekdays from 2019-01-0" in text and text.endswith("by their result, every figure is too good")


def test_with_a_calendar_a_tenth_of_the_days_left_out_is_warned_of_and_its_holidays_are_not() -> None:
    calendar = without(year(), 0.08)
    assert missing_day_warnings(calendar, calendar) == []
    chosen = without(calendar, 0.1, seed=1)
    (text,) = missing_day_warnings(chosen, calendar)
    inside = calendar[(calendar >= chosen[0]) & (calendar <= chosen[-1])]
    assert text.startswith(f"{len(inside) - len(chosen)} of {len(inside)} days of the context from ")
    assert missing_day_warnings(without(calendar, 0.03, seed=1), calendar) == []
    # Days before the file's first and after its last are none of its business.
    assert missing_day_warnings(calendar[100:200], calendar) == []


def test_long_gaps_between_periods_and_scores_of_some_days_a_week_are_no_choice() -> None:
    days = year()
    gap = np.concatenate([days[:100], days[160:300], days[380:]])
    assert missing_day_warnings(gap) == [] and missing_day_warnings(gap, days) == []
    for every in (2, 5, 20):
        assert missing_day_warnings(days[::every]) == [] and missing_day_warnings(days[::every], days) == []
    assert missing_day_warnings(days[:1]) == [] and missing_day_warnings(days[:1], days) == []
    assert missing_day_warnings(days[:2], days[:0]) == []


def test_the_places_and_days_are_counted() -> None:
    days = year("1111111")[:100]
    left_out = np.isin(np.arange(100), [5, 10, 15, 20, 25, 26, 27, 30, 31, 50, 60, 61, 62, 63, 64, 65])
    (text,) = missing_day_warnings(days[~left_out], days)
    assert text.startswith(
        "16 of 100 days of the context from 2019-01-01 to 2019-04-10 have no row, in 8 places: "
    )
