"""Files differ on the rows that both score: what one leaves out changes nothing, as in compare."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from atft.evaluation.evaluate import evaluate_files
from atft.evaluation.file_differences import compared_rows, file_differences
from atft.evaluation.options import EvaluateOptions
from atft.evaluation.score_rows import read_scores
from atft.evaluation.side_by_side import CompareOptions, compare_files
from foreign_file import foreign_frame, write_foreign

OPTIONS = EvaluateOptions(min_stocks=10, draws=50)


def test_a_file_that_leaves_stocks_out_does_not_differ_from_the_whole(tmp_path: Path) -> None:
    frame = foreign_frame()
    # The first twenty stocks cannot be ranked; the second file leaves them out.
    noise = pl.Series(np.random.default_rng(1).normal(size=len(frame)))
    frame = frame.with_columns(score=pl.when(pl.col("code") < "S020").then(noise).otherwise("score"))
    easy = frame.filter(pl.col("code") >= "S020")
    paths = [write_foreign(tmp_path / "a.parquet", frame), write_foreign(tmp_path / "b.parquet", easy)]
    evaluation = evaluate_files(paths, OPTIONS)
    whole, part = (file.horizons[1].figures["rank_ic"].value for file in evaluation.files)
    assert part > whole + 0.05
    assert len(evaluation.differences) == 4
    for difference in evaluation.differences:
        assert difference.difference.value == difference.difference.low == difference.difference.high == 0


def test_differences_are_those_that_compare_finds(tmp_path: Path) -> None:
    frame = foreign_frame()
    noisy = frame.with_columns(
        score=pl.col("score") + pl.Series(np.random.default_rng(1).normal(size=len(frame)))
    )
    noisy = noisy.filter((pl.col("code") < "S030") | (pl.col("horizon") == 5))
    paths = {n: write_foreign(tmp_path / f"{n}.parquet", f) for n, f in (("a", frame), ("b", noisy))}
    found = evaluate_files(list(paths.values()), OPTIONS).differences
    compared = compare_files(paths, CompareOptions(min_stocks=10, draws=50, blend=False))
    assert len(found) == 4
    for difference in found:
        (horizon,) = (h for h in compared.horizons if h.horizon == difference.horizon)
        pairs = horizon.differences[0, difference.figure]
        (same,) = (pair for pair in pairs if (pair.scorer, pair.against) == ("b", "a"))
        assert difference.days == same.days
        assert difference.difference[0] == pytest.approx(same.difference.value, abs=1e-12)
        assert difference.difference.error == pytest.approx(same.difference.error, abs=1e-12)


def test_files_without_a_common_row_have_no_difference(tmp_path: Path) -> None:
    frame = foreign_frame().filter(split="test")
    parts = [frame.filter(pl.col("code") < "S020"), frame.filter(pl.col("code") >= "S020")]
    rows = {
        str(i): compared_rows(read_scores(write_foreign(tmp_path / f"{i}.parquet", part)))
        for i, part in enumerate(parts)
    }
    assert file_differences(rows, OPTIONS) == []


def test_a_file_of_constant_scores_has_no_difference(tmp_path: Path) -> None:
    frame = foreign_frame()
    flat = frame.with_columns(score=pl.when(pl.col("code") < "S020").then(1.0).otherwise("score"))
    # On the rows of the second file the first is constant.
    paths = [
        write_foreign(tmp_path / "a.parquet", flat),
        write_foreign(tmp_path / "b.parquet", frame.filter(pl.col("code") < "S020")),
    ]
    assert evaluate_files(paths, OPTIONS).differences == []
