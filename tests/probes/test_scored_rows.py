"""A predictions file of any program is read in parts of one horizon, fold and seed."""

from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from atft.errors import InputError
from atft.probes.scored_rows import read_scored_rows

ROWS = pl.DataFrame(
    {
        "date": [date(2020, 1, 2), date(2020, 1, 1), date(2020, 1, 1), date(2020, 1, 1)],
        "code": ["b", "b", "a", "a"],
        "score": [1.0, 2.0, 3.0, 4.0],
        "target": [0.1, None, 0.3, 0.4],
        "horizon": [5, 5, 5, 1],
    }
)


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_rows_are_placed_by_date_and_code_for_each_horizon(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"p.{suffix}"
    ROWS.write_csv(path) if suffix == "csv" else ROWS.write_parquet(path)
    parts = {part.horizon: part for part in read_scored_rows(path)}
    assert set(parts) == {1, 5}
    five = parts[5]
    assert five.codes == ("a", "b") and five.dates.astype(str).tolist() == ["2020-01-01", "2020-01-02"]
    assert np.array_equal(five.numbers["score"], [[3, 2], [np.nan, 1]], equal_nan=True)
    assert np.isnan(five.numbers["target"][0, 1]) and five.present.sum() == 3 and five.repeated == 0
    assert five.numbers["row"][0].tolist() == [2, 1]


def test_without_a_horizon_it_is_one_day_and_repeated_rows_are_counted(tmp_path: Path) -> None:
    pl.concat([ROWS, ROWS]).drop("horizon").write_parquet(tmp_path / "p.parquet")
    (part,) = read_scored_rows(tmp_path / "p.parquet")
    assert part.horizon == 1 and part.repeated == 5


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_large_seeds_are_parts_of_their_own_and_rows_without_one_are_one_part(
    suffix: str, tmp_path: Path
) -> None:
    frames = [
        ROWS.with_columns(seed=pl.lit(seed, pl.Int64), fold=pl.lit(None, pl.Int64))
        for seed in (20260103, 20260104, None)
    ]
    path, frame = tmp_path / f"p.{suffix}", pl.concat(frames)
    frame.write_csv(path) if suffix == "csv" else frame.write_parquet(path)
    parts = read_scored_rows(path)
    assert [part.horizon for part in parts] == [1, 1, 1, 5, 5, 5]
    assert [int(part.present.sum()) for part in parts] == [1, 1, 1, 3, 3, 3]
    assert not any(part.repeated for part in parts)


def test_a_file_that_cannot_be_used_is_one_line(tmp_path: Path) -> None:
    ROWS.rename({"score": "scores"}).write_parquet(tmp_path / "a.parquet")
    ROWS.with_columns(date=pl.lit("yesterday")).write_csv(tmp_path / "b.csv")
    ROWS.head(0).write_parquet(tmp_path / "c.parquet")
    (tmp_path / "d.parquet").write_bytes(b"PAR1")
    ROWS.with_columns(horizon=pl.lit(None, pl.Int32)).write_parquet(tmp_path / "f.parquet")
    for name, text in {
        "a.parquet": "no column 'score', and none of its aliases",
        "b.csv": "date",
        "c.parquet": "no rows; give a file with at least one day of scores",
        "d.parquet": "d.parquet: ",
        "e.parquet": "no such file",
        "f.parquet": "column 'horizon', row 1: nan is no number of trading days",
    }.items():
        with pytest.raises(InputError, match=text):
            read_scored_rows(tmp_path / name)
