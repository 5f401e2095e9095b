"""features: prices in, panel out, and a line for everything that was left out."""

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest


@pytest.fixture(scope="module")
def prices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three hundred days of six stocks that trade as real ones do."""
    rng = np.random.default_rng(0)
    days = [d for i in range(420) if (d := date(2015, 1, 5) + timedelta(days=i)).weekday() < 5]
    close = 50 * np.exp(np.cumsum(0.02 * rng.standard_normal((len(days), 6)), axis=0))
    spread = np.exp(0.01 * np.abs(rng.standard_normal(close.shape)))
    rows = {
        "date": np.repeat(np.array(days, dtype="datetime64[D]"), 6),
        "code": [f"S{s}" for s in range(6)] * len(days),
        "open": (close * np.exp(0.005 * rng.standard_normal(close.shape))).ravel(),
        "high": (close * spread).ravel(),
        "low": (close / spread).ravel(),
        "close": close.ravel(),
        "volume": 1e6 * np.exp(0.3 * rng.standard_normal(close.size)),
        "sector": [f"sector{s % 2}" for s in range(6)] * len(days),
    }
    path = tmp_path_factory.mktemp("prices") / "prices.parquet"
    listed = pl.Series(np.tile(np.arange(6), len(days)) * 3 <= np.repeat(np.arange(len(days)), 6))
    pl.DataFrame(rows).filter(listed).write_parquet(path)  # one stock after the other is listed
    return path


@pytest.fixture(scope="module")
def panel(prices: Path, atft: Callable[..., Any]) -> Path:
    out = prices.parent / "panel.parquet"
    outcome = atft("features", "--prices", prices, "--out", out)
    assert outcome.code == 0, outcome
    assert "rows" in outcome.out
    return out


def test_prices_become_a_panel_of_at_least_112_features(panel: Path) -> None:
    frame = pl.read_parquet(panel)
    features = [n for n, kind in frame.schema.items() if n.startswith("x_") and kind == pl.Float32]
    assert len(features) >= 112
    assert {"target_1d", "target_20d", "target_5d_lag1", "universe", "return_1d"} <= set(frame.columns)


def test_the_panel_trains_without_another_word(
    panel: Path, tiny_config: Callable[..., Path], atft: Callable[..., Any], tmp_path: Path
) -> None:
    config = tiny_config(tmp_path, panel)
    dates = ["--data.split.train", "[2016-01-04, 2016-01-22]", "--data.split.val", "[2016-01-25, 2016-02-12]"]
    dates += ["--data.split.test", "null", "--data.split.embargo_days", "0"]
    outcome = atft("fit", "--config", config, *dates, "--data.cache.infinite_as_missing", "true")
    assert outcome.code == 0, outcome


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda f: f.drop("close"), "close"),
        (lambda f: pl.concat([f, f[3:4]]), "uplicate"),
        (lambda f: f.with_columns(close=pl.lit("high")), "close"),
    ],
)
def test_prices_that_cannot_be_used_are_errors_and_leave_nothing(
    change: Callable[[pl.DataFrame], pl.DataFrame],
    said: str,
    prices: Path,
    atft: Callable[..., Any],
    tmp_path: Path,
) -> None:
    change(pl.read_parquet(prices)).write_parquet(tmp_path / "bad.parquet")
    outcome = atft("features", "--prices", tmp_path / "bad.parquet", "--out", tmp_path / "panel.parquet")
    assert said in outcome.error_line and outcome.code == 2
    assert [p.name for p in tmp_path.iterdir()] == ["bad.parquet"]


def test_a_missing_file_and_an_unknown_option_are_errors(atft: Callable[..., Any], tmp_path: Path) -> None:
    out = ["--out", tmp_path / "panel.parquet"]
    assert "nowhere.csv" in atft("features", "--prices", "nowhere.csv", *out).error_line
    assert (
        "unknown key 'min_clos'" in atft("features", "--prices", "a.csv", *out, "--min_clos", "2").error_line
    )


def test_later_days_are_appended_to_a_folder_with_its_own_options(
    prices: Path, atft: Callable[..., Any], tmp_path: Path
) -> None:
    frame, out = pl.read_parquet(prices), tmp_path / "panel"
    last = frame["date"].max()
    frame.filter(pl.col("date") < last).write_parquet(tmp_path / "old.parquet")
    frame.filter(pl.col("date") == last).write_parquet(tmp_path / "new.parquet")
    words = ["features", "--out", out, "--prices"]
    assert atft(*words, tmp_path / "old.parquet", "--lag", "1").code == 0
    outcome = atft(*words, tmp_path / "new.parquet", "--append", "true")
    assert outcome.code == 0 and f"1 new day ({last}), 6 rows" in outcome.out
    assert "no new day" in atft(*words, tmp_path / "new.parquet", "--append", "true").out
    other = atft(*words, tmp_path / "new.parquet", "--append", "true", "--lag", "2")
    assert other.error_line.endswith(
        "was built with lag 1, not 2; leave the key out, or build the panel again"
    )
    alone = atft(*words, tmp_path / "new.parquet", "--corrections", "rebuild")
    assert "corrections needs append: true" in alone.error_line
