"""Checkpoints and configs of a stranger that try to run code: nothing may be called, no module imported.

The payloads (tests/support/hostile_payloads.py) leave a file where they run. A hostile checkpoint that is accepted
must print what the sound one prints; a config that names a function where a class is needed is never accepted.
"""

import json
import os
import random
import sys
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
import yaml

from atft.commands.train import build
from benchmarks.attacks.config import base_config
from benchmarks.attacks.verdict import Result, command, observe
from tests.support.dotted import set_at
from tests.support.hostile_payloads import (
    FUNCTION_KEYS,
    FUNCTIONS,
    KEYS,
    PICKLED_AT,
    PLANTED,
    TEXTS,
    filled,
    is_marked,
    pickled,
    plant,
    raw_pickle,
)

EVALUATIONS = ("validate", "predict")
CASES: list[tuple[str, Any]] = [
    *(("key", name) for name in KEYS),
    *(("text", name) for name in TEXTS),
    *(("pickle", place) for place in PICKLED_AT),
    *(("old pickle", place) for place in PICKLED_AT),
    ("raw pickle", ""),
    *(("config", (key, name)) for key in FUNCTION_KEYS for name in FUNCTIONS if PLANTED not in name),
]
COUNT, LIMIT_SECONDS = len(CASES), 60.0


def prepare(folder: Path) -> Callable[[random.Random, int, Path], Result]:
    """Train a checkpoint and evaluate it; the attack puts the payload of its number into a copy."""
    config = base_config(folder)
    del config["trainer"]["callbacks"]
    (folder / "config.yaml").write_text(json.dumps(config))
    command("fit", "--config", folder / "config.yaml", "--trainer.default_root_dir", folder)
    sound = torch.load(next(folder.glob("run/version_0/best_model.ckpt")), weights_only=True)

    def evaluated(path: Path, name: str) -> str:
        out = ["--out", path.with_name("scores.parquet")] if name == "predict" else []
        printed = command(name, "--ckpt_path", path, "--data.cache.dir", folder / "cache", *out)
        return printed if name == "validate" else ""

    printed = {n: evaluated(next(folder.glob("run/version_0/best_model.ckpt")), n) for n in EVALUATIONS}

    def attack(rng: random.Random, number: int, place: Path) -> Result:
        kind, payload = CASES[number]
        os.chdir(place)
        (place / "planted").mkdir()
        mark = plant(place / "planted")
        sys.path.insert(0, str(mark.parent))
        before = set(sys.modules)

        def use() -> str:
            if kind == "config":
                key, name = payload
                hostile = {"class_path": name, "init_args": filled(FUNCTIONS[name], mark)}
                (place / "config.yaml").write_text(json.dumps(set_at(deepcopy(config), key, hostile)))
                build("fit", ["--config", "config.yaml"])
                return "accepted"
            path = place / "hostile.ckpt"
            _write(path, kind, payload, sound, mark)
            evaluation = EVALUATIONS[number % len(EVALUATIONS)]
            return "" if evaluated(path, evaluation) == printed[evaluation] else "other metrics"

        try:
            result = observe(f"{kind}: {payload}", use)
        finally:
            sys.path.remove(str(mark.parent))
            os.chdir("/")
        if is_marked(mark) or sys.modules.pop(PLANTED, None) is not None:
            return result._replace(verdict="executed")
        named = {m for m in set(sys.modules) - before if m.partition(".")[0] in str(KEYS.get(payload, ""))}
        return result._replace(verdict="executed", said=f"imported {named}") if named else result

    return attack


def _write(path: Path, kind: str, payload: str, sound: dict[str, Any], mark: Path) -> None:
    """Write a checkpoint that carries a payload."""
    if kind == "raw pickle":
        path.write_bytes(raw_pickle(mark))
    elif kind.endswith("pickle"):
        torch.save(pickled(sound, payload, mark), path, _use_new_zipfile_serialization=kind == "pickle")
    else:
        text = filled(TEXTS[payload], mark) if kind == "text" else ""
        if kind == "key":
            key, value = KEYS[payload]
            text = yaml.safe_dump(set_at(yaml.safe_load(sound["atft"]["config"]), key, filled(value, mark)))
        torch.save({**sound, "atft": {**sound["atft"], "config": text}}, path)
