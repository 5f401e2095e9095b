"""Rows under two dates or codes are counted; rows of a constant are no copies."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from atft.panel import PanelSchema
from atft.probes.duplicates import RowDigests, duplicate_suspect
from atft.probes.finding import Suspect
from atft.probes.panel_grid import read_grid


def suspect_of(path: Path) -> Suspect | None:
    grid = read_grid(path, PanelSchema())
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
