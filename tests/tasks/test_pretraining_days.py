"""Pretraining reads no day after the last training day, and none that is scored."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from atft.commands.train import build
from atft.data.folds import FoldOptions
from atft.tasks.pretraining_days import PretrainingDays


@pytest.fixture(scope="module")
def data(tiny_run: Any) -> PretrainingDays:
    built = build("pretrain", ["--config", str(tiny_run.config)]).datamodule
    assert isinstance(built, PretrainingDays)
    built.open_cache()
    return built


def of_fold(data: PretrainingDays, **options: Any) -> PretrainingDays:
    split = replace(data.split_options, fold=1, folds=FoldOptions(**options))
    return PretrainingDays(
        data.panel, split, data.loader_options, data.cache_options, data.graph_options, horizons=data.horizons
    )


def test_they_are_the_days_with_history_up_to_the_last_training_day(data: PretrainingDays) -> None:
    days = data.pretraining_days()
    assert days[0] == data.loader_options.lookback - 1 and days[-1] == data.split.train[-1]
    assert set(data.split.train) <= set(days)
    assert not set(days) & {*data.split.whole["val"], *data.split.whole["test"]}
    assert {block.first_day for block in data.train_dataloader().plan.plan()} <= set(days.tolist())
    rows = np.array(data.open_cache().manifest.universe_rows)
    assert data.planned() == {"train": (len(days), rows[days].sum()), "val": (0, 0)}


def test_days_before_the_training_dates_count_and_those_of_few_stocks_do_not(data: PretrainingDays) -> None:
    later = of_fold(data, every=12)
    later.split_options = replace(data.split_options, train=["2015-02-02", "2015-02-27"])
    days = later.pretraining_days()
    assert (
        days[0] == data.loader_options.lookback - 1 < later.split.train[0]
        and days[-1] == later.split.train[-1]
    )
    rows = np.array(later.open_cache().manifest.universe_rows)
    assert (rows[days] >= later.split.min_stocks).all()


@pytest.mark.parametrize("folds", [{"every": 12, "val_days": 8}, {"scheme": "k_fold", "n": 3, "val_days": 8}])
def test_a_fold_reads_none_of_the_days_that_it_validates_or_tests(
    data: PretrainingDays, folds: dict[str, Any]
) -> None:
    fold = of_fold(data, **folds)
    days, split = fold.pretraining_days(), fold.split
    assert days[-1] == split.train[-1] and set(split.train) <= set(days)
    assert not set(days) & {*split.whole["val"], *split.whole["test"]}
    assert len(split.test)
