"""A small run of `atft.Trainer` that the tests of this folder share."""

from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch

from atft.data.build import CacheOptions
from atft.data.graph import GraphOptions
from atft.data.loader import LoaderOptions
from atft.data.split import SplitOptions
from atft.nn.atft_gat_fan import ATFTGATFAN
from atft.runs.trainer import Trainer
from atft.tasks.day_data import DayData
from atft.tasks.panel_source import PanelOptions
from atft.tasks.ranking import RankingTask
from small_task import SIZES


def python_data(folder: Path, frame: Any, **changes: Any) -> DayData:
    """Day data of a frame of the small panel."""
    given: dict[str, Any] = {
        "split": SplitOptions(
            train=["2015-01-05", "2015-02-27"],
            val=["2015-03-02", "2015-03-25"],
            test=["2015-03-26", "2015-04-24"],
            embargo_days=2,
        ),
        "loader": LoaderOptions(lookback=6, block_days=3, batch_size=100),
        "cache": CacheOptions(dir=str(folder / "cache")),
        "graph": GraphOptions(k=3, window=20, min_observations=10, refresh_days=5, sector_k=2),
        "horizons": [1, 5],
    }
    return DayData(PanelOptions.from_frame(frame, folder=folder / "cache"), **{**given, **changes})


def python_task(data: DayData, **changes: Any) -> RankingTask:
    """A task of a few weights for these data."""
    torch.manual_seed(0)
    given: dict[str, Any] = {"optimizer": partial(torch.optim.AdamW, lr=0.01)}
    return RankingTask.for_data(data, **{"network": partial(ATFTGATFAN, **SIZES), **given, **changes})


class PythonRun(NamedTuple):
    """A finished run of two epochs, which tests read and do not change."""

    data: DayData
    task: RankingTask
    trainer: Trainer


@pytest.fixture(scope="session")
def python_run(tiny_run: Any, tmp_path_factory: pytest.TempPathFactory) -> PythonRun:
    """Train once for all tests that look at what a trainer leaves behind."""
    import polars

    folder = tmp_path_factory.mktemp("python")
    data = python_data(folder, polars.scan_parquet(tiny_run.panel))
    task = python_task(data)
    trainer = Trainer(folder / "runs", max_epochs=2, accelerator="cpu", quiet=True)
    trainer.fit(task, data)
    return PythonRun(data, task, trainer)
