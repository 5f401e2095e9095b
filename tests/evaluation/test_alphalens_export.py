"""A factor_data that alphalens reads."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from atft.errors import InputError
from atft.evaluation.alphalens_export import write_factor_data
from atft.evaluation.options import EvaluateOptions
from foreign_file import foreign_frame, write_foreign

OPTIONS = EvaluateOptions(min_stocks=10, horizon=5)


@pytest.mark.filterwarnings("ignore")
def test_alphalens_reads_what_is_written(tmp_path: Path) -> None:
    import pandas as pd
    from alphalens import performance

    frame = foreign_frame()
    out = tmp_path / "factor.parquet"
    write_factor_data(write_foreign(tmp_path / "a.parquet", frame), out, OPTIONS)
    data = pd.read_parquet(out)
    assert data.index.names == ["date", "asset"]
    assert list(data.columns) == ["5D", "factor", "group", "factor_quantile"]
    known = frame.filter(pl.col("target").is_not_null(), split="test", horizon=5)
    assert len(data) == len(known) and set(data["group"]) == {"Banks", "Fish", "unknown"}
    row = known.row(7, named=True)
    written = data.loc[pd.Timestamp(row["date"]), row["code"]]
    assert written["5D"] == np.float32(row["target"]) and written["factor"] == np.float32(row["score"])
    assert sorted(set(data["factor_quantile"])) == list(range(1, 11))
    assert len(performance.factor_information_coefficient(data)) == data.index.levels[0].size
    assert list(performance.mean_return_by_quantile(data, by_group=True)[0].columns) == ["5D"]


def test_several_horizons_are_several_files(tmp_path: Path) -> None:
    path = write_foreign(tmp_path / "a.parquet", foreign_frame(days=20))
    with pytest.raises(InputError, match="has horizons 1, 5; add --horizon"):
        write_factor_data(path, tmp_path / "out.parquet", replace(OPTIONS, horizon=None))
    assert not (tmp_path / "out.parquet").exists()
