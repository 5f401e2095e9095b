"""The purge by brute force over all pairs, the scaling, and labels that nothing can predict."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from atft.data.scaling import training_scaling
from atft.network import Scaling
from atft.probes.training_days import (
    order_suspects,
    purge_suspects,
    scaler_suspects,
    shuffle_labels,
    shuffled_label_suspects,
)
from atft.tasks.day_data import DayData


class ScaledWithValidation(DayData):
    """Takes statistics of the validation days too."""

    def scaling(self) -> Scaling:
        days = np.concatenate([self.split.train, self.split.val])
        return training_scaling(self.open_cache(), days)


def test_the_purge_agrees_with_all_pairs_of_days(market_data: DayData) -> None:
    manifest, split = market_data.open_cache().manifest, market_data.split
    reach, rng = manifest.longest_label_days, np.random.default_rng(0)
    assert purge_suspects(split, manifest) == []
    for _ in range(200):
        val = np.sort(rng.choice(100, 6, replace=False))
        train = np.setdiff1d(np.sort(rng.choice(100, 12, replace=False)), val)
        # The label of t covers t + 1 .. t + reach; training must also not know the close at which a label begins.
        overlap = any(
            max(t, v) + 1 <= min(t, v) + reach or t + reach == v for t in train.tolist() for v in val.tolist()
        )
        found = purge_suspects(replace(split, train=train, val=val, test=val[:0]), manifest)
        assert bool(found) == overlap


def test_a_scaler_that_reads_validation_rows_is_accused(market_data: DayData, tmp_path: Path) -> None:
    assert scaler_suspects(market_data, tmp_path) == []
    arguments: Any = (market_data.panel, market_data.split_options, market_data.loader_options)
    other = ScaledWithValidation(
        *arguments, market_data.cache_options, market_data.graph_options, horizons=market_data.horizons
    )
    suspects = scaler_suspects(other, tmp_path)
    assert {"median", "iqr", "quantiles"} <= {suspect.name for suspect in suspects}


def test_shuffled_labels_keep_each_days_values_and_cannot_be_learned(
    market_data: DayData, tmp_path: Path
) -> None:
    import polars as pl

    shuffled = shuffle_labels(market_data, tmp_path, 0)
    before, after = (pl.read_parquet(str(d.panel.path)) for d in (market_data, shuffled))
    assert before.drop("^(target|oracle).*$").equals(after.drop("^(target|oracle).*$"))
    days = [f.group_by("date").agg(pl.col("target_1d").sort()).sort("date") for f in (before, after)]
    assert days[0].equals(days[1]) and not before["target_1d"].equals(after["target_1d"])
    suspects, text = shuffled_label_suspects(market_data, tmp_path)
    assert suspects == [] and text.count("band of chance") == 2


def test_the_place_of_a_stock_in_its_batch_says_nothing(market_data: DayData) -> None:
    assert order_suspects(market_data) == []
