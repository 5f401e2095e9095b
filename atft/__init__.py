"""Rank a day's stocks with ATFT-GAT-FAN: day batches, per-day losses, honest numbers."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from atft.data.build import CacheOptions
    from atft.data.cache import DayCache
    from atft.data.folds import FoldOptions
    from atft.data.graph import GraphOptions
    from atft.data.loader import LoaderOptions
    from atft.data.split import SplitOptions
    from atft.errors import InputError, RunFailed
    from atft.losses.options import ObjectiveOptions
    from atft.market.options import MarketOptions
    from atft.panel import PanelSchema
    from atft.runs.compared_scores import compare
    from atft.runs.comparison import evaluate
    from atft.runs.run_files import Run, read_run
    from atft.runs.scores import predict
    from atft.runs.trainer import Trainer
    from atft.tasks.day_data import DayData
    from atft.tasks.panel_source import PanelOptions
    from atft.tasks.ranking import RankingTask

__version__ = "0.1.0"

# The names of a notebook, each imported when it is first used: `import atft` takes milliseconds. Networks are not
# among them: a configuration writes a class by its shortest path, which must not change.
_MODULES = {
    "CacheOptions": "atft.data.build",
    "DayCache": "atft.data.cache",
    "DayData": "atft.tasks.day_data",
    "FoldOptions": "atft.data.folds",
    "GraphOptions": "atft.data.graph",
    "InputError": "atft.errors",
    "LoaderOptions": "atft.data.loader",
    "MarketOptions": "atft.market.options",
    "ObjectiveOptions": "atft.losses.options",
    "PanelOptions": "atft.tasks.panel_source",
    "PanelSchema": "atft.panel",
    "RankingTask": "atft.tasks.ranking",
    "Run": "atft.runs.run_files",
    "RunFailed": "atft.errors",
    "SplitOptions": "atft.data.split",
    "Trainer": "atft.runs.trainer",
    "compare": "atft.runs.compared_scores",
    "evaluate": "atft.runs.comparison",
    "predict": "atft.runs.scores",
    "read_run": "atft.runs.run_files",
}

__all__ = [
    "CacheOptions",
    "DayCache",
    "DayData",
    "FoldOptions",
    "GraphOptions",
    "InputError",
    "LoaderOptions",
    "MarketOptions",
    "ObjectiveOptions",
    "PanelOptions",
    "PanelSchema",
    "RankingTask",
    "Run",
    "RunFailed",
    "SplitOptions",
    "Trainer",
    "__version__",
    "compare",
    "evaluate",
    "predict",
    "read_run",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_MODULES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
