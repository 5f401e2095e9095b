"""What is said of days that lack the history they read; the small panel is 80 weekdays from 2015-01-05."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from atft.data.cache import DayCache
from atft.data.history import days_to_score, history_lines
from atft.errors import InputError

Make = Callable[..., DayCache]
NONE = np.empty(0, dtype=np.int64)


def test_days_without_the_lookback_are_not_scored_and_named(make_cache: Make) -> None:
    cache = make_cache(graph=None)
    days, short = days_to_score(cache, "data.predict", ["2015-01-01", "2015-01-20"], 10)
    assert days.tolist() == [9, 10, 11] and short.tolist() == list(range(9))
    assert history_lines(cache, days, short, 10) == [
        "no score for 9 days (2015-01-05 to 2015-01-15): a day needs 10 days of history"
    ]


def test_days_whose_graph_saw_less_than_its_window_are_named(make_cache: Make) -> None:
    cache = make_cache()  # a window of 20 days, refreshes on Mondays: the first whole one is 2015-02-02
    (line,) = history_lines(cache, np.arange(10, 60), NONE, 6)
    assert line.startswith(
        "graph of fewer days than its window of 20 (11 to 16) on 10 days (2015-01-19 to 2015-01-30)"
    )
    assert history_lines(cache, np.arange(20, 60), NONE, 6) == []


def test_a_feature_that_no_scored_day_knows_is_named(
    make_panel: Callable[..., Path], make_cache: Make
) -> None:
    panel = make_panel()
    early = pl.when(pl.col("date") < date(2015, 3, 2)).then(pl.col("x_1"))
    pl.read_parquet(panel).with_columns(x_1=early).write_parquet(panel)
    cache = make_cache(panel)
    assert history_lines(cache, np.arange(39, 60), NONE, 6) == []
    assert history_lines(cache, np.arange(40, 41), NONE, 6) == [
        "'x_1' is unknown on all of 1 day (2015-03-02)"
    ]


def test_a_period_without_a_day_to_score_raises_in_one_line(make_cache: Make) -> None:
    cache = make_cache(graph=None)
    for asked in (["2031-01-01", "2031-02-01"], ["2015-01-01", "2015-01-07"], ["2014-01-01", "2014-02-01"]):
        with pytest.raises(
            InputError, match=r"predict: no day from .* with 6 days of history; the panel runs"
        ):
            days_to_score(cache, "data.predict", asked, 6)
    with pytest.raises(InputError, match=r"data\.predict must be \[from, to\], two ISO dates, got \['x'\]"):
        days_to_score(cache, "data.predict", ["x"], 6)
