"""A sweep over the small training config, and a way to write others."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from atft.search.options import SweepOptions, read_sweep

SPACE = {
    "model.optimizer.init_args.lr": {"type": "float", "low": 1e-3, "high": 1e-1, "log": True},
    "data.loader.batch_size": {"type": "categorical", "choices": [60, 100]},
    "model.network.gat_dropout": {"type": "float", "low": 0.1, "high": 0.4, "step": 0.1},
    "model.network.hidden_size": {"type": "int", "low": 4, "high": 12, "step": 4},
}


@pytest.fixture
def write_sweep(tmp_path: Path) -> Callable[..., Path]:
    """Write a sweep's YAML: ``write_sweep(study="x", space={...})``; a key that is None is left out."""

    def write(**changes: Any) -> Path:
        plain = {
            "study": "small",
            "base": str(tmp_path / "tiny.yaml"),
            "root": str(tmp_path / "logs"),
            "n_trials": 4,
            "limits": {"epochs": 2},
            "space": SPACE,
            **changes,
        }
        path = tmp_path / "sweep.yaml"
        path.write_text(yaml.safe_dump({k: v for k, v in plain.items() if v is not None}, sort_keys=False))
        return path

    return write


@pytest.fixture
def make_sweep(write_sweep: Callable[..., Path]) -> Callable[..., SweepOptions]:
    """Read a sweep that ``write_sweep`` writes."""

    def make(**changes: Any) -> SweepOptions:
        return read_sweep(write_sweep(**changes))

    return make
