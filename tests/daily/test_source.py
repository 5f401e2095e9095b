"""A checkpoint's configuration says where its days come from, as plain data."""

from pathlib import Path
from typing import Any

import pytest

from atft.daily.source import plain_options, source_of
from atft.data.graph import GraphOptions
from atft.errors import InputError


def test_the_cache_of_the_run_is_the_one_that_is_opened(daily: Any, tiny_run: Any) -> None:
    assert daily.cache.path == tiny_run.cache
    assert daily.source.panel_path == str(tiny_run.panel) and daily.source.lookback == 6


def test_panel_and_folder_of_the_caches_may_be_others(daily: Any, tmp_path: Path) -> None:
    source = source_of(daily.scorer.config, "a.ckpt", "b.parquet", str(tmp_path))
    assert source.panel_path == "b.parquet" and source.cache.dir == str(tmp_path)
    assert source.cache.rank == daily.source.cache.rank and source.graph == daily.source.graph


def test_a_simulated_market_is_a_source(tmp_path: Path) -> None:
    config = {"data": {"panel": {"simulate": {"days": 60, "stocks": 12}}}, "model": {"horizons": [1]}}
    source = source_of(config, "a.ckpt", None, str(tmp_path))
    assert source.panel.simulate is not None and source.panel.simulate.days == 60
    assert source_of(config, "a.ckpt", "b.parquet").panel.simulate is None


def test_what_this_version_does_not_know_is_one_line() -> None:
    with pytest.raises(InputError, match="its configuration has the unknown key 'kk'; did you mean 'k'"):
        plain_options(GraphOptions, {"kk": 3}, "a.ckpt")
    with pytest.raises(InputError, match=r"a\.ckpt: its configuration: .*train again"):
        plain_options(GraphOptions, {"k": "many"}, "a.ckpt")
    with pytest.raises(InputError, match=r"names no panel; give --data\.panel\.path"):
        source_of({"data": {"panel": {"path": None}}}, "a.ckpt")
