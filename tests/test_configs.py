"""Every config of the repository parses and takes an optimiser step, on a small panel of its own schema."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml

CONFIGS = sorted((Path(__file__).parent.parent / "configs").glob("*.yaml"))
SMALL = [
    *("--baselines", "[ridge]"),
    *("--trainer.accelerator", "cpu", "--trainer.max_epochs", "1", "--model.network.hidden_size", "8"),
    *("--trainer.limit_train_batches", "2", "--data.loader.num_workers", "0", "--data.loader.lookback", "6"),
    *("--data.loader.batch_size", "30", "--data.loader.block_days", "2"),
    *("--data.split.train", "[2015-01-05, 2015-03-13]", "--data.split.val", "[2015-03-16, 2015-05-22]"),
    *("--data.split.test", "[2015-05-25, 2015-07-31]", "--data.split.embargo_days", "0"),
    *("--data.graph.window", "20", "--data.graph.min_observations", "10"),
]


def tokyo_panel(path: Path, days: list[Any], stocks: int = 12) -> Path:
    """What the people of tokyo.yaml have: Date, Code, sector33_code, 112 features, forward returns."""
    rng = np.random.default_rng(0)
    rows = len(days) * stocks
    noise = {f"feat_{i:03d}": rng.standard_normal(rows).astype(np.float32) for i in range(112)}
    forward = {f"feat_ret_{h}d": 0.01 * rng.standard_normal(rows).astype(np.float32) for h in (1, 5, 10, 20)}
    pl.DataFrame(
        {
            "Date": np.repeat(np.array(days, dtype="datetime64[D]"), stocks),
            "Code": [f"{1301 + s}" for s in range(stocks)] * len(days),
            "sector33_code": [f"{50 + s % 3}" for s in range(stocks)] * len(days),
            **noise,
            **forward,
            "return_1d": 0.01 * rng.standard_normal(rows).astype(np.float32),
        }
    ).write_parquet(path)
    return path


@pytest.mark.parametrize("config", CONFIGS, ids=lambda p: p.stem)
def test_a_config_parses_and_takes_a_step(
    config: Path, make_panel: Callable[..., Path], atft: Callable[..., Any], tmp_path: Path
) -> None:
    asked = yaml.safe_load(config.read_text())
    panel = make_panel(days=150, horizons=(1, 5, 10, 20))
    if asked["data"]["panel"].get("schema", {}).get("date") == "Date":
        days = sorted(pl.read_parquet(panel)["date"].unique())
        panel = tokyo_panel(tmp_path / "tokyo.parquet", days)
    named = asked["model"]["objective"].get("regime_weights", {})
    if named:  # of the features of prices, which this panel has under other names
        other = [pl.col("regime_volatility").alias(name) for name in named]
        pl.read_parquet(panel).with_columns(other).write_parquet(panel)
    where = [
        "--data.panel.path",
        panel,
        "--data.panel.simulate",
        "null",
        "--data.cache.dir",
        tmp_path / "cache",
    ]
    outcome = atft("fit", "--config", config, *SMALL, *where, "--trainer.default_root_dir", tmp_path / "logs")
    assert outcome.code == 0, outcome
    (run,) = (tmp_path / "logs").glob("*/version_0")
    receipt = yaml.safe_load((run / "receipt.json").read_text())
    optimizer, scheduler = (asked["model"].get(part) for part in ("optimizer", "scheduler"))
    assert receipt["optimizer"] == optimizer["class_path"].rpartition(".")[2]
    assert receipt["scheduler"] == (scheduler["class_path"].rpartition(".")[2] if scheduler else "none")
    assert receipt["steps"] >= 1 and receipt["status"] == "limited"
    resolved = yaml.safe_load((run / "config.yaml").read_text())
    assert resolved["trainer"]["precision"] == asked["trainer"]["precision"]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda p: p.stem)
def test_a_config_opens_with_the_command_that_runs_it(config: Path) -> None:
    opening = config.read_text().partition("\nseed_everything")[0]
    assert f"python -m atft fit --config {config.stem}" in opening
    assert "TODO" not in opening and all(line.startswith("#") for line in opening.splitlines())
