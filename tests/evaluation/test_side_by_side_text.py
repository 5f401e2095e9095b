"""The tables of a comparison, its CSV rows and its JSON."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from atft.evaluation.side_by_side import CompareOptions, SideBySide, compare_files
from atft.evaluation.side_by_side_text import figure_rows, side_by_side_lines, write_side_by_side


@pytest.fixture
def result(predictions: Path) -> SideBySide:
    path = predictions.with_name("b.parquet")
    frame = pl.read_parquet(predictions).filter(pl.col("code") != "S001")
    frame.with_columns(pl.col("oracle").alias("score")).write_parquet(path)
    return compare_files({"net": predictions, "b": path}, CompareOptions(draws=30))


def test_each_scorer_has_a_line_with_its_figure_and_interval(result: SideBySide) -> None:
    lines = side_by_side_lines(result)
    scorers = lines[: lines.index("paired differences, over the days that both have")]
    for scorer in result.horizons[1].scorers:
        if scorer.lag == 0:
            (line,) = (x for x in scorers if x.startswith(f"{scorer.scorer}  ") and " 5d " in x)
            assert f"{scorer.figures['rank_ic'].value:+.4f}" in line
    assert any(line.startswith("random 95 %") and " 5d " in line and "± 0." in line for line in lines)
    assert any(line.split()[:3] == ["b", "net", "5d"] for line in lines)
    assert "blend: mean of the day's ranks of net, b" in lines
    assert any(
        line.startswith(f"5d: left out, {result.horizons[1].dropped['net'][0]} rows of net that not all")
        for line in lines
    )
    assert any(line.startswith("no row size: no values in column") for line in lines)
    assert any("suspect a bug or a leak first" in line for line in lines)


def test_the_csv_file_has_a_row_for_each_figure(result: SideBySide, tmp_path: Path) -> None:
    write_side_by_side(result, tmp_path / "out.csv")
    with (tmp_path / "out.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(list(figure_rows(result)))
    (row,) = (
        r
        for r in rows
        if (r["scorer"], r["minus"], r["figure"], r["lag"], r["horizon"]) == ("b", "", "rank_ic", "1", "1")
    )
    (scorer,) = (s for s in result.horizons[0].scorers if (s.scorer, s.lag) == ("b", 1))
    assert float(row["value"]) == scorer.figures["rank_ic"].value and int(row["days"]) == scorer.days
    assert any(r["minus"] == "net" and r["figure"] == "spread" for r in rows)
    assert not any("nan" in r.values() for r in rows)


def test_the_json_file_is_standard_json_with_everything(result: SideBySide, tmp_path: Path) -> None:
    write_side_by_side(result, tmp_path / "out.json")
    text = (tmp_path / "out.json").read_text()
    read = json.loads(text, parse_constant=pytest.fail)
    assert list(read["files"]) == ["net", "b"] and read["options"]["draws"] == 30
    (one, five) = read["horizons"]
    assert five["horizon"] == 5 and five["dropped"]["net"]["rows"] > 20
    (net,) = (s for s in five["scorers"] if (s["scorer"], s["lag"]) == ("net", 0))
    assert set(net["rank_ic"]) == {"value", "low", "high", "error", "t"}
    assert {"scorer", "minus", "lag", "figure", "days", "value"} <= set(one["differences"][0])
    assert [b["lag"] for b in one["bands"]] == [0, 1] and one["absent"]["size"]
    warned = replace(result, warnings=["net: trained after days that it scores (causal is false)"])
    write_side_by_side(warned, tmp_path / "out.json")
    read = json.loads((tmp_path / "out.json").read_text())
    assert (read["notes"], read["warnings"]) == (warned.notes, warned.warnings)
    assert [of["warnings"] for of in read["horizons"]] == [of.warnings for of in warned.horizons]
