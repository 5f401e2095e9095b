"""evaluation.json, days.csv and summary.csv have what the evaluation has."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from atft.errors import InputError
from atft.evaluation.evaluate import evaluate_files
from atft.evaluation.evaluation_files import write_evaluation
from atft.evaluation.options import EvaluateOptions
from foreign_file import foreign_frame, write_foreign


def test_files_have_the_figures_and_the_days(tmp_path: Path) -> None:
    path = write_foreign(tmp_path / "mine.parquet", foreign_frame())
    evaluation = evaluate_files([path], EvaluateOptions(min_stocks=10, draws=50))
    names = [file.name for file in write_evaluation(evaluation, tmp_path / "out" / "deep")]
    assert names == ["evaluation.json", "days.csv", "summary.csv"]
    folder = tmp_path / "out" / "deep"
    measured = evaluation.files[0].horizons[5]

    found = json.loads((folder / "evaluation.json").read_text())
    five = found["files"][0]["horizons"]["5"]
    assert found["format"] == 1 and found["settings"]["draws"] == 50
    assert five["figures"]["rank_ic"] == pytest.approx(measured.figures["rank_ic"]._asdict())
    assert five["figures"]["drawdown"]["low"] is None and "series" not in five and "dates" not in five
    assert five["books"] == {"returns_from": "target of 1 day", "unknown": measured.books.unknown}
    assert [row["group"] for row in five["groups"]["sector"]] == ["Banks", "Fish"]
    assert five["controls"][0]["name"] == "random" and "series" not in five["controls"][0]

    days = pl.read_csv(folder / "days.csv", try_parse_dates=True).filter(horizon=5)
    assert days["date"].to_list() == measured.dates.tolist()
    rank_ic = days["rank_ic"].cast(pl.Float64).to_numpy()
    np.testing.assert_allclose(rank_ic, measured.series["rank_ic"], equal_nan=True)
    np.testing.assert_allclose(days["net"].to_numpy(), measured.books.net, equal_nan=True)

    summary = pl.read_csv(folder / "summary.csv")
    row = summary.filter(horizon=5, scorer="score", figure="net_annual").row(0, named=True)
    assert row["value"] == pytest.approx(measured.figures["net_annual"].value) and row["unit"] == "%"
    assert set(summary["scorer"]) >= {"score", "random", "reversal"}


def test_a_place_that_takes_no_folder_raises(tmp_path: Path) -> None:
    path = write_foreign(tmp_path / "mine.parquet", foreign_frame())
    evaluation = evaluate_files([path], EvaluateOptions(min_stocks=10, draws=20, horizon=1))
    with pytest.raises(InputError, match="cannot write there"):
        write_evaluation(evaluation, path)
