"""join: a panel and a file in, a wider panel out."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl


def test_a_panel_gets_columns_and_a_line_says_how_many_rows_know_them(
    make_panel: Callable[..., Path], atft: Callable[..., Any], tmp_path: Path
) -> None:
    panel, out = make_panel(), tmp_path / "wide.parquet"
    first = pl.read_parquet(panel)["date"].min()
    pl.DataFrame({"code": ["S001"], "filed": [first], "eps": [2.5]}).write_csv(tmp_path / "eps.csv")
    where = ["--panel", panel, "--with", tmp_path / "eps.csv", "--out", out]
    outcome = atft("join", *where, "--on", "date,code", "--known", "filed", "--lag", "2")
    assert outcome.code == 0, outcome
    assert "x_eps, known on" in outcome.out
    known = pl.read_parquet(out).filter(pl.col("x_eps").is_not_null())
    assert set(known["code"]) == {"S001"} and known["date"].min() > first
    wrong = atft("join", *where, "--known", "date")
    assert wrong.code == 2 and "no column 'date'" in wrong.err
