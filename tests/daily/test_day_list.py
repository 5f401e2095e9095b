"""A list is a day's stocks by rank, in three formats, and never over anything that is evidence."""

import json
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.stats import rankdata

from atft.daily.day_list import descending_ranks, list_table, list_text, write_list
from atft.daily.scorer import DayScores
from atft.errors import InputError

DAY = date(2017, 6, 30)


def scores_of(*rows: tuple[str, float, float], quantiles: bool = False) -> DayScores:
    """Scores of two horizons: ``("A", 0.1, 0.5), ...`` by code; the first stock is a bank."""
    score = np.array([row[1:] for row in rows], dtype=np.float32)
    levels = np.stack([score - 1, score, score + 1], axis=-1) if quantiles else None
    return DayScores([row[0] for row in rows], ["bank", *[None] * (len(rows) - 1)], score, levels)


SCORES = scores_of(("A", 0.1, 0.5), ("B", 0.9, 0.4), ("C", 0.2, -1.0), quantiles=True)
BEFORE = scores_of(("B", 0.0, 0.0), ("C", 1.0, 1.0))


def test_ranks_are_scipys_of_the_negated_scores() -> None:
    for size in range(1, 13):
        scores = np.random.default_rng(size).integers(-3, 4, size).astype(np.float32)
        np.testing.assert_array_equal(descending_ranks(scores), rankdata(-scores))


def test_a_list_has_one_row_a_stock_the_best_first() -> None:
    table = list_table(DAY, SCORES, BEFORE, (1, 5), (0.05, 0.5, 0.95))
    assert table["code"].to_pylist() == ["B", "A", "C"] and table["rank"].to_pylist() == [1, 2, 3]
    assert table["rank_before"].to_pylist() == [2, None, 1] and set(table["date"].to_pylist()) == {DAY}
    assert table["sector"].to_pylist() == [None, "bank", None]
    assert table.column_names[4:] == [
        *("score_1d", "score_5d", "q05_1d", "q50_1d", "q95_1d", "q05_5d", "q50_5d", "q95_5d", "rank_before")
    ]
    assert table["q95_5d"].to_pylist() == pytest.approx([1.4, 1.5, 0.0])


def test_intervals_stand_behind_the_quantiles_and_an_unknown_end_is_null() -> None:
    ends = np.zeros((3, 2, 1, 2), dtype=np.float32)
    ends[:, 0, 0] = [[-1, 1], [-2, 2], [-3, 3]]
    ends[:, 1] = np.nan
    table = list_table(DAY, SCORES._replace(intervals=ends), None, (1, 5), (0.05, 0.5, 0.95))
    names = [name for name in table.column_names if name.startswith("interval_")]
    assert names == [f"interval_{end}90_{h}d" for h in (1, 5) for end in ("low", "high")]
    assert table["code"].to_pylist() == ["B", "A", "C"]
    assert table["interval_low90_1d"].to_pylist() == [-2.0, -1.0, -3.0]
    assert table["interval_high90_5d"].null_count == 3


def test_the_mean_rank_or_one_horizon_decides_and_ties_follow_the_codes() -> None:
    by = {h: list_table(DAY, SCORES, None, (1, 5), (), h)["code"].to_pylist() for h in (1, 5)}
    assert by == {1: ["B", "C", "A"], 5: ["A", "B", "C"]}
    tied = scores_of(("A", 0.1, 0.5), ("B", 0.5, 0.1))
    assert list_table(DAY, tied, None, (1, 5))["code"].to_pylist() == ["A", "B"]
    with pytest.raises(InputError, match="--rank_by 20: the checkpoint scores 1, 5 days ahead"):
        list_table(DAY, SCORES, None, (1, 5), (), 20)


def test_a_score_that_is_no_number_is_an_error() -> None:
    with pytest.raises(InputError, match="scores of 2017-06-30 are not numbers"):
        list_table(DAY, scores_of(("A", float("nan"), 0.5), ("B", 0.5, 0.1)), None, (1, 5))


def test_the_three_formats_have_the_same_rows(tmp_path: Path) -> None:
    table = list_table(DAY, SCORES, BEFORE, (1, 5))
    for suffix in ("csv", "parquet", "json"):
        write_list(table, tmp_path / f"a.{suffix}")
    kept = pl.read_parquet(tmp_path / "a.parquet")
    text = pl.read_csv(tmp_path / "a.csv", try_parse_dates=True)
    assert (
        text.select("date", "rank", "code", "rank_before").rows()
        == kept.select("date", "rank", "code", "rank_before").rows()
    )
    assert text["score_1d"].cast(pl.Float32).equals(kept["score_1d"])
    rows = json.loads((tmp_path / "a.json").read_text())
    assert [row["code"] for row in rows] == kept["code"].to_list() and rows[0]["date"] == "2017-06-30"


def test_both_ends_are_printed_or_all_of_a_short_list() -> None:
    many = scores_of(*((f"S{i:02d}", -float(i), -float(i)) for i in range(30)))
    lines = list_text(list_table(DAY, many, None, (1, 5)), 2, "30 stocks").splitlines()
    assert [line.split()[0] for line in lines[3:]] == ["S00", "S01", "...", "S28", "S29"]
    short = list_text(list_table(DAY, SCORES, BEFORE, (1, 5)), 2, "").splitlines()
    assert [line.split()[0] for line in short[2:]] == ["B", "A", "C"]
