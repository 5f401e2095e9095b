"""compare in Python gives the figures of the command, for frames, files and runs alike."""

import warnings
from pathlib import Path
from typing import Any

import polars
import pytest

from atft.errors import InputError
from atft.evaluation.side_by_side import CompareOptions, compare_files
from atft.evaluation.side_by_side_text import figure_rows, warning_lines
from atft.runs.compared_scores import compare
from atft.runs.run_files import read_run

OPTIONS: dict[str, Any] = {"min_stocks": 2, "draws": 20}


@pytest.fixture(scope="module")
def other(tiny_run: Any) -> polars.DataFrame:
    """Scores of another model, for a part of the days."""
    frame = polars.read_parquet(tiny_run.directory / "predictions.parquet")
    return frame.with_columns(score=-polars.col("return_1d")).filter(polars.col("date") > frame["date"].min())


def test_frames_files_and_runs_have_the_figures_of_the_command(
    tiny_run: Any, other: polars.DataFrame, tmp_path: Path
) -> None:
    file = tmp_path / "other.parquet"
    other.write_parquet(file)
    paths = {"run": tiny_run.directory / "predictions.parquet", "other": file}
    result = compare_files(paths, CompareOptions(**OPTIONS))
    expected = list(figure_rows(result))
    assert any("suspect a bug or a leak first" in line for line in warning_lines(result))
    for run in (tiny_run.directory, str(tiny_run.directory), read_run(tiny_run.directory)):
        for scores in (file, other, other.to_pandas()):
            with warnings.catch_warnings(record=True, action="always") as caught:
                table = compare({"run": run, "other": scores}, **OPTIONS)
            assert [str(warning.message) for warning in caught] == warning_lines(result)
            assert len(table) == len(expected) > 10
            for row, known in zip(table.to_dicts(), expected, strict=True):
                assert row == {**dict.fromkeys(row), **known}
    assert set(table["minus"].drop_nulls()) >= {"run"} and "blend" in table["scorer"].to_list()


def test_what_cannot_be_compared_is_one_line(other: polars.DataFrame, tmp_path: Path) -> None:
    cases: list[tuple[Any, dict[str, Any], str]] = [
        ([other], {}, r"compare takes names and their scores"),
        ({}, {}, r"compare takes names and their scores"),
        ({"blend": other}, {}, r"a row of the table is called 'blend'"),
        ({"mine": 5}, {}, r"scores of mine: int is no frame"),
        ({"mine": tmp_path}, {}, r"predictions\.parquet"),
        ({"mine": other}, {"min_stocks": "20"}, r"compare\.min_stocks must be a whole number, got '20'"),
        ({"mine": other.drop("code")}, {}, "^scores of mine: no column 'code'"),
        ({"a": other, "mine": polars.concat([other, other])}, {}, "^scores of mine: .* has two rows"),
    ]
    for scores, options, message in cases:
        with pytest.raises(InputError, match=message):
            compare(scores, **options)
