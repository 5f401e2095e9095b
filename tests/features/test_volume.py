"""Volume features against loops over their windows."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from atft.features.build import build_panel
from atft.features.checked_prices import History
from atft.features.options import FeatureOptions
from atft.features.volume import RATIOS, price_volume_features, volume_features
from atft.features.windows import needed


def test_volume_features_equal_the_slow_twin(past: History, agrees, tail) -> None:
    close, volume = past.close, past.volume
    r = np.full_like(close, np.nan)
    r[1:] = np.log(close[1:] / close[:-1])
    log_volume = np.where(volume > 0, np.log(np.where(volume > 0, volume, 1)), np.nan)
    value = close * volume
    impact = np.where(value > 0, np.abs(r) / np.where(value > 0, value, 1), np.nan)
    width = past.high - past.low
    position = np.where(
        width > 0, (2 * close - past.high - past.low) / width, np.where(width == 0, 0, np.nan)
    )

    def twin(day: int, stock: int) -> dict[str, float]:
        def mean(x: np.ndarray, span: int) -> float:
            return float(tail(x, day, stock, span).mean())

        out = {f"x_volume_ratio_{a}_{b}": np.log(mean(volume, a) / mean(volume, b)) for a, b in RATIOS}
        for k in (20, 60):
            window = tail(log_volume, day, stock, k)
            std = window.std(ddof=1) if len(window) > 1 else np.nan
            out[f"x_volume_score_{k}d"] = (log_volume[day, stock] - window.mean()) / std
            out[f"x_volume_noise_{k}d"] = std
        out["x_traded_value_20d"] = np.log(mean(value, 20))
        out["x_price_level"] = np.log(close[day, stock])
        out["x_age"] = np.log(past.age[day, stock])
        out |= {f"x_illiquidity_{k}d": np.log(mean(impact, k)) for k in (5, 20, 250)}
        out["x_illiquidity_ratio_5_60"] = np.log(mean(impact, 5) / mean(impact, 60))
        for k in (5, 20, 60):
            out[f"x_signed_volume_{k}d"] = mean(np.sign(r) * volume, k) / mean(
                np.where(np.isnan(r), np.nan, volume), k
            )
        for k in (5, 20, 60):
            out[f"x_money_flow_{k}d"] = mean(position * volume, k) / mean(
                np.where(np.isnan(position), np.nan, volume), k
            )
        for k in (5, 20, 60):
            out[f"x_vwap_distance_{k}d"] = np.log(close[day, stock] * mean(volume, k) / mean(value, k))
        return out

    agrees(volume_features, twin)


def test_price_volume_correlations_equal_numpy(past: History, agrees) -> None:
    log_close = np.log(past.close)
    log_volume = np.where(past.volume > 0, np.log(np.where(past.volume > 0, past.volume, 1)), np.nan)
    r, change = np.full_like(log_close, np.nan), np.full_like(log_close, np.nan)
    r[1:], change[1:] = np.diff(log_close, axis=0), np.diff(log_volume, axis=0)

    def correlation(a: np.ndarray, b: np.ndarray, day: int, stock: int, span: int) -> float:
        a, b = (x[max(0, day - span + 1) : day + 1, stock] for x in (a, b))
        both = ~(np.isnan(a) | np.isnan(b))
        return float(np.corrcoef(a[both], b[both])[0, 1]) if both.sum() >= needed(span) else np.nan

    def twin(day: int, stock: int) -> dict[str, float]:
        out = {}
        for name, a, b, spans in (
            ("price_volume", log_close, log_volume, (10, 20, 60)),
            ("return_volume", r, change, (20, 60)),
            ("move_volume", np.abs(r), log_volume, (20, 60)),
        ):
            out |= {f"x_corr_{name}_{k}d": correlation(a, b, day, stock, k) for k in spans}
        return out

    agrees(price_volume_features, twin)


@pytest.mark.parametrize("as_traded", [False, True])
def test_no_column_knows_later_splits_unless_the_closes_are_declared_as_traded(
    make_market: Any, to_frame: Any, tmp_path: Path, as_traded: bool
) -> None:
    table = make_market(days=340, stocks=16)
    # Every second stock is split two for one after the last day, and its history is adjusted.
    later = dict(table)
    for name in ("open", "high", "low", "close"):
        later[name] = table[name] * np.where(np.arange(16) % 2, 0.5, 1.0)
    later["volume"] = table["volume"] * np.where(np.arange(16) % 2, 2.0, 1.0)
    options = FeatureOptions(min_history_days=60, min_close=0.01, min_traded_value=1e4, as_traded=as_traded)
    panels = []
    for prices in (to_frame(table), to_frame(later)):
        prices.write_parquet(tmp_path / "prices.parquet")
        build_panel(tmp_path / "prices.parquet", tmp_path / "panel.parquet", options)
        panels.append(pl.read_parquet(tmp_path / "panel.parquet"))
    before, after = panels
    far = {
        name
        for name in before.columns
        if before[name].dtype.is_float()
        and not np.allclose(before[name], after[name], 1e-4, 1e-4, equal_nan=True)
    }
    assert far == ({"x_price_level"} if as_traded else set())
