"""The quickstart learns what was planted, with the block that was built for it, and nothing where nothing is.

The simulated market's best score has four parts of equal strength that do not correlate, so squares of RankIC
add up: a part that is missed takes a quarter of the ceiling's square away. Minutes long, hence marked slow.
"""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from atft.cross_section import spearman
from atft.evaluation.predictions import read_horizon

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

QUICKSTART = Path(__file__).parent.parent / "configs" / "quickstart.yaml"
SEEDS = (1, 2)
Trained = Callable[..., Path]


@pytest.fixture(scope="module")
def trained(atft: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Run the quickstart with some keys changed, once for each set of them; the run's directory."""
    folder = tmp_path_factory.mktemp("market")

    @cache
    def train(seed: int, *changes: str) -> Path:
        place = ["--data.cache.dir", folder / "cache", "--trainer.default_root_dir", folder]
        name = "_".join(["run", str(seed), *(c.rpartition(".")[2].replace("=", "-") for c in changes)])
        given = ["--seed_everything", seed, "--name", name, "--trainer.accelerator", "cpu", *changes]
        outcome = atft("fit", "--config", QUICKSTART, *place, *given)
        assert outcome.code == 0, outcome
        run: Path = folder / name / "version_0"
        return run

    return train


def final(run: Path) -> dict[str, float]:
    held: dict[str, float] = json.loads((run / "metrics.json").read_text())["final"]
    return held


def ceiling(run: Path) -> float:
    """RankIC of the best possible score on the run's test days, mean over horizons."""
    by_horizon = []
    for horizon in (1, 5):
        table = read_horizon(run / "predictions.parquet", horizon, "test", ("oracle", "target"))
        oracle, target = (torch.from_numpy(np.nan_to_num(table.columns[n])) for n in ("oracle", "target"))
        by_horizon.append(float(spearman(oracle, target, torch.from_numpy(table.valid())).nanmean()))
    return float(np.mean(by_horizon))


@pytest.mark.parametrize("seed", SEEDS)
def test_the_quickstart_reaches_sixty_per_cent_of_the_ceiling(seed: int, trained: Trained) -> None:
    run = trained(seed)
    assert final(run)["test/rank_ic"] >= 0.6 * ceiling(run)


def test_on_the_noise_only_twin_nothing_is_found(trained: Trained) -> None:
    found = final(trained(1, "--data.panel.simulate.noise_only=true"))
    for horizon in (1, 5):
        assert abs(found[f"test/rank_ic_{horizon}d"]) <= 3 * found[f"test/rank_ic_{horizon}d_error"]


@pytest.mark.parametrize("block", ["graph", "encoder", "fan"])
def test_without_the_block_that_was_built_for_it_half_of_a_part_is_lost(block: str, trained: Trained) -> None:
    whole = [final(trained(seed))["test/rank_ic"] for seed in SEEDS]
    without = [final(trained(seed, f"--model.network.{block}=false"))["test/rank_ic"] for seed in SEEDS]
    part = ceiling(trained(SEEDS[0])) ** 2 / 4
    lost = np.mean(whole) ** 2 - np.mean(without) ** 2
    assert lost >= part / 2, f"{block}: {np.mean(whole):.4f} with it, {np.mean(without):.4f} without"
