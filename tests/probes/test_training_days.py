"""The purge by brute force over all pairs, the scaling, and labels that nothing can predict."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from scipy.stats import norm

from atft.data.cache import DayCache
from atft.data.scaling import training_scaling
from atft.network import Scaling
from atft.probes.finding import FALSE_ALARM
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
    outcomes = []
    for _ in range(400):
        days = rng.permutation(100)
        train, val = np.sort(days[: rng.integers(1, 4)]), np.sort(days[4 : 4 + rng.integers(1, 4)])
        # The label of t covers t + 1 .. t + reach; training must also not know the close at which a label begins.
        overlaps = [
            any(max(t, v) + 1 <= min(t, v) + reach or t + reach == v for v in val.tolist())
            for t in train.tolist()
        ]
        found = purge_suspects(replace(split, train=train, val=val, test=val[:0]), manifest)
        assert bool(found) == any(overlaps)
        assert not found or found[0].evidence.startswith(
            f"labels of {sum(overlaps)} train days reach into val"
        )
        outcomes.append(any(overlaps))
    assert 0.2 < np.mean(outcomes) < 0.8, "both outcomes are tried"


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
    shuffled = shuffle_labels(market_data, tmp_path, 0)
    before, after = (pl.read_parquet(str(d.panel.path)) for d in (market_data, shuffled))
    assert before.drop("^(target|oracle).*$").equals(after.drop("^(target|oracle).*$"))
    days = [f.group_by("date").agg(pl.col("target_1d").sort()).sort("date") for f in (before, after)]
    assert days[0].equals(days[1]) and not before["target_1d"].equals(after["target_1d"])
    suspects, text = shuffled_label_suspects(market_data, tmp_path)
    assert suspects == [] and text.count("band of chance") == 2
    # The variance of a random order of n stocks is 1 / (n - 1); two horizons share the level.
    manifest, days = market_data.open_cache().manifest, market_data.split.val
    members = before.filter(pl.col("universe") & pl.col("target_1d").is_not_null())
    val = members.filter(pl.col("date").is_in([manifest.dates[day] for day in days]))
    stocks = val.group_by("date").len()["len"].to_numpy()
    band = norm.isf(FALSE_ALARM / 4) * (1 / (stocks - 1)).sum() ** 0.5 / len(stocks)
    assert f"on {len(stocks)} validation days, band of chance ±{band:.3f};" in text


class FeatureOfLabels(DayData):
    """Makes a feature of the panel's labels."""

    def open_cache(self) -> DayCache:
        if self._cache is None:
            path = Path(f"{self.panel.path}-leak.parquet")
            leak = pl.col("target_1d") + 0.02 * pl.col("x_noise_01").fill_null(0.0)
            pl.read_parquet(str(self.panel.path)).with_columns(x_leak=leak).write_parquet(path)
            self.panel = replace(self.panel, path=str(path))
        return super().open_cache()


def test_labels_in_a_feature_are_learned_however_they_are_shuffled(
    market_rows: pl.DataFrame, open_panel: Callable[..., DayData], tmp_path: Path
) -> None:
    noise = np.random.default_rng(0).standard_normal(len(market_rows))
    rows = market_rows.with_columns(x_noise_01=pl.Series(noise).cast(pl.Float32))
    rows.sort("date", "code").write_parquet(tmp_path / "panel.parquet")
    data = open_panel(tmp_path / "panel.parquet", FeatureOfLabels)
    suspects, text = shuffled_label_suspects(data, tmp_path)
    # The labels of a row move together, so that of five days is learned with that of one.
    ics = [float(re.findall(r"RankIC (\S+) at", suspect.evidence)[0]) for suspect in suspects]
    assert len(ics) == 2 and ics[0] > 0.9 and 0.2 < ics[1] < 0.6, text


def test_the_place_of_a_stock_in_its_batch_says_nothing(market_data: DayData) -> None:
    assert order_suspects(market_data) == []


@pytest.mark.parametrize("sign", [1, -1])
def test_stocks_in_the_order_of_their_labels_are_accused(sign: int) -> None:
    rng = np.random.default_rng(0)

    def batches(days: int, by_label: bool) -> Any:
        """Batches of four days and forty stocks, of which some are no members or have no label."""
        made = []
        for _ in range(days // 4):
            target = rng.standard_normal((4, 40, 2))
            universe, known = rng.random((4, 40)) < 0.8, rng.random((4, 40)) < 0.9
            if by_label:
                target[..., 0] = sign * np.sort(target[..., 0], axis=1)
            target[~known], target[~universe] = np.nan, -9.0
            made.append(SimpleNamespace(universe=torch.tensor(universe), target=torch.tensor(target)))
        return SimpleNamespace(train_dataloader=lambda: made)

    assert order_suspects(batches(60, by_label=False)) == []
    (suspect,) = order_suspects(batches(60, by_label=True))
    assert f"has RankIC {sign:+d}.000 with its label" in suspect.evidence
