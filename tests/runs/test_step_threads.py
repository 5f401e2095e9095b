"""A training whose blocks are small work runs on one thread, and what follows it on as many as before."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lightning.pytorch as pl
import pytest
import torch

from atft.data.build import CacheOptions
from atft.data.loader import LoaderOptions
from atft.data.split import SplitOptions
from atft.runs import step_threads
from atft.runs.step_threads import StepThreads, block_products
from atft.tasks.day_data import DayData
from atft.tasks.panel_source import PanelOptions

SPLIT = SplitOptions(train=["2015-01-05", "2015-02-27"], val=["2015-03-02", "2015-03-25"], embargo_days=2)


class TenWeights(pl.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(9, 1)


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def data(make_panel: Callable[..., Path], tmp_path: Path) -> DayData:
    loader = LoaderOptions(lookback=6, block_days=3, batch_size=1000)
    return DayData(
        PanelOptions(path=str(make_panel())),
        SPLIT,
        loader,
        CacheOptions(dir=str(tmp_path / "cache")),
        horizons=[1, 5],
    )


def test_the_work_of_a_block_is_weights_times_rows_of_its_span(data: DayData) -> None:
    rows = data.open_cache().manifest.universe_rows
    stocks = sorted(rows[day] for day in data.split.train)[(len(data.split.train) - 1) // 2]
    assert block_products(TenWeights(), data) == 10 * stocks * (3 + 5)
    members = TenWeights()
    members.members = 5  # trained one after another: a fifth of the weights at a time
    assert block_products(members, data) == 2 * stocks * (3 + 5)
    data.loader_options = replace(data.loader_options, batch_size=2 * stocks)  # fewer days fit in a step
    assert block_products(TenWeights(), data) == 10 * stocks * (2 + 5)


def test_small_blocks_train_on_one_thread_and_the_threads_come_back(two_threads: None, data: DayData) -> None:
    trainer: Any = SimpleNamespace(datamodule=data)
    for end in (
        lambda c: c.on_train_end(trainer, TenWeights()),
        lambda c: c.on_exception(trainer, TenWeights(), ValueError()),
    ):
        threads = StepThreads()
        threads.on_train_start(trainer, TenWeights())
        assert torch.get_num_threads() == 1
        end(threads)
        assert torch.get_num_threads() == 2


def test_large_blocks_keep_their_threads(
    two_threads: None, data: DayData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step_threads, "MIN_PRODUCTS", block_products(TenWeights(), data))
    StepThreads().on_train_start(SimpleNamespace(datamodule=data), TenWeights())
    assert torch.get_num_threads() == 2
