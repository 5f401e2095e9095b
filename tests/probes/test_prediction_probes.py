"""Honest scores are not accused; copies, labels and impossible ICs are, each by its probe."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from atft.probes.finding import Finding, leaks
from atft.probes.prediction_probes import prediction_findings

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
    assert [f.probe for f in leaks(findings_of(worse, tmp_path))] == ["implausible IC"]


def test_scores_that_are_renewed_rarely_are_no_leak(tmp_path: Path) -> None:
    weekly = rows().with_columns(score=pl.col("score").gather_every(10).first().over("code", (DAY - 1) // 10))
    (stale,) = [f for f in findings_of(weekly, tmp_path) if f.probe == "stale scores"]
    assert stale.verdict == "cannot tell"
