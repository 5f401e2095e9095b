"""One horizon of a predictions file from arrays."""

from typing import Any

import numpy as np

from atft.evaluation.predictions import HorizonScores


def table_of(horizon: int, target: Any, valid: Any = None, delayed: Any = None) -> HorizonScores:
    """Targets ``[days, stocks]`` on consecutive days; all rows valid where nothing is said."""
    days, stocks = target.shape
    columns = {"target": target} | ({} if delayed is None else {"target_lag1": delayed})
    return HorizonScores(
        horizon,
        np.datetime64("2020-01-01") + np.arange(days),
        [f"s{i}" for i in range(stocks)],
        np.ones(target.shape, dtype=bool) if valid is None else valid,
        {name: np.asarray(values, np.float32) for name, values in columns.items()},
    )
