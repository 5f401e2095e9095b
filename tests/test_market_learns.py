"""The quickstart learns what was planted, with the block that was built for it, and nothing where nothing is.

How much of a part a score holds is its mean daily correlation with the part as it was planted: that needs no
returns, so it is far less noisy than a difference of RankICs, and capacity that a missing block frees for the
other parts does not hide its loss. The best possible score holds 0.5 of each. Minutes long, hence marked slow.
"""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from atft.cross_section import pearson, spearman
from atft.evaluation.predictions import read_horizon
from atft.market.options import PARTS, MarketOptions
from atft.market.simulate import simulate_market

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


def oracle_rank_ic(run: Path) -> float:
    """RankIC of the best possible score on the run's test days, mean over horizons."""
    by_horizon = []
    for horizon in (1, 5):
        table = read_horizon(run / "predictions.parquet", horizon, "test", ("oracle", "target"))
        oracle, target = (torch.from_numpy(np.nan_to_num(table.columns[n])) for n in ("oracle", "target"))
        by_horizon.append(float(spearman(oracle, target, torch.from_numpy(table.valid())).nanmean()))
    return float(np.mean(by_horizon))


@pytest.mark.parametrize("seed", SEEDS)
def test_the_quickstart_reaches_sixty_per_cent_of_the_oracle(seed: int, trained: Trained) -> None:
    run = trained(seed)
    assert final(run)["test/rank_ic"] >= 0.6 * oracle_rank_ic(run)


def test_on_the_noise_only_twin_nothing_is_found(trained: Trained) -> None:
    found = final(trained(1, "--data.panel.simulate.noise_only=true"))
    for horizon in (1, 5):
        assert abs(found[f"test/rank_ic_{horizon}d"]) <= 3 * found[f"test/rank_ic_{horizon}d_error"]


def share_of(part: str, run: Path) -> float:
    """Mean daily correlation of a run's one-day scores with a planted part, on the test days."""
    market = simulate_market(MarketOptions(stocks=200, days=500, features=24, seed=1))
    table = read_horizon(run / "predictions.parquet", 1, "test", ("score",))
    day = {d: i for i, d in enumerate(market.dates)}
    stock = {c: i for i, c in enumerate(market.codes)}
    rows = [day[d] for d in table.dates.tolist()]
    columns = [stock[str(c)] for c in table.codes]
    planted = market.parts[PARTS.index(part)][np.ix_(rows, columns)]
    scores = torch.from_numpy(np.nan_to_num(table.columns["score"]).astype(np.float64))
    return float(pearson(scores, torch.from_numpy(planted), torch.from_numpy(table.present)).nanmean())


@pytest.mark.parametrize(
    ("block", "part"), [("graph", "neighbours"), ("encoder", "window"), ("window_norm", "masked")]
)
def test_without_the_block_that_was_built_for_it_half_of_a_part_is_lost(
    block: str, part: str, trained: Trained
) -> None:
    whole = np.mean([share_of(part, trained(seed)) for seed in SEEDS])
    without = np.mean(
        [share_of(part, trained(seed, f"--model.network.init_args.{block}=none")) for seed in SEEDS]
    )
    assert whole >= 0.2, f"{part}: {whole:.3f} of 0.5 is learned"
    assert without <= whole / 2, f"{part}: {whole:.3f} with {block}, {without:.3f} without"
