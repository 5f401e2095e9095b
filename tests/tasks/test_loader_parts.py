"""The loaders of one stage share a panel in device memory, that of the days which they read."""

from collections.abc import Callable
from pathlib import Path

import lightning.pytorch as pl
import numpy as np
from lightning.pytorch.trainer.states import TrainerFn

from atft.data.build import CacheOptions
from atft.data.loader import LoaderOptions
from atft.data.split import SplitOptions
from atft.tasks.day_data import DayData
from atft.tasks.panel_source import PanelOptions
from atft.tasks.pretraining_days import PretrainingDays

SPLIT = SplitOptions(
    train=["2015-01-05", "2015-02-27"],
    val=["2015-03-02", "2015-03-25"],
    test=["2015-03-26", "2015-04-24"],
    embargo_days=2,
)


def data_of(kind: type[DayData], panel: Path, folder: Path) -> DayData:
    loader = LoaderOptions(lookback=6, block_days=3, batch_size=100, residency="device")
    data = kind(PanelOptions(path=str(panel)), SPLIT, loader, CacheOptions(dir=str(folder)), horizons=[1, 5])
    data.trainer = pl.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, devices=1)
    data.trainer.state.fn = TrainerFn.FITTING
    return data


def test_training_and_validation_share_a_panel_and_a_later_stage_has_its_own(
    make_panel: Callable[..., Path], tmp_path: Path
) -> None:
    data = data_of(DayData, make_panel(), tmp_path / "cache")
    assert data.trainer is not None
    train, val = data.train_dataloader().memory, data.val_dataloader().memory
    assert train is not None and train is val and train.kind == "device"
    assert train.panel.days.tolist() == sorted([*data.split.train, *data.split.val])
    assert [d for batch in data.val_dataloader() for d in batch.day.tolist()] == data.split.val.tolist()
    assert "rows" in vars(train.panel)
    data.teardown("fit")
    assert "rows" not in vars(train.panel)
    data.trainer.state.fn = TrainerFn.TESTING
    test = data.test_dataloader().memory
    assert test is not None and test.panel.days.tolist() == data.split.test.tolist()
    data.trainer.state.fn = TrainerFn.PREDICTING
    predict = data.predict_dataloader().loader.memory
    assert predict is not None and predict is not test and predict.panel.min_stocks == 0


def test_a_panel_for_pretraining_has_no_later_day(make_panel: Callable[..., Path], tmp_path: Path) -> None:
    data = data_of(PretrainingDays, make_panel(), tmp_path / "cache")
    assert isinstance(data, PretrainingDays)
    memory = data.train_dataloader().memory
    assert memory is not None
    np.testing.assert_array_equal(memory.panel.days, data.pretraining_days())
