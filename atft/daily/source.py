"""The panel and the cache that a checkpoint scores from, by what its configuration says, as plain data."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from atft.data.build import CacheOptions, build_cache
from atft.data.cache import DayCache
from atft.data.graph import GraphOptions
from atft.data.loader import LoaderOptions
from atft.errors import InputError, nearest
from atft.market.options import MarketOptions
from atft.panel import PanelSchema
from atft.tasks.panel_source import PanelOptions, panel_path


@dataclass(frozen=True)
class Source:
    """Where days come from, and how many of them a score reads."""

    panel: PanelOptions
    horizons: tuple[int, ...]
    cache: CacheOptions
    graph: GraphOptions | None
    lookback: int

    @property
    def panel_path(self) -> str:
        """The panel's file, folder or glob; a simulated market is written first where it is missing."""
        return panel_path(self.panel, self.cache.dir)

    def open_cache(self) -> DayCache:
        """The panel's cache, built or extended first where days are missing."""
        path = build_cache(self.panel_path, self.panel.schema, list(self.horizons), self.cache, self.graph)
        return DayCache(path.resolve())


def source_of(
    config: Mapping[str, Any], where: str, panel: str | None = None, cache_dir: str | None = None
) -> Source:
    """Read where a checkpoint's days come from, of its `checkpoint_config`; ``where`` is its file."""
    data = config.get("data") or {}
    options = {name: data.get(name) or {} for name in ("panel", "cache", "loader")}
    simulate = options["panel"].get("simulate")
    source = PanelOptions(
        panel or options["panel"].get("path"),
        None if panel or simulate is None else plain_options(MarketOptions, simulate, where),
        plain_options(PanelSchema, options["panel"].get("schema") or {}, where),
    )
    if source.path is None and source.simulate is None:
        raise InputError(f"{where}: its configuration names no panel; give --data.panel.path")
    cache = plain_options(CacheOptions, options["cache"], where)
    graph = data.get("graph")
    lookback = plain_options(LoaderOptions, options["loader"], where).lookback
    return Source(
        panel=source,
        horizons=tuple((config.get("model") or {}).get("horizons") or ()),
        cache=cache if cache_dir is None else replace(cache, dir=cache_dir),
        graph=None if graph is None else plain_options(GraphOptions, graph, where),
        lookback=lookback,
    )


def plain_options(kind: Any, values: Mapping[str, Any], where: str) -> Any:
    """Options of a dataclass from a mapping of its fields; InputError at another key or kind of value."""
    known = [field.name for field in fields(kind)]
    for name in values:
        if name not in known:
            raise InputError(
                f"{where}: its configuration has the unknown key {str(name)!r:.40}{nearest(str(name), known)}"
            )
    try:
        return kind(**values)
    except (TypeError, ValueError) as error:
        raise InputError(f"{where}: its configuration: {error!s:.80}; train again") from error
