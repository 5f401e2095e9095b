"""Predictions files of runs that were not trained."""

from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from atft.evaluation.predictions import prediction_rows
from atft.files.parquet import table_file

HORIZONS, STOCKS, DAYS = (1, 5), 12, 24


def write_predictions(
    path: Path,
    seed: int,
    days: int = DAYS,
    tests: Sequence[range] = (range(12, DAYS),),
    first: date = date(2020, 1, 1),
) -> Path:
    """Predictions of a run, as a run writes them: targets and stocks depend on the day, scores on the seed too."""
    with table_file(path, compression="zstd") as append:
        for day in range(days):
            market, scorer = np.random.default_rng(day), np.random.default_rng((day, seed))
            there = np.flatnonzero(market.random(STOCKS) < 0.9)
            target = market.standard_normal((STOCKS, len(HORIZONS)))[there]
            noise = scorer.standard_normal(target.shape)
            by_horizon = {"score": target + 2 * noise, "target": target, "target_lag1": -target, "q50": noise}
            split = "test" if any(day in test for test in tests) else "val"
            names = [f"s{code:02d}" for code in there]
            shared: dict[str, Any] = {"split": split, "fold": 0, "return_1d": target[:, 0]}
            append(prediction_rows(first + timedelta(days=day), names, HORIZONS, by_horizon, **shared), None)
    return path
