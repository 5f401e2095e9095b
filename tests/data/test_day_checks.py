"""What is checked on the days that train, and said of days to score that lack the history they read.

The small panel is 80 weekdays from 2015-01-05.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from atft.data.cache import DayCache
from atft.data.day_checks import check_features, check_training_days, days_to_score, history_lines, quoted
from atft.data.split import Split
from atft.errors import InputError
from atft.panel import PanelSchema

Make = Callable[..., DayCache]
NONE = np.empty(0, dtype=np.int64)
SPLIT = Split(np.arange(5, 40), np.arange(45, 70), np.arange(0), min_stocks=9)
IN_TRAINING = pl.col("date") <= date(2015, 3, 2)


def check_days(cache: DayCache, split: Split = SPLIT) -> None:
    """Check a split of a panel without ends of labels: all known labels count."""
    check_training_days(cache, split, cache.known_labels)


@pytest.fixture
def check(make_panel: Callable[..., Path], make_cache: Make) -> Callable[..., None]:
    """Check the training days of the small panel after some of its columns have changed."""

    def run(
        schema: PanelSchema | None = None, options: dict[str, object] | None = None, **change: pl.Expr
    ) -> None:
        panel = make_panel()
        pl.read_parquet(panel).with_columns(**change).write_parquet(panel)
        check_days(make_cache(panel, schema=schema, **(options or {})))

    return run


def unknown_in_training(name: str) -> pl.Expr:
    return pl.when(~IN_TRAINING).then(pl.col(name))


def constant(name: str, days: pl.Expr) -> pl.Expr:
    return pl.when(days).then(pl.lit(1.0, pl.Float32)).otherwise(pl.col(name))


def test_a_sound_panel_passes(check: Callable[..., None]) -> None:
    check()
    check(options={"rank": ["x_0"], "zscore": ["x_1"], "dtype": "float16"})


CASES: dict[str, tuple[dict[str, pl.Expr], str]] = {
    "feature": (
        {"x_1": unknown_in_training("x_1")},
        r"no value of 'x_1' is known on the 35 training days 2015-01-12 to 2015-02-27; add it to .*exclude",
    ),
    "features": (
        {f"x_{i}": unknown_in_training(f"x_{i}") for i in range(5)},
        "'x_0', 'x_1', 'x_2' and 2 more",
    ),
    "constant feature": (
        {"x_1": constant("x_1", IN_TRAINING)},
        "'x_1' is the same for all stocks on nearly all of the 35 training days",
    ),
    "exposure": (
        {"exposure_size": unknown_in_training("exposure_size")},
        "exposure 'exposure_size' is unknown on all of the 35 training days .* data.panel.schema.exposures",
    ),
    "sector": ({"sector": unknown_in_training("sector")}, "no sector is known on the 35 training days"),
    "target": (
        {"target_5d": unknown_in_training("target_5d")},
        "the target of horizon 5 is known for fewer than 9 stocks on all of the 35 training days",
    ),
    "validation": (
        {n: pl.when(IN_TRAINING).then(pl.col(n)) for n in ("target_1d", "target_5d")},
        "the target of horizon 1 is known for fewer than 9 stocks on all of the 25 validation days 2015-03-09 to .*"
        "compute it, move data.split.val, or drop the horizon",
    ),
    "validation of a horizon": (
        {"target_5d": pl.when(IN_TRAINING).then(pl.col("target_5d"))},
        "the target of horizon 5 is known for fewer than 9 stocks on all of the 25 validation days",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_the_training_days_do_not_know_raises_before_the_first_step(
    case: str, check: Callable[..., None]
) -> None:
    change, message = CASES[case]
    with pytest.raises(InputError, match=message) as caught:
        check(**change)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 200


def test_test_days_at_the_end_of_the_panel_whose_returns_are_to_come_raise_before_training(
    make_cache: Make,
) -> None:
    cache = make_cache(graph=None)
    check_days(cache, replace(SPLIT, test=np.arange(72, 80)))  # day 74's return over 5 days is known
    with pytest.raises(
        InputError, match=r"horizon 5 is known for .* on all of the 5 test days .* data.split.test"
    ):
        check_days(cache, replace(SPLIT, test=np.arange(75, 80)))


def test_a_graph_that_links_no_stock_in_training_raises(
    make_panel: Callable[..., Path], make_cache: Make
) -> None:
    panel = make_panel()
    pl.read_parquet(panel).with_columns(return_1d=constant("return_1d", IN_TRAINING)).write_parquet(panel)
    with pytest.raises(
        InputError, match=r"no stock has a neighbour in the graph on any of the 35 training days"
    ):
        check_days(make_cache(panel))
    check_days(make_cache(panel, graph=None))


def test_what_only_other_days_lack_is_no_fault(check: Callable[..., None]) -> None:
    later = {n: pl.when(IN_TRAINING).then(pl.col(n)) for n in ("x_1", "exposure_size", "sector")}
    check(**later, x_2=constant("x_2", ~IN_TRAINING))


def test_other_training_days_are_advised_where_some_day_of_the_panel_knows_what_is_missing(
    check: Callable[..., None],
) -> None:
    for change, elsewhere in ((unknown_in_training, True), (lambda n: pl.lit(None, pl.Float32), False)):
        for name in ("x_1", "exposure_size", "target_5d"):
            with pytest.raises(InputError) as caught:
                check(**{name: change(name)})
            assert ("move data.split.train" in str(caught.value)) == elsewhere, caught.value


def test_a_panel_without_any_sector_may_train(check: Callable[..., None]) -> None:
    check(sector=pl.lit(None, pl.String))


def test_a_market_wide_feature_may_be_the_same_for_all_stocks_but_not_on_all_days(
    check: Callable[..., None],
) -> None:
    schema = PanelSchema(features=["x_*", "regime_*"])
    check(schema)
    with pytest.raises(InputError, match="'regime_volatility' is the same for all stocks"):
        check(schema, {"rank": ["regime_*"]})
    with pytest.raises(InputError, match="'regime_volatility' has one value on all of the 35 training days"):
        check(schema, regime_volatility=constant("regime_volatility", IN_TRAINING))


def test_a_feature_constant_on_half_of_the_days_passes(
    make_panel: Callable[..., Path], make_cache: Make
) -> None:
    panel = make_panel()
    pl.read_parquet(panel).with_columns(x_1=constant("x_1", IN_TRAINING)).write_parquet(panel)
    cache = make_cache(panel)
    check_features(cache, np.arange(80), "all days")
    with pytest.raises(InputError, match="'x_1' is the same for all stocks on nearly all of some days"):
        check_features(cache, np.arange(42), "some days")


def test_a_list_of_names_ends_after_three() -> None:
    assert quoted(["a", "b"]) == "'a', 'b'"
    assert quoted(["a", "b", "c", "d", "e"]) == "'a', 'b', 'c' and 2 more"


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


def test_codes_that_come_once_have_nothing_to_look_back_at(
    make_panel: Callable[..., Path], make_cache: Make
) -> None:
    cache = make_cache(graph=None)
    days = np.arange(30, 40)
    assert history_lines(cache, days, days[:0], 20) == []
    panel = make_panel()
    frame = pl.read_parquet(panel)
    frame.with_columns(code=pl.int_range(pl.len()).cast(pl.String)).write_parquet(panel)
    once = make_cache(panel, graph=None)
    assert history_lines(once, days, days[:0], 1) == []
    assert history_lines(once, days, days[:0], 20) == [
        "codes come on 1.0 days on average, so a lookback of 20 days has nothing to look at; set "
        "data.loader.lookback to 1"
    ]


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
        with pytest.raises(InputError, match=r"no day from .* with 6 days of history; the panel runs"):
            days_to_score(cache, "data.predict", asked, 6)
    with pytest.raises(InputError, match=r"data\.predict must be \[from, to\], two ISO dates, got \['x'\]"):
        days_to_score(cache, "data.predict", ["x"], 6)
