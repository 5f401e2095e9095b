"""Beside a list: the checkpoint's age, inputs that are missing or have left their range, and the universe."""

import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from atft.daily.checks import AlarmOptions, DayChecks, check_day, write_checks
from atft.daily.scorer import DayScores
from atft.data.day_features import day_features
from atft.errors import InputError


def checks_of(daily: Any, day: int = -1, **changes: Any) -> DayChecks:
    """Checks of a day of the small run, with other entries of its checkpoint."""
    day = day % len(daily.cache)
    scorer = daily.scorer._replace(learned={**daily.scorer.learned, **changes})
    scores, before = (scorer.score(daily.cache, d, daily.source.lookback) for d in (day, day - 1))
    return check_day(scorer, daily.cache, day, scores, before)


def test_a_day_like_the_training_days_shows_no_drift(daily: Any) -> None:
    checks = checks_of(daily)
    rows = daily.cache.manifest.universe_rows
    assert checks.missing == checks.outside == [] and checks.inputs == 6
    assert checks.usual_stocks == int(np.median(rows[-21:-1])) and checks.stocks == rows[-1]
    assert checks.coverage == rows[-1] / checks.usual_stocks
    assert checks.age_days == (date(2015, 4, 24) - date(2015, 3, 16)).days
    assert checks.alarms(AlarmOptions()) == []


def test_inputs_that_are_missing_or_outside_are_named(daily: Any) -> None:
    ranges = json.loads(json.dumps(daily.scorer.learned["ranges"]))
    ranges["features"]["x_1"][:2] = [5.0, 6.0]
    values = daily.cache.day(len(daily.cache) - 1)
    checks = checks_of(daily, ranges=ranges)
    assert checks.outside == ["x_1"] and checks.missing == [] and values.universe.any()
    ranges["features"]["x_1"][2] = 2.5  # known by more than twice as many
    assert checks_of(daily, ranges=ranges).missing == ["x_1"]
    assert checks_of(daily, ranges=ranges).outside == []
    assert "1 of 6 inputs are known for far fewer stocks than in training: 'x_1'" in "\n".join(
        checks_of(daily, ranges=ranges).lines()
    )


def test_two_stocks_and_a_twentieth_of_those_that_know_an_input_may_be_outside_by_chance(daily: Any) -> None:
    cache, last = daily.cache, len(daily.cache) - 1
    values = day_features(cache, last, cache.day(last).ranked)[:, cache.manifest.features.index("x_1")]
    known = np.sort(values[~np.isnan(values)]).astype(float)
    chance = int(0.05 * len(known)) + 2
    assert 2 <= chance < len(known) / 2
    ranges = json.loads(json.dumps(daily.scorer.learned["ranges"]))
    for below, above in (
        (0, chance),
        (chance, 0),
        (1, chance - 1),
        (0, chance + 1),
        (chance + 1, 0),
        (2, chance - 1),
    ):
        low, high = known[below], known[len(known) - 1 - above]  # a value at an end is inside
        ranges["features"]["x_1"] = [low, high, 1.0]
        assert checks_of(daily, ranges=ranges).outside == (["x_1"] if below + above > chance else [])


def test_an_input_is_missing_where_less_than_half_of_the_usual_share_knows_it(daily: Any) -> None:
    cache, last = daily.cache, len(daily.cache) - 1
    values = day_features(cache, last, cache.day(last).ranked)[:, cache.manifest.features.index("x_1")]
    share = float((~np.isnan(values)).mean())
    assert share > 0
    ranges = json.loads(json.dumps(daily.scorer.learned["ranges"]))
    for usual, missing in ((1.98 * share, []), (2.02 * share, ["x_1"])):
        ranges["features"]["x_1"][2] = usual
        assert checks_of(daily, ranges=ranges).missing == missing


def test_a_market_wide_column_counts_where_the_network_reads_it(daily: Any) -> None:
    name, day = "regime_volatility", len(daily.cache) - 1
    reads = daily._replace(scorer=daily.scorer._replace(regimes=(name,)))
    scores = DayScores(["A"], [None], np.zeros((1, 2), np.float32), None)
    ranges = json.loads(json.dumps(daily.scorer.learned["ranges"]))

    def found(low: float, high: float) -> DayChecks:
        ranges["regimes"][name] = [low, high, 1.0]
        scorer = reads.scorer._replace(learned={"ranges": ranges})
        return check_day(scorer, daily.cache, day, scores, None)

    value = float(daily.cache.regime[day, 0])
    assert found(value, value).outside == [] and found(value + 1, value + 2).outside == [name]
    assert found(value, value).inputs == 7
    assert found(value - 2, value - 1).outside == [name]
    kept = daily.cache.regime[day, 0]
    daily.cache.regime[day, 0] = np.nan
    try:
        assert (found(value, value).missing, found(value, value).outside) == ([name], [])
    finally:
        daily.cache.regime[day, 0] = kept


def test_each_limit_gives_an_alarm_and_what_is_unknown_does_too(daily: Any) -> None:
    checks = replace(checks_of(daily), coverage=0.95)
    beyond = AlarmOptions(age_days=30, missing=0.1, outside=0.1, coverage=1.0)
    assert checks.alarms(beyond) == ["age_days 39, most 30", "coverage 0.95, least 1"]
    assert checks.alarms(AlarmOptions(age_days=39, missing=0, outside=0, coverage=0.95)) == []
    drifted = replace(checks, missing=["x_1"], outside=["x_2", "x_3"])
    limits = AlarmOptions(missing=0.16, outside=0.34)
    assert drifted.alarms(limits) == ["missing 0.1667, most 0.16"], "shares of 6 inputs"
    former = checks_of(daily, ranges=None)
    assert former.missing is None and former.alarms(AlarmOptions(missing=0.5)) == [
        "missing unknown, most 0.5"
    ]
    assert "carries no ranges" in "\n".join(former.lines())
    assert former.alarms(AlarmOptions()) == []


def test_a_day_that_the_checkpoint_has_learned_from_is_no_forecast(daily: Any) -> None:
    day = daily.cache.manifest.dates.index(date(2015, 3, 10))
    assert "so this list is no forecast" in checks_of(daily, day).lines()[0]
    assert "39 days old" in checks_of(daily).lines()[0]


def test_stocks_that_are_not_listed_any_more_are_named(daily: Any) -> None:
    scores = DayScores(["A", "B"], [None] * 2, np.zeros((2, 2), np.float32), None)
    before = DayScores(["A", "C"], *scores[1:])
    checks = check_day(daily.scorer, daily.cache, len(daily.cache) - 1, scores, before)
    assert checks.left == ["C"] and "1 of the day before are not listed: C" in checks.lines()[-1]


def test_entries_of_a_checkpoint_that_cannot_be_read_are_one_line(daily: Any) -> None:
    for entry, message in {"days": "atft.days are no dates", "ranges": "has not its inputs' ranges"}.items():
        with pytest.raises(InputError, match=message):
            checks_of(daily, **{entry: {"train": "soon", "features": {}}})


def test_the_figures_are_written_beside_the_list(daily: Any, tmp_path: Path) -> None:
    path = write_checks(checks_of(daily), ["age_days 39, most 30"], tmp_path / "list_2015-04-24.csv")
    content = json.loads(path.read_text())
    assert path.name == "list_2015-04-24.checks.json" and content["alarms"] == ["age_days 39, most 30"]
    assert content["date"] == "2015-04-24" and content["missing"] == []
