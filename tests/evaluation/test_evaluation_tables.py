"""What a reader of the text finds, and in which order."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from atft.errors import InputError
from atft.evaluation.evaluate import evaluate_files
from atft.evaluation.evaluation_tables import evaluation_text, shown, shown_interval
from atft.evaluation.figures import FIGURES
from atft.evaluation.intervals import Interval
from atft.evaluation.options import EvaluateOptions
from atft.evaluation.result import Evaluation
from foreign_file import foreign_frame, write_foreign


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    """A file and a noisier one."""
    folder, frame = tmp_path_factory.mktemp("tables"), foreign_frame()
    noise = pl.Series(np.random.default_rng(2).standard_normal(len(frame)))
    paths = [
        write_foreign(folder / "mine.parquet", frame.drop("return_1d")),
        write_foreign(folder / "noise.parquet", frame.with_columns(score=noise)),
    ]
    return evaluate_files(paths, EvaluateOptions(min_stocks=10, draws=50))


def test_coverage_and_warnings_stand_before_figures_and_controls_beside_them(evaluation: Evaluation) -> None:
    text = evaluation_text(evaluation)
    order = [
        "mine: 2020-11-16 to",
        "other split",
        "WARNING 1d: RankIC",
        "scorer ",
        "random 95 %",
        "shuffled labels",
        "no control 'reversal': no values in column return_1d; --context joins columns",
        "figures of mine; k = 10, costs 10 bps a side",
        "decile returns",
        "decay",
        "exposure of the score",
        "RankIC by year",
        "RankIC by sector",
        "noise: ",
        "differences, paired by day",
        "noise - mine",
    ]
    places = [text.find(part) for part in order]
    assert places == sorted(places) and places[0] >= 0, dict(zip(order, places, strict=True))


def test_a_score_inside_the_random_band_says_so_in_its_row(evaluation: Evaluation) -> None:
    rows = [
        line for line in evaluation_text(evaluation).splitlines() if line.startswith(("noise  ", "mine  "))
    ]
    assert all(row.endswith("  RankIC inside the random band") for row in rows if row.startswith("noise"))
    assert not any(row.endswith("band") for row in rows if row.startswith("mine"))
    assert any(row.startswith("mine") for row in rows)


def test_a_file_that_has_the_name_of_a_control_and_the_control_have_two_names(tmp_path: Path) -> None:
    path = write_foreign(tmp_path / "reversal.parquet", foreign_frame().filter(horizon=1))
    lines = evaluation_text(evaluate_files([path], EvaluateOptions(min_stocks=10, draws=20))).splitlines()
    first = [line.split("  ")[0] for line in lines if " 1d  " in line]
    assert first[:3] == ["reversal", "random 95 %", "random"] and first.count("random 95 %") == 1
    assert "control: reversal" in first


def test_a_constant_score_has_no_figure_to_be_inside_the_random_band(tmp_path: Path) -> None:
    path = write_foreign(tmp_path / "flat.parquet", foreign_frame().with_columns(score=pl.lit(1.0)))
    with pytest.raises(InputError, match="constant score"):
        evaluate_files([path], EvaluateOptions(min_stocks=10, draws=50))
    half = pl.when(pl.col("date").dt.day() < 15).then(1.0).otherwise("score")
    write_foreign(path, foreign_frame().with_columns(score=half))
    text = evaluation_text(evaluate_files([path], EvaluateOptions(min_stocks=10, draws=50)))
    assert text.startswith("flat: 2020-11-16 to 2021-01-"), "the days whose targets are known"
    (row,) = (line for line in text.splitlines() if line.startswith("flat") and " 1d " in line)
    assert "nan" in row and not row.endswith("band")


def test_numbers_are_shown_in_the_unit_of_their_figure() -> None:
    assert shown(0.01234, FIGURES["rank_ic"]) == "+0.0123"
    assert shown(0.5123, FIGURES["hit_rate"]) == "51.23"
    assert shown(-0.00123, FIGURES["spread"]) == "-12.3"
    assert shown(1234567.8, FIGURES["capacity"]) == "1,234,568"
    assert shown(float("nan"), FIGURES["rank_ic"]) == "nan"
    interval = Interval(0.01, -0.02, 0.04, 0.015, 0.667)
    assert shown_interval(interval, FIGURES["rank_ic"]) == "+0.0100 [-0.0200, +0.0400] 0.7"
    nan = float("nan")
    assert shown_interval(interval._replace(t=nan), FIGURES["hit_rate"]) == "1.00 [-2.00, 4.00]"
    assert shown_interval(Interval(0.01, nan, nan, nan, nan), FIGURES["drawdown"]) == "1.00"
