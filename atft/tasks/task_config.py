"""The configuration of a task and its data that were made in Python, as the YAML that the commands read.

A checkpoint and a run's directory carry it, so that ``python -m atft predict`` and
`RankingTask.load_from_checkpoint` read a run of a notebook as they read one of ``fit``. A function or a lambda in
the place of a class has no name in YAML: its section is null, and has to be given again.
"""

from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from inspect import isclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from atft.files.yaml_text import dump

if TYPE_CHECKING:
    from atft.tasks.day_data import DayData


def class_config(factory: Any) -> dict[str, Any] | None:
    """``class_path`` and ``init_args`` of a class or of a `functools.partial` of one; None of anything else."""
    kind, arguments = factory, {}
    if isinstance(factory, partial) and not factory.args:
        kind, arguments = factory.func, factory.keywords
    if not isclass(kind):
        return None
    try:
        plain = _plain(arguments)
    except TypeError:
        return None
    return {"class_path": f"{kind.__module__}.{kind.__qualname__}", "init_args": plain}


def task_config(task: Any, data: "DayData | None" = None) -> str:
    """Write the configuration of a `RankingTask`, and of the data that it is trained on, as YAML."""
    config: dict[str, Any] = {
        "model": {
            **task.classes,
            "members": task.members,
            "horizons": task.network.horizons,
            "objective": asdict(task.objective.options),
            "gradient_clip": task.gradient_clip,
            "metrics": task.metric_paths or None,
        }
    }
    if data is not None:
        config = {"seed_everything": data.seed, **config}
        config["data"] = {
            "panel": asdict(data.panel),
            "split": asdict(data.split_options),
            "cache": asdict(data.cache_options),
            "graph": None if data.graph_options is None else asdict(data.graph_options),
            "loader": asdict(data.loader_options),
            "predict": data.predict_dates,
        }
    return dump(_plain(config))


def _plain(value: Any) -> Any:
    """A value that YAML has; TypeError where it is none."""
    if isinstance(value, Mapping):
        return {_plain(key): _plain(inside) for key, inside in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, np.generic):  # one of np.logspace's learning rates, for instance
        return _plain(value.item())
    if value is not None and not isinstance(value, str | int | float):
        raise TypeError(f"{type(value).__name__} is no value of a config")
    return value
