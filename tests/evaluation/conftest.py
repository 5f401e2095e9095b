"""A small predictions file with a signal, unknown targets at its end, and a varying universe."""

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from atft.evaluation.predictions import prediction_rows


@pytest.fixture
def predictions(tmp_path: Path) -> Path:
    """The file itself."""
    days, stocks, horizons, rng = 40, 30, (1, 5), np.random.default_rng(0)
    codes = np.array([f"S{i:03d}" for i in range(stocks)])
    tables = []
    for d in range(days):
        here = rng.random(stocks) < 0.9
        count = int(here.sum())
        target = 0.02 * rng.standard_normal((count, len(horizons)))
        delayed = target + 0.02 * rng.standard_normal(target.shape)
        score = target + 0.05 * rng.standard_normal(target.shape)
        for i, h in enumerate(horizons):
            if d >= days - h:
                target[:, i] = np.nan
            if d >= days - h - 1:
                delayed[:, i] = np.nan
        tables.append(
            prediction_rows(
                date(2020, 1, 1) + timedelta(days=d),
                codes[here].tolist(),
                horizons,
                {
                    "score": score,
                    "target": target,
                    "target_lag1": delayed,
                    "oracle": np.nan_to_num(target) + 0.01 * rng.standard_normal(target.shape),
                    "q05": score - 1,
                },
                split="val" if d < 10 else "test",
                fold=0,
                sector=[None if c.endswith("0") else "Tech" for c in codes[here]],
                return_1d=0.02 * rng.standard_normal(count),
                regime_volatility=0.3,
            )
        )
    pq.write_table(pa.concat_tables(tables), tmp_path / "predictions.parquet")
    return tmp_path / "predictions.parquet"
