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
    *("--baselines", "[ridge]", "--validation_figures.every", "0"),
    *("--trainer.accelerator", "cpu", "--trainer.max_epochs", "1", "--model.network.hidden_size", "8"),
    *("--trainer.limit_train_batches", "2", "--data.loader.num_workers", "0", "--data.loader.lookback", "6"),
    *("--data.loader.batch_size", "30", "--data.loader.block_days", "2"),
    *("--data.split.train", "[2015-01-05, 2015-03-13]", "--data.split.val", "[2015-03-16, 2015-05-22]"),
    *("--data.split.test", "[2015-05-25, 2015-07-31]", "--data.split.embargo_days", "0"),
]
SMALL_GRAPH = ["--data.graph.window", "20", "--data.graph.min_observations", "10"]


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


def numerai_panel(path: Path, days: list[Any], rows: int = 12) -> Path:
    """What Numerai gives: ids seen once, eras as text, features from 0 to 4 as bytes, a target from 0 to 1."""
    rng = np.random.default_rng(0)
    eras = [f"{n:04d}" for n in range(600, 665) for _ in range(rows)]
    levels = {f"feature_{i}": rng.integers(0, 5, len(eras)).astype(np.int8) for i in range(8)}
    ids = pl.Series([f"n{i:015x}" for i in rng.permutation(len(eras))])
    table = pl.DataFrame({"id": ids, "era": eras, "data_type": "validation", **levels})
    table.with_columns(target=pl.Series(rng.integers(0, 5, len(eras)) / 4)).write_parquet(path)
    return path


def alpha158_panel(path: Path, days: list[Any], stocks: int = 12) -> Path:
    """What pandas writes of a frame of Qlib's handlers, whose labels are z-scores."""
    import pandas as pd

    rng = np.random.default_rng(0)
    index = pd.MultiIndex.from_product(
        [pd.to_datetime(days), [f"SH6{s:05d}" for s in range(stocks)]], names=["datetime", "instrument"]
    )
    names = [("feature", name) for name in ("KMID", "KLEN", "ROC5", "MA60", "VSUMD60")] + [
        ("label", "LABEL0")
    ]
    values = 2 * rng.standard_normal((len(index), len(names)))
    pd.DataFrame(values, index, pd.MultiIndex.from_tuples(names)).to_parquet(path)
    return path


PANELS = {"Date": tokyo_panel, "era": numerai_panel, "datetime": alpha158_panel}
"""Column of the date, in a config's schema -> writes what the config's people have."""


@pytest.mark.parametrize("config", CONFIGS, ids=lambda p: p.stem)
def test_a_config_parses_and_takes_a_step(
    config: Path, make_panel: Callable[..., Path], atft: Callable[..., Any], tmp_path: Path
) -> None:
    asked = yaml.safe_load(config.read_text())
    panel = make_panel(days=150, horizons=(1, 5, 10, 20))
    write = PANELS.get(asked["data"].get("panel", {}).get("schema", {}).get("date"))
    if write is not None:
        days = sorted(pl.read_parquet(panel)["date"].unique())
        panel = write(tmp_path / "theirs.parquet", days)
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
    graph = SMALL_GRAPH if asked["data"]["graph"] else []
    outcome = atft(
        "fit", "--config", config, *SMALL, *graph, *where, "--trainer.default_root_dir", tmp_path / "logs"
    )
    assert outcome.code == 0, outcome
    (run,) = (tmp_path / "logs").glob("*/version_0")
    receipt = yaml.safe_load((run / "receipt.json").read_text())
    optimizer, scheduler = (asked["model"].get(part) for part in ("optimizer", "scheduler"))
    assert receipt["optimizer"] == optimizer["class_path"].rpartition(".")[2]
    assert receipt["scheduler"] == (scheduler["class_path"].rpartition(".")[2] if scheduler else "none")
    assert receipt["steps"] >= 1 and receipt["status"] == "limited"
    resolved = yaml.safe_load((run / "config.yaml").read_text())
    assert resolved["trainer"]["precision"] is asked["trainer"]["precision"] is None
    assert (receipt["device"], receipt["precision"]) == ("cpu", "32-true")


@pytest.mark.parametrize("config", CONFIGS, ids=lambda p: p.stem)
def test_a_config_opens_with_the_command_that_runs_it(config: Path) -> None:
    opening = config.read_text().partition("\nseed_everything")[0]
    assert f"python -m atft fit --config {config.stem}" in opening
    assert "TODO" not in opening and all(line.startswith("#") for line in opening.splitlines())
