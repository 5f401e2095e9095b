"""Honest scores are not accused; copies, labels and impossible ICs are, each by its probe."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from atft.panel import PanelSchema
from atft.probes.finding import Finding, Suspect, leaks
from atft.probes.prediction_probes import (
    collapsed_days,
    implausible_ic,
    prediction_findings,
    row_order,
    stale_days,
    stale_rows,
)
from atft.probes.scored_rows import ScoredRows

DAYS, STOCKS = 80, 40


def rows(skill: float = 0.03) -> pl.DataFrame:
    """Scores of a daily horizon with a correlation of ``skill`` with their labels."""
    rng = np.random.default_rng(0)
    target = rng.standard_normal((DAYS, STOCKS))
    score = skill * target + np.sqrt(1 - skill**2) * rng.standard_normal((DAYS, STOCKS))
    first = np.datetime64("2020-01-01")
    return pl.DataFrame(
        {
            "date": np.repeat(first + np.arange(DAYS), STOCKS),
            "code": [f"s{i:02d}" for i in range(STOCKS)] * DAYS,
            "score": score.ravel(),
            "target": target.ravel(),
        }
    )


def findings_of(frame: pl.DataFrame, folder: Path) -> list[Finding]:
    frame.write_parquet(folder / "p.parquet")
    return prediction_findings(folder / "p.parquet")


def before(column: str) -> pl.Expr:
    return pl.col(column).shift(1).over("code")


DAY = pl.col("date").rank("dense")
PLANTS: dict[str, Callable[[pl.DataFrame], pl.DataFrame]] = {
    "constant scores": lambda f: f.with_columns(score=pl.when(DAY % 10 == 0).then(0.0).otherwise("score")),
    "stale scores": lambda f: f.with_columns(
        score=pl.when((DAY % 10 == 0) & (DAY > 1)).then(before("score")).otherwise("score")
    ),
    "stale rows": lambda f: f.with_columns(
        pl.when((pl.col("code") < "s04") & (DAY > 40) & (DAY % 2 == 0)).then(before(n)).otherwise(n).alias(n)
        for n in ("score", "target")
    ),
    "repeated rows": lambda f: pl.concat([f, f.head(2)]),
    "score is a label": lambda f: f.with_columns(score=pl.col("target").exp()),
    "implausible IC": lambda f: rows(0.5),
    "order of the rows": lambda f: f.sort("date", "target"),
}


def test_honest_scores_are_not_accused_and_missing_rows_cannot_be_seen(tmp_path: Path) -> None:
    findings = findings_of(rows(), tmp_path)
    assert leaks(findings) == []
    assert [f.probe for f in findings if f.verdict == "cannot tell"] == ["rows chosen by label"]


def with_training_days(test: pl.DataFrame, skill: float) -> pl.DataFrame:
    """The rows as the split ``test``, after three times as many training days of that skill."""
    days = pl.col("date") - pl.duration(days=400)
    train = [rows(skill).with_columns(date=days - pl.duration(days=100 * i)) for i in range(3)]
    return pl.concat(
        [f.with_columns(split=pl.lit("train")) for f in train] + [test.with_columns(split=pl.lit("test"))]
    )


def test_rows_of_other_splits_change_no_finding(tmp_path: Path) -> None:
    """Scores of the training days, on which a model knows its labels, accuse no test day and excuse none."""
    honest, leaky = rows(), rows(0.3)
    alone = [findings_of(f.with_columns(split=pl.lit("test")), tmp_path) for f in (honest, leaky)]
    assert findings_of(with_training_days(honest, 0.6), tmp_path) == alone[0] and leaks(alone[0]) == []
    assert findings_of(with_training_days(leaky, 0.0), tmp_path) == alone[1]
    assert [f.probe for f in leaks(alone[1])] == ["implausible IC"]
    assert alone[0][0].evidence == "3,200 scores of 80 days of the split 'test'"
    with_training_days(honest, 0.6).write_parquet(tmp_path / "p.parquet")
    train = prediction_findings(tmp_path / "p.parquet", split="train")
    assert [f.probe for f in leaks(train)] == ["implausible IC"]


@pytest.mark.parametrize("probe", PLANTS)
def test_a_planted_fault_is_found_by_its_probe(probe: str, tmp_path: Path) -> None:
    found = {f.probe for f in leaks(findings_of(PLANTS[probe](rows()), tmp_path))}
    assert probe in found
    assert found <= {probe, "implausible IC"}


def test_scores_of_a_later_label_are_accused_and_the_best_possible_score_bounds_an_ic(tmp_path: Path) -> None:
    ahead = rows().with_columns(score=pl.col("target").shift(-1).over("code") + pl.col("score"))
    (finding,) = leaks(findings_of(ahead.drop_nulls(), tmp_path))
    assert "the label of 1 day later" in finding.evidence
    known = rows(0.5).with_columns(oracle=pl.col("score") + 0.5 * pl.col("target"))
    assert leaks(findings_of(known, tmp_path)) == []
    worse = rows(0.5).with_columns(oracle=pl.col("score") - 0.3 * pl.col("target"))
    (finding,) = leaks(findings_of(worse, tmp_path))
    assert finding.probe == "implausible IC" and ", more than the best possible score; an" in finding.evidence


def test_scores_that_are_renewed_rarely_are_no_leak(tmp_path: Path) -> None:
    weekly = rows().with_columns(score=pl.col("score").gather_every(10).first().over("code", (DAY - 1) // 10))
    (stale,) = [f for f in findings_of(weekly, tmp_path) if f.probe == "stale scores"]
    assert stale.verdict == "cannot tell"


def part_of(score: np.ndarray, target: np.ndarray, horizon: int = 1) -> ScoredRows:
    """Scores and labels of days and stocks; NaN in the scores where there is no row."""
    days, stocks = score.shape
    dates = np.datetime64("2020-01-01") + np.arange(days)
    codes, here = tuple(f"s{i:02d}" for i in range(stocks)), np.isfinite(score)
    row = np.where(here, np.arange(score.size).reshape(score.shape), np.nan)
    return ScoredRows(horizon, dates, codes, here, {"score": score, "target": target, "row": row}, 0)


def noise(seed: int, days: int = DAYS, stocks: int = STOCKS) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((days, stocks))


def test_equal_scores_on_a_twentieth_of_the_days_of_two_stocks_or_more_are_allowed() -> None:
    score = noise(1, 43)
    score[40:, 1:] = np.nan  # days of one stock
    score[20, 2:] = np.nan
    for days, accused in (([10, 20], False), ([10, 20, 30], True)):
        score[days] = np.where(np.isfinite(score[days]), 0.5, np.nan)
        suspect = collapsed_days(part_of(score, noise(2, 43)))
        assert (suspect is not None) == accused
    assert suspect is not None and suspect.evidence.endswith("on 3 of 40 days, the first is 2020-01-11")


def test_days_are_stale_where_more_than_half_of_eight_distinct_scores_are_those_of_the_day_before() -> None:
    for stocks, same, accused in ((8, 5, True), (8, 4, False), (7, 7, False)):
        score = noise(1, 40, stocks)
        for day in (1, 30):
            score[day, :same] = score[day - 1, :same]
        suspect = stale_days(part_of(score, noise(2, 40, stocks)))
        assert (suspect is not None) == accused, (stocks, same)
        assert suspect is None or (
            suspect.evidence.startswith("on 2 days") and "2020-01-02" in suspect.evidence
        )
    once, ties = noise(1), np.repeat(noise(1, DAYS, STOCKS // 4), 4, axis=1)
    once[30] = once[29]
    ties[10] = ties[9]
    ties[30] = ties[29]
    for values in (once, ties):  # one day, and scores of which a quarter differ
        assert stale_days(part_of(values, noise(2))) is None


def test_a_row_is_stale_where_score_and_label_stand_still_and_the_label_is_not_0() -> None:
    def suspect(score_rows: int, target_rows: int, value: float = 0.3) -> Suspect | None:
        score, target = noise(1), noise(2)
        days = np.arange(10, 40, 3)
        score[days[:score_rows], 7] = score[days[:score_rows] - 1, 7]
        target[days[:target_rows] - 1, 7] = target[days[:target_rows], 7] = value
        return stale_rows(part_of(score, target))

    five = suspect(5, 5)
    assert five is not None and five.evidence.endswith(
        "5 rows repeat score and target of the day before, the first: s07 on 2020-01-11"
    )
    assert suspect(4, 10) is None and suspect(10, 4) is None
    assert suspect(10, 10, value=0.0) is None, "a halted stock without a return"
    whole = noise(1)
    whole[20] = whole[19]
    target = noise(2)
    target[20] = target[19]
    assert stale_rows(part_of(whole, target)) is None, "a day that is a copy as a whole is a stale day"


@pytest.mark.parametrize("later", range(7))
def test_scores_of_the_labels_of_the_next_five_days_are_accused(later: int) -> None:
    target = noise(1)
    score = 0.7 * np.concatenate([target[later:], noise(2, later)]) + noise(3)
    suspect = implausible_ic(part_of(score, target))
    when = {0: "its label", 1: "the label of 1 day later"}.get(later, f"the label of {later} days later")
    assert (suspect is not None) == (later < 6)
    assert suspect is None or (f" with {when} (" in suspect.evidence and "best" not in suspect.evidence)


def test_the_order_of_rows_says_something_on_twenty_days_or_more() -> None:
    for days, accused in ((20, True), (19, False)):
        target = np.sort(noise(1, days), axis=1)
        assert (row_order(part_of(noise(2, days), target)) is not None) == accused


def test_rows_without_a_label_are_counted_where_no_panel_is_there(tmp_path: Path) -> None:
    some = rows().with_columns(target=pl.when(pl.col("code") == "s00").then(None).otherwise("target"))
    for frame, text in ((some, f"{DAYS} rows have no label"), (rows(), "every row has a label")):
        assert findings_of(frame, tmp_path)[-1].evidence.startswith(text)
    both = pl.concat([rows().with_columns(horizon=h) for h in (1, 5)])
    first = findings_of(both, tmp_path)[0]
    assert first.evidence == f"{2 * DAYS * STOCKS:,} scores of {DAYS} days, 2 horizons, folds or seeds"
    assert findings_of(rows(), tmp_path)[0].evidence == f"{DAYS * STOCKS:,} scores of {DAYS} days"


def test_labels_are_compared_with_those_that_the_panels_schema_names(
    market_rows: pl.DataFrame, planted: Any, tmp_path: Path
) -> None:
    members = market_rows.filter("universe")
    scores = members.select("date", "code", score=pl.col("x_flow").fill_null(0.0), target="target_1d")
    scores.write_parquet(tmp_path / "scores.parquet")
    panel = planted(market_rows.rename({"target_1d": "y1"}).with_columns(target_1d=-pl.col("y1")))
    for schema, verdict in ((PanelSchema(targets="y{h}"), "ok"), (None, "LEAK")):
        found = prediction_findings(tmp_path / "scores.parquet", panel, schema)[-1]
        assert (found.probe, found.verdict) == ("rows chosen by label", verdict)
