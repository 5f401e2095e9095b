"""A small cache that the tests of this folder share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from atft.data.build import CacheOptions, build_cache
from atft.data.cache import DayCache
from atft.data.graph import GraphOptions
from atft.panel import PanelSchema

SMALL_GRAPH = GraphOptions(k=3, window=20, min_observations=10, refresh_days=5, sector_k=2)


@pytest.fixture
def make_cache(tmp_path: Path, make_panel: Callable[..., Path]) -> Callable[..., DayCache]:
    """Build a cache of a small panel: ``make_cache(panel=..., graph=..., schema=..., **cache options)``."""

    def make(
        panel: Path | None = None,
        graph: GraphOptions | None = SMALL_GRAPH,
        schema: PanelSchema | None = None,
        horizons: tuple[int, ...] = (1, 5),
        **options: Any,
    ) -> DayCache:
        source = panel or (tmp_path / "panel.parquet")
        if not source.exists():
            make_panel()
        options.setdefault("dir", str(tmp_path / "cache"))
        path = build_cache(source, schema or PanelSchema(), list(horizons), CacheOptions(**options), graph)
        return DayCache(path)

    return make
