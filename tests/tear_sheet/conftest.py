"""An evaluation of two small files whose names, codes and sectors are HTML."""

import json
from pathlib import Path

import polars as pl
import pytest

from atft.evaluation.evaluate import evaluate_files
from atft.evaluation.options import EvaluateOptions
from atft.evaluation.result import Evaluation
from foreign_file import foreign_frame, write_foreign

HOSTILE = "<script>alert(1)</script>"


def small_evaluation(folder: Path) -> Evaluation:
    """Measure a file and its reverse; the first one has a receipt."""
    frame = foreign_frame().with_columns(
        pl.when(pl.col("code") == "S001").then(pl.lit(HOSTILE)).otherwise("code").alias("code"),
        pl.when(pl.col("sector") == "Fish")
        .then(pl.lit(f"{HOSTILE} & $a$"))
        .otherwise("sector")
        .alias("sector"),
    )
    one = write_foreign(folder / "<b>&one.parquet", frame)
    two = write_foreign(folder / "two.parquet", frame.with_columns(pl.col("score").neg()))
    receipt = {
        "run": HOSTILE,
        "days": {"train": {"seen": 28}},
        "metrics": {"val/ic": 0.1},
        "lr": 0.001,
        "parent": None,
        "alarms": [],
    }
    (folder / "receipt.json").write_text(json.dumps(receipt))
    return evaluate_files([one, two], EvaluateOptions(draws=20, min_stocks=10))


@pytest.fixture(scope="session")
def evaluation(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    """Both files."""
    return small_evaluation(tmp_path_factory.mktemp("tear_sheet"))
