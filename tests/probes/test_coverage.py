"""Rows that are missing by their label, rows that the panel lacks, and labels that are not its own."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.stats import norm

from atft.panel import PanelSchema
from atft.probes import panel_grid
from atft.probes.coverage import coverage_suspects, missing_by_label
from atft.probes.finding import FALSE_ALARM
from atft.probes.panel_grid import PanelGrid, read_grid
from atft.probes.prediction_probes import prediction_findings
from atft.probes.scored_rows import read_scored_rows


@pytest.fixture(scope="module")
def grid(market: Path) -> PanelGrid:
    return read_grid(market, PanelSchema())


def evidence(frame: pl.DataFrame, grid: PanelGrid, folder: Path) -> list[str]:
    frame.write_parquet(folder / "p.parquet")
    (part,) = read_scored_rows(folder / "p.parquet")
    return [suspect.evidence for suspect in coverage_suspects(part, grid)]


def test_scores_of_every_member_are_fine_and_each_choice_of_rows_is_named(
    market_rows: pl.DataFrame, grid: PanelGrid, tmp_path: Path
) -> None:
    members = market_rows.filter("universe")
    scores = members.select("date", "code", score="x_flow", target="target_1d").with_columns(
        pl.col("score").fill_null(0.0)
    )
    assert evidence(scores, grid, tmp_path) == []
    place = pl.col("target").rank().over("date") / pl.col("target").count().over("date")
    (text,) = evidence(scores.filter(place.is_between(0.03, 0.97) | place.is_null()), grid, tmp_path)
    assert "most extreme labels are missing" in text
    (low,) = evidence(scores.filter((place > 0.03) | place.is_null()), grid, tmp_path)
    assert "most extreme labels are missing" in low
    (text,) = evidence(scores.with_columns(code="x" + pl.col("code")), grid, tmp_path)
    assert text == "no row of the file has a date and a code of the panel"
    other = scores.with_columns(target=pl.col("target").shift(-1).over("code", order_by="date"))
    (text,) = evidence(other, grid, tmp_path)
    assert "targets are not the panel's target_1d" in text
    later = scores.with_columns(pl.col("date").dt.offset_by("2y"))
    assert evidence(pl.concat([scores, later.head(50)]), grid, tmp_path)[0].endswith("padded rows?")
    (text,) = evidence(later, grid, tmp_path)
    assert text == "no row of the file has a date and a code of the panel"


@pytest.fixture(scope="module")
def scores(market_rows: pl.DataFrame) -> pl.DataFrame:
    """Random scores of every member, with the panel's labels."""
    members = market_rows.filter("universe").sort("date", "code")
    score = pl.Series(np.random.default_rng(1).standard_normal(len(members)))
    return members.select("date", "code", target="target_1d").with_columns(score=score)


def bad_days(scores: pl.DataFrame, count: int) -> pl.Series:
    """The days with the lowest RankIC."""
    known = scores.drop_nulls("target")
    rank_ic = pl.corr("score", "target", method="spearman")
    return known.group_by("date").agg(ic=rank_ic).sort("ic")["date"].head(count)


def test_days_that_are_left_out_here_and_there_are_accused_a_gap_between_periods_is_not(
    scores: pl.DataFrame, grid: PanelGrid, tmp_path: Path
) -> None:
    (text,) = evidence(scores.filter(~pl.col("date").is_in(bad_days(scores, 16).implode())), grid, tmp_path)
    assert text.startswith("16 days of the panel's 160 from") and text.endswith(
        "were they chosen by their result?"
    )
    day = pl.col("date").rank("dense")
    purged = ~day.is_between(70, 95) & ~(day % 31).is_in([5])
    for honest in (~day.is_between(70, 95), purged, day % 5 == 0, day.is_between(20, 140)):
        assert evidence(scores.filter(honest), grid, tmp_path) == []


def test_a_few_days_that_are_left_out_here_and_there_are_counted_but_not_accused(
    scores: pl.DataFrame, grid: PanelGrid, tmp_path: Path, market: Path
) -> None:
    few = scores.filter(~pl.col("date").is_in(bad_days(scores, 7).implode()))
    assert evidence(few, grid, tmp_path) == []
    day = pl.col("date").rank("dense")
    some, panel = tmp_path / "some.parquet", tmp_path / "long.parquet"
    once, long = [
        pl.concat([frame, frame.with_columns(pl.col("date").dt.offset_by("2y"))])
        for frame in (scores, pl.read_parquet(market))
    ]
    once.filter((day > 160) | (day % 16 != 7)).write_parquet(some)
    long.write_parquet(panel)
    finding = prediction_findings(some, panel)[-1]
    assert finding.verdict == "cannot tell"
    assert finding.evidence.startswith("10 days of the panel's 320 from")
    assert finding.evidence.endswith("in 10 places: by their result?")


def test_rows_scores_and_targets_that_are_missing_where_stocks_fell_are_accused(
    scores: pl.DataFrame, grid: PanelGrid, tmp_path: Path
) -> None:
    place = pl.col("target").rank().over("date") / pl.col("target").count().over("date")
    best = pl.col("score").rank().over("date") / pl.len().over("date") > 0.7
    wrong = ((place < 0.3) & best).fill_null(False)
    (text,) = evidence(scores.filter(~wrong), grid, tmp_path)
    assert "whether a stock is scored has RankIC +" in text
    (text,) = evidence(scores.with_columns(score=pl.when(~wrong).then("score")), grid, tmp_path)
    assert "whether a stock is scored has RankIC +" in text
    without, sign = evidence(scores.with_columns(target=pl.when(~wrong).then("target")), grid, tmp_path)
    assert "rows have no target, while the panel's target_1d is known" in without
    assert "whether a stock is scored has RankIC +" in sign
    rng = np.random.default_rng(2)
    assert evidence(scores.filter(pl.Series(rng.random(len(scores)) < 0.8)), grid, tmp_path) == []


def test_targets_that_were_not_known_when_the_file_was_written_are_fine(
    market_rows: pl.DataFrame, scores: pl.DataFrame, tmp_path: Path
) -> None:
    day = pl.col("date").rank("dense")
    last_days = scores.with_columns(target=pl.when(day < 150).then("target"))
    path = tmp_path / "panel.parquet"
    # A tenth of the stocks was halted, and its labels became known later.
    late = pl.when(pl.col("code").hash() % 10 == 0).then(pl.date(2026, 1, 1))
    market_rows.with_columns(label_end_1d=late, label_end_5d=late).sort("date", "code").write_parquet(path)
    grid = read_grid(path, PanelSchema())
    halted = pl.col("code").hash() % 10 == 0
    assert evidence(last_days, grid, tmp_path) == []
    assert evidence(scores.with_columns(target=pl.when(~halted).then("target")), grid, tmp_path) == []


def test_rows_without_a_label_that_are_missing_are_accused_and_whole_days_are_not() -> None:
    rng = np.random.default_rng(0)
    target = rng.standard_normal((50, 40))
    target[rng.random(target.shape) < 0.05] = np.nan
    target[-1] = np.nan
    everyone = np.ones(target.shape, dtype=bool)
    (text,) = missing_by_label(everyone, np.isfinite(target), target)
    assert "whose label is unknown are missing" in text
    whole = everyone.copy()
    whole[-1] = False
    assert missing_by_label(everyone, whole, target) == []
    assert missing_by_label(everyone, rng.random(target.shape) < 0.5, target) == []


@pytest.mark.parametrize("others_missing", [0.0, 0.3])
def test_rows_of_unknown_labels_are_accused_beyond_chance_and_a_quarter_more_than_the_others(
    others_missing: float,
) -> None:
    rng = np.random.default_rng(1)
    target = rng.standard_normal((40, 100))
    unknown = np.zeros(target.shape, dtype=bool)
    unknown.flat[rng.choice(target.size, 60, replace=False)] = True
    target[unknown] = np.nan
    scored = unknown | (rng.random(target.shape) >= others_missing)
    member = np.ones(target.shape, dtype=bool)
    # The day's extreme labels are all there, so that the others alone are compared.
    order = np.argsort(np.argsort(np.where(unknown, 0.0, target), axis=1), axis=1)
    extreme = (order < 4) | (order > 95)
    scored |= extreme
    for missing in range(61):
        some = scored.copy()
        some[tuple(index[:missing] for index in np.nonzero(unknown))] = False
        texts = missing_by_label(member, some, target)
        others = ~unknown & (np.abs(order - 49.5) < 46)
        rate = float((others & ~some).sum() / others.sum())
        error = norm.isf(FALSE_ALARM / 2) * (0.25 / 60 + rate * (1 - rate) / others.sum()) ** 0.5
        share = missing / 60 - rate - error
        if abs(share - 0.25) > 0.01:  # which labels are extreme differs in a few cells
            assert bool(texts) == (share > 0.25), missing
    few = unknown & (np.cumsum(unknown).reshape(unknown.shape) <= 19)
    assert missing_by_label(~unknown | few, ~unknown, target) == [], "nineteen rows"
    one_more = unknown & (np.cumsum(unknown).reshape(unknown.shape) <= 20)
    assert len(missing_by_label(~unknown | one_more, ~unknown, target)) == 1


def test_five_rows_of_a_stock_that_the_panel_lacks_are_padding_and_other_stocks_that_were_not_read_are_not(
    market: Path, scores: pl.DataFrame, grid: PanelGrid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    invented = scores.with_columns(code=pl.lit("invented")).unique("date").sort("date")
    assert evidence(pl.concat([scores, invented.head(4)]), grid, tmp_path) == []
    (text,) = evidence(pl.concat([scores, invented.head(5)]), grid, tmp_path)
    assert text == "5 rows and 0 days are not in the panel: padded rows?"
    monkeypatch.setattr(panel_grid, "MAX_STOCKS", 7)
    some = read_grid(market, PanelSchema())
    assert evidence(scores, some, tmp_path) == []
    (text,) = evidence(pl.concat([scores, invented.head(5)]), some, tmp_path)
    assert text == "5 rows and 0 days are not in the panel: padded rows?"
    # A file of stocks none of which was read.
    scores.filter(~pl.col("code").is_in(some.codes)).write_parquet(tmp_path / "others.parquet")
    finding = prediction_findings(tmp_path / "others.parquet", market)[-1]
    assert (finding.probe, finding.verdict) == ("rows chosen by label", "cannot tell")
    assert finding.evidence == "7 of the panel's 60 stocks were read, and none of them is in the file"


def test_five_rows_on_the_panels_days_or_one_other_day_are_padding(
    market_rows: pl.DataFrame, grid: PanelGrid, tmp_path: Path
) -> None:
    members = market_rows.filter("universe")
    scores = members.select("date", "code", score=pl.col("x_flow").fill_null(0.0), target="target_1d")
    absent = (
        pl.DataFrame({"date": grid.dates.astype("datetime64[D]")})
        .join(pl.DataFrame({"code": grid.codes}), how="cross")
        .join(market_rows, on=["date", "code"], how="anti")
        .select("date", "code", score=pl.lit(0, pl.Float32), target=pl.lit(0, pl.Float32))
    )
    assert evidence(pl.concat([scores, absent.head(4)]), grid, tmp_path) == []
    (text,) = evidence(pl.concat([scores, absent.head(5)]), grid, tmp_path)
    assert text == "5 rows and 0 days are not in the panel: padded rows?"
    later = scores.head(1).with_columns(pl.col("date").dt.offset_by("2y"))
    (text,) = evidence(pl.concat([scores, later]), grid, tmp_path)
    assert text == "0 rows and 1 days are not in the panel: padded rows?"
