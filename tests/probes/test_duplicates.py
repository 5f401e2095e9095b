"""Rows under two dates or codes are counted; rows of a constant are no copies."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from atft.panel import PanelSchema
from atft.probes.duplicates import RowDigests, duplicate_suspect
from atft.probes.finding import Suspect
from atft.probes.panel_grid import read_grid


def suspect_of(path: Path, features: tuple[str, ...] = ("x_*",)) -> Suspect | None:
    grid = read_grid(path, PanelSchema(features=list(features)))
    digests = RowDigests(grid.shape)
    for _, values in grid.numbers(grid.columns.features):
        digests.add(values)
    return duplicate_suspect(grid, digests)


def test_rows_of_one_day_under_another_date_are_copies(market_rows: pl.DataFrame, planted: Any) -> None:
    days = market_rows["date"].unique().sort()
    assert suspect_of(planted(market_rows)) is None
    twice = market_rows.filter(pl.col("date") == days[30]).with_columns(date=pl.lit(days[90]))
    rows = pl.concat([market_rows.filter(pl.col("date") != days[90]), twice])
    suspect = suspect_of(planted(rows))
    assert suspect is not None and f"{len(twice)} rows are copies" in suspect.evidence
    again = suspect_of(planted(pl.concat([market_rows, market_rows.head(3)])))
    assert again is not None and "3 rows share date and code" in again.evidence


def test_columns_of_few_values_and_rows_of_a_fill_prove_nothing() -> None:
    digests = RowDigests((50, 20))
    digests.add(np.tile([0.0, 1.0], (50, 10)))
    assert digests.columns == 0 and not digests.known.any()


def test_five_copies_are_named_by_code_and_date_and_fewer_or_whole_fills_are_not(
    market_rows: pl.DataFrame, planted: Any
) -> None:
    days = market_rows["date"].unique().sort().to_list()
    stock = market_rows.filter(pl.col("code") == "S0003").sort("date")
    own = stock["date"].to_list()

    def copied(pairs: list[tuple[int, int]], code: str = "S0003") -> pl.DataFrame:
        """Rows of a stock under other dates, of the same or another code."""
        rows = [
            stock.filter(pl.col("date") == own[a]).with_columns(date=pl.lit(own[b]), code=pl.lit(code))
            for a, b in pairs
        ]
        new = pl.concat(rows)
        return pl.concat([market_rows.join(new, on=["date", "code"], how="anti"), new])

    pairs = [(10 + i, 60 + i) for i in range(5)]
    assert suspect_of(planted(copied(pairs[:4]))) is None
    suspect = suspect_of(planted(copied(pairs)))
    assert suspect is not None and suspect.evidence.startswith(
        "5 rows are copies of another row (5 of the same code on another date), the first: S0003 on "
    )
    assert any(suspect.evidence.endswith(f"S0003 on {own[a]} and S0003 on {own[b]}") for a, b in pairs), (
        suspect.evidence
    )
    three = ("x_revision", "x_demand", "x_flow")
    assert suspect_of(planted(copied(pairs)), three) is not None
    assert suspect_of(planted(copied(pairs)), three[:2]) is None, "equal rows of two columns prove nothing"
    other = suspect_of(planted(copied(pairs, "S0004")))
    assert other is not None and "5 rows are copies of another row (0 of the same code" in other.evidence
    # Two rows that stand under five dates each are eight copies; under six they are fills.
    for dates, accused in ((5, True), (6, False)):
        fills = [(first, first + 10 * i) for first in (10, 15) for i in range(1, dates)]
        assert (suspect_of(planted(copied(fills))) is not None) == accused
    assert len(days) > 100


def test_a_column_counts_where_half_of_its_values_differ_and_a_row_where_it_knows_three() -> None:
    digests = RowDigests((4, 2))
    halves = np.array([[1.0, 1], [2, 2], [3, 3], [4, 4]])
    digests.add(halves)
    digests.add(np.where(halves == 4, 3.0, halves))
    digests.add(np.array([[5.0, np.nan]] + [[np.nan, np.nan]] * 3))
    assert digests.columns == 1
    digests.add(np.array([[5.0, 6.0]] + [[np.nan, np.nan]] * 3))
    assert digests.columns == 2 and digests.known.tolist() == [[2, 2], [1, 1], [1, 1], [1, 1]]
    assert (digests.digest[1:, 0] == digests.digest[1:, 1]).all() and len(np.unique(digests.digest)) == 5
