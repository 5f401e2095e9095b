"""importance.json: how much of a run's scores each feature decides, written by `python -m atft explain`.

It stands in the run's directory, where the tear sheet of the run's predictions finds it. No torch.
"""

import json
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from atft.files.digest import file_digest
from atft.files.publish import parse_json
from atft.option_types import check_option_types

NAME = "importance.json"
KIND = "explains"
"""First key of what `python -m atft explain` writes: ``stock`` or ``period``."""
FORMAT = 1
"""Raised where a reader of the former one would read something wrong."""


@dataclass(frozen=True)
class FeatureImportance:
    """One feature at one horizon."""

    name: str
    share: float
    """Mean over stock-days of the attribution's absolute value, as a share of all features' sum."""
    direction: float
    """Mean over days of the rank correlation of value and attribution: 1 where high values raise the score, -1
    where they lower it, about 0 where both ends do the same; 0 without a day on which both vary."""


@dataclass(frozen=True)
class Importance:
    """Of all features, over days of a period that are evenly spaced."""

    first: str
    """ISO date of the first day that was explained, and of the last one."""
    last: str
    days: int
    stock_days: int
    gap: float
    """What is attributed to no feature, as a share of the attributions; 0 but for the paths' finite steps."""
    checkpoint: str
    """SHA-256 of the file whose weights were explained."""
    horizons: dict[int, list[FeatureImportance]]
    """The largest shares first."""


def importance_json(importance: Importance) -> str:
    """The text of the file."""
    return json.dumps({KIND: "period", "format": FORMAT, **asdict(importance)}, indent=1, allow_nan=False)


def read_importance(folder: Path) -> Importance | None:
    """Read the file of a run's directory; None where there is none, or none of this format.

    None too where the run's ``best_model.ckpt`` is another one than was explained: training went on since.
    """
    path, checkpoint = folder / NAME, folder / "best_model.ckpt"
    try:
        content = parse_json(path)
        importance = _importance(content)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None  # it is shown, never relied on
    if checkpoint.is_file() and file_digest(checkpoint) != importance.checkpoint:
        return None
    return importance


def _importance(content: dict[str, Any]) -> Importance:
    """Raises ValueError, KeyError, TypeError or AttributeError for anything that was not written here."""
    if (content.pop(KIND), content.pop("format")) != ("period", FORMAT):
        raise ValueError("of another format")
    horizons = {
        int(horizon): [_feature(row) for row in rows] for horizon, rows in content.pop("horizons").items()
    }
    importance = Importance(horizons=horizons, **content)
    check_option_types(NAME, importance)
    return importance


def _feature(row: dict[str, Any]) -> FeatureImportance:
    share, direction = float(row["share"]), float(row["direction"])
    if not (isfinite(share) and isfinite(direction)):
        raise ValueError("not finite")
    return FeatureImportance(str(row["name"]), share, direction)
