"""simulate: a market as a file, and the best score anybody can reach in it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl


def test_a_market_is_written_and_its_oracle_printed(atft: Callable[..., Any], tmp_path: Path) -> None:
    out = tmp_path / "deep" / "market.parquet"
    outcome = atft("simulate", "--out", out, "--stocks", "20", "--days", "120")
    assert outcome.code == 0 and "best possible IC" in outcome.out
    frame = pl.read_parquet(out)
    assert frame["code"].n_unique() <= 20 and frame["date"].n_unique() == 120
    assert [p.name for p in out.parent.iterdir()] == ["market.parquet"]


def test_the_written_market_trains_as_any_panel_does(
    tiny_config: Callable[..., Path], atft: Callable[..., Any], tmp_path: Path
) -> None:
    out = tmp_path / "market.parquet"
    assert atft("simulate", "--out", out, "--stocks", "20", "--days", "120").code == 0
    dates = ["--data.split.train", "[2015-01-01, 2015-04-10]", "--data.split.val", "[2015-04-13, 2015-05-15]"]
    dates += ["--data.split.test", "null"]
    assert atft("fit", "--config", tiny_config(tmp_path, out), *dates).code == 0


def test_options_out_of_range_and_unknown_ones_are_errors(atft: Callable[..., Any], tmp_path: Path) -> None:
    out = ["--out", tmp_path / "m.parquet"]
    assert "did you mean 'stocks'" in atft("simulate", *out, "--stoks", "3").error_line
    assert "stocks" in atft("simulate", *out, "--stocks", "-3").error_line
    assert "out" in atft("simulate").error_line
    assert list(tmp_path.iterdir()) == []


def test_a_folder_where_no_file_can_be_written_is_named(atft: Callable[..., Any]) -> None:
    assert (
        __file__
        in atft("simulate", "--out", f"{__file__}/m.parquet", "--stocks", "20", "--days", "120").error_line
    )
