"""Scores and forward returns in the form that alphalens reads: its ``factor_data``, as Parquet.

A MultiIndex of date and asset; the forward return named after its period (``5D``), ``factor``, ``factor_quantile``
from 1 to 10, and ``group``, the sector, where it is known. It holds the rows that an evaluation measures.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from atft.errors import InputError
from atft.evaluation.day_measures import decile_numbers, without_thin_days
from atft.evaluation.day_ranks import over_blocks, rank_days
from atft.evaluation.options import EvaluateOptions
from atft.evaluation.score_rows import DenseHorizon, dense_horizon, read_context, read_scores
from atft.files.publish import published

if TYPE_CHECKING:
    import pandas


def write_factor_data(path: str | Path, out: Path, options: EvaluateOptions) -> None:
    """Write the scores of a predictions file as alphalens' factor_data, which ``pandas.read_parquet`` gives back.

    Args:
        path: a predictions file with one horizon, or with ``options.horizon``.
        out: Parquet file to write.

    Raises InputError where the file has several horizons and none is named, or ``out`` cannot be written.
    """
    scores = read_scores(path, options.split, options.horizon)
    if len(scores.horizons) > 1:
        listed = ", ".join(map(str, scores.horizons))
        raise InputError(
            f"--alphalens has one score a stock and day, {path} has horizons {listed}; add --horizon"
        )
    context = None if options.context is None else read_context(options.context)
    frame = factor_data(dense_horizon(scores, scores.horizons[0], context), options.min_stocks)
    with published(out) as beside:
        frame.to_parquet(beside)


def factor_data(dense: DenseHorizon, min_stocks: int) -> "pandas.DataFrame":
    """Lay a horizon out as factor_data: rows with a score and a known target, on days of ``min_stocks`` of them."""
    import pandas as pd

    table = dense.table
    known = table.valid()
    known = without_thin_days(known, min_stocks)
    tenth = over_blocks(lambda s, use: decile_numbers(rank_days(s, use)) + 1, table.columns["score"], known)
    day, stock = np.nonzero(known)
    index = pd.MultiIndex.from_arrays(
        [table.dates[day].astype("datetime64[ns]"), np.asarray(table.codes)[stock]], names=["date", "asset"]
    )
    columns = {
        f"{table.horizon}D": table.columns["target"][known].astype(np.float64),
        "factor": table.columns["score"][known].astype(np.float64),
    }
    if dense.sector is not None:
        names = np.asarray([*dense.sectors, "unknown"])
        columns["group"] = names[dense.sector[known]]  # -1, without a sector, is the last name
    return pd.DataFrame(columns | {"factor_quantile": tenth[known].astype(np.int64)}, index=index)
