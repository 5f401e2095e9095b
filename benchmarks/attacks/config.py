"""Wrong training configs: keys misspelt, values of wrong type or range, text that is no YAML, options of others.

Each is parsed and instantiated as `fit` does, with every check before the first step. An accepted config must mean
what it says: every key that it gives stands with its value in the resolved configuration, and no key that the
program does not know is accepted. A part of the accepted ones is then trained.
"""

import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from atft.commands.train import build, fit
from benchmarks.attacks.config_edits import edit_config, honoured
from benchmarks.attacks.verdict import Result, observe

COUNT, LIMIT_SECONDS = 1500, 60.0
TRAINED_SHARE = 0.1
"""Of the accepted configs; all of those with other trainer options."""


def base_config(folder: Path) -> dict[str, Any]:
    """A config that trains in two seconds on a simulated market whose cache lies in ``folder``."""
    return {
        "seed_everything": 1,
        "threads": 1,
        "validation_figures": {"every": 0},
        "trainer": {
            "accelerator": "cpu",
            "max_epochs": 1,
            "callbacks": [
                {
                    "class_path": "lightning.pytorch.callbacks.EMAWeightAveraging",
                    "init_args": {"decay": 0.9},
                }
            ],
        },
        "model": {
            "horizons": [1, 5],
            "network": {"init_args": {"hidden_size": 8, "gat_layers": 1}},
            "objective": {"terms": {"huber": 0.1, "ic": 0.3}},
            "optimizer": {"class_path": "torch.optim.AdamW", "init_args": {"lr": 0.01}},
            "scheduler": {
                "class_path": "atft.optim.schedules.WarmupCosine",
                "init_args": {"warmup_epochs": 0.5, "epochs": 4},
            },
        },
        "data": {
            "panel": {"simulate": {"stocks": 24, "days": 100, "features": 17, "seed": 1}},
            "split": {
                "train": ["2015-01-01", "2015-03-13"],
                "val": ["2015-03-16", "2015-04-30"],
                "embargo_days": 2,
            },
            "cache": {"dir": str(folder / "cache")},
            "graph": {"k": 3, "window": 20, "min_observations": 10, "sector_k": 0},
            "loader": {"lookback": 6, "block_days": 4, "batch_size": 240},
        },
    }


def prepare(folder: Path) -> Callable[[random.Random, int, Path], Result]:
    """Resolve a config and train it once; the attack on edits of it."""
    path = folder / "config.yaml"
    path.write_text(json.dumps(base_config(folder)))
    cli = build("fit", ["--config", str(path), "--trainer.default_root_dir", str(folder)])
    sound = yaml.safe_load(cli.config_text)
    assert fit(cli) == 0
    sound["trainer"]["default_root_dir"] = None

    def attack(rng: random.Random, number: int, place: Path) -> Result:
        os.chdir(place)  # relative paths that an edit writes stay in the attack's own folder
        edited = edit_config(rng, sound)
        (place / "config.yaml").write_bytes(edited.text)

        def use() -> str:
            cli = build("fit", ["--config", "config.yaml", *edited.words])
            resolved = yaml.safe_load(cli.config_text)
            if edited.unknown:
                _train(cli)  # a name that only the panel can know is an error then
                return "an unknown key is accepted"
            differs = honoured(edited.given, resolved)
            trains = edited.trains or rng.random() < TRAINED_SHARE
            return differs or (_train(cli) if trains and _small(resolved) else "")

        try:
            return observe(edited.what, use, lambda: _left(place))
        finally:
            os.chdir("/")

    return attack


def _train(cli: Any) -> str:
    """Train; what is wrong with a run that ended without an error."""
    code = fit(cli)
    receipt = json.loads((cli.directory / "receipt.json").read_text())
    if receipt["steps"] < 1:
        return f"exit status {code} and {receipt['status']} after no step"
    return ""


def _small(resolved: dict[str, Any]) -> bool:
    """Whether training it costs seconds on one CPU: no other devices, processes or sizes."""
    trainer, loader = resolved["trainer"], resolved["data"]["loader"]
    return bool(
        trainer["devices"] in (1, "1", "auto")
        and trainer["num_nodes"] == 1
        and trainer["strategy"] == "auto"
        and trainer["accelerator"] in ("cpu", "auto")
        and 0 <= (trainer["max_epochs"] or 1000) <= 20
        and loader["num_workers"] == 0
        and resolved["model"]["network"]["init_args"]["hidden_size"] <= 64
    )


def _left(place: Path) -> str:
    """What a config that was not accepted must not leave: a run's directory."""
    return ", ".join(p.name for p in place.glob("*") if p.name != "config.yaml" and _holds_files(p))


def _holds_files(path: Path) -> bool:
    return path.is_file() or any(p.is_file() for p in path.rglob("*"))
