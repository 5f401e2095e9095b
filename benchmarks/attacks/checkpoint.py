"""Damage to a checkpoint that the program wrote, and checkpoints of another structure.

Bytes are damaged and the file is validated; what is accepted must print the sound metrics and hold the sound
content to the bit. Entries are removed or retyped, written as the program writes them, and the file is validated,
or trained on for an epoch; what is accepted must print the sound metrics, or end with the sound weights.
"""

import copy
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from atft.files.checkpoint_file import read_checkpoint
from atft.files.checkpoint_io import AtomicCheckpointIO
from benchmarks.attacks.config import base_config
from benchmarks.attacks.damage import damaged
from benchmarks.attacks.verdict import Result, command, observe

COUNT, LIMIT_SECONDS = 400, 60.0
RESUMED_SHARE = 0.2
VALUES: tuple[Any, ...] = (
    None, 0, -1, 10**30, 0.5, float("nan"), True, "", "word", "nul\0", "x" * 5000, [], [1], {}, {"a": 1}, (),
    [[[]]], torch.zeros(3), torch.tensor(float("nan")),
)  # fmt: skip


def prepare(folder: Path) -> Callable[[random.Random, int, Path], Result]:
    """Train a checkpoint, validate it, go on from it; the attack on copies of it."""
    config = folder / "config.yaml"
    plain = base_config(folder)
    del plain["trainer"]["callbacks"]  # without averaged weights: what is validated is what the file says
    config.write_text(json.dumps(plain))
    command("fit", "--config", config, "--trainer.default_root_dir", folder)
    best = next(folder.glob("run/version_0/best_model.ckpt"))
    sound = read_checkpoint(best)
    last = next(folder.glob("run/version_0/last.ckpt"))

    def metrics(path: Path) -> str:
        return command("validate", "--ckpt_path", path, "--data.cache.dir", folder / "cache")

    def resumed(path: Path, root: Path) -> dict[str, torch.Tensor]:
        more = ["--trainer.max_epochs", 2, "--trainer.default_root_dir", root, "--ckpt_path", path]
        command("fit", "--config", config, *more)
        weights: dict[str, torch.Tensor] = read_checkpoint(next(root.glob("run/version_*/last.ckpt")))[
            "state_dict"
        ]
        return weights

    printed = metrics(best)
    trained = resumed(last, folder / "resumed")

    def damage(rng: random.Random, place: Path) -> Result:
        after, way = damaged(rng, best.read_bytes())
        (place / "bad.ckpt").write_bytes(after)

        def use() -> str:
            if metrics(place / "bad.ckpt") != printed:
                return "other metrics"
            return different(read_checkpoint(place / "bad.ckpt"), sound)

        return observe(way, use)

    def edit(rng: random.Random, place: Path) -> Result:
        goes_on = rng.random() < RESUMED_SHARE
        content = copy.deepcopy(read_checkpoint(last)) if goes_on else copy.deepcopy(sound)
        what = edit_content(rng, content)
        file = place / "edited.ckpt"
        if rng.random() < 0.7:
            AtomicCheckpointIO().save_checkpoint(content, file)
        else:
            torch.save(content, file)

        def use() -> str:
            if goes_on:
                return different(resumed(file, place / "logs"), trained)
            return "" if metrics(file) == printed else "other metrics"

        return observe(f"{what}{', trained on' if goes_on else ''}", use)

    return lambda rng, number, place: (damage if number % 2 else edit)(rng, place)


def edit_content(rng: random.Random, content: dict[str, Any]) -> str:
    """Remove or retype one entry of a checkpoint, in place, a top one as likely as a deep one; what was done."""
    inside: Any = content
    keys: list[Any] = []
    while True:
        parent = inside
        keys.append(rng.choice(list(parent) if isinstance(parent, dict) else range(len(parent))))
        inside = parent[keys[-1]]
        if not (isinstance(inside, dict | list) and inside) or rng.random() < 0.4:
            break
    name = ".".join(map(str, keys))
    way = rng.choice(("removed", "retyped", "retyped", "added", "not finite"))
    if (
        way == "not finite"
        and isinstance(inside, torch.Tensor)
        and inside.is_floating_point()
        and inside.numel()
    ):
        inside.view(-1)[rng.randrange(inside.numel())] = rng.choice((float("nan"), float("inf")))
        return f"{name} not finite"
    if way == "removed":
        del parent[keys[-1]]
        return f"{name} removed"
    if way == "added" and isinstance(parent, dict):
        parent["unknown"] = rng.choice(VALUES)
        return f"{name} beside unknown: {str(parent['unknown'])[:30]!r}"
    parent[keys[-1]] = rng.choice(VALUES)
    return f"{name}: {str(parent[keys[-1]])[:30]!r}"


def different(actual: Any, right: Any, place: str = "content") -> str:
    """Name the first entry in which two checkpoints differ; empty where they are equal to the bit."""
    if isinstance(right, torch.Tensor):
        same = isinstance(actual, torch.Tensor) and (actual.dtype, actual.shape) == (right.dtype, right.shape)
        return "" if same and actual.numpy().tobytes() == right.numpy().tobytes() else place
    if type(actual) is not type(right):
        return place
    if isinstance(right, dict):
        if list(actual) != list(right):
            return f"keys of {place}"
        return next((d for k in right if (d := different(actual[k], right[k], f"{place}.{k}"))), "")
    if isinstance(right, list | tuple):
        if len(actual) != len(right):
            return f"length of {place}"
        pairs = enumerate(zip(actual, right, strict=True))
        return next((d for i, (a, b) in pairs if (d := different(a, b, f"{place}.{i}"))), "")
    return "" if actual == right or actual != actual else place
