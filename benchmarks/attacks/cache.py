"""Damage to a cache that the program wrote: bytes of its files, its manifest, files swapped, cut or gone.

A fit's way to it is taken: `build_cache` finds the directory there, then every day and graph is read. What is
accepted must be the sound cache's content to the bit.
"""

import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from atft.data.build import CacheOptions, build_cache
from atft.data.graph import GraphOptions
from atft.market.options import MarketOptions
from atft.market.write import write_market
from atft.panel import PanelSchema
from benchmarks.attacks.content import content_digest
from benchmarks.attacks.damage import damaged
from benchmarks.attacks.verdict import Result, observe

COUNT, LIMIT_SECONDS = 1000, 60.0
GRAPH = GraphOptions(k=3, window=20, min_observations=10, sector_k=2)


def prepare(folder: Path) -> Callable[[random.Random, int, Path], Result]:
    """Build a cache and another one to take files from; the attack on copies of the first."""
    panels = [folder / f"panel_{seed}.parquet" for seed in (1, 2)]
    for seed, panel in enumerate(panels, 1):
        write_market(panel, MarketOptions(stocks=24, days=60, features=18, seed=seed))

    def built(panel: Path, root: Path) -> Path:
        options = CacheOptions(dir=str(root), dtype="float16", rank=["x_return_*"])
        return build_cache(panel, PanelSchema(), [1, 5], options, GRAPH)

    sound, other = (built(panel, folder / "caches") for panel in panels)
    right = content_digest(sound)

    def attack(rng: random.Random, number: int, place: Path) -> Result:
        # Times stay: a file whose time is another one is read whole when it is opened.
        copy = Path(shutil.copytree(sound, place / sound.name))
        what = rng.choice((_bytes, _bytes, _bytes, _manifest, _files))(rng, copy, other)

        def use() -> str:
            path = built(panels[0], place)
            return "" if content_digest(path) == right else "another content than the sound cache's"

        return observe(what, use)

    return attack


def _bytes(rng: random.Random, cache: Path, other: Path) -> str:
    file = rng.choice(sorted(cache.iterdir()))
    times = file.stat()
    after, way = damaged(rng, file.read_bytes())
    file.write_bytes(after)
    if rng.random() < 0.7:  # what a disk does keeps the time
        os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
        way += ", time kept"
    return f"{file.name}: {way}"


def _manifest(rng: random.Random, cache: Path, other: Path) -> str:
    """Edit one value of the manifest, its digest left as it is."""
    path = cache / "manifest.json"
    whole = json.loads(path.read_text())
    inside: Any = whole
    keys: list[str | int] = []
    while isinstance(inside, dict | list) and inside and (not keys or rng.random() < 0.8):
        parent = inside
        keys.append(rng.choice(list(parent) if isinstance(parent, dict) else range(len(parent))))
        inside = parent[keys[-1]]
    if rng.random() < 0.3:
        del parent[keys[-1]]
        what = "removed"
    else:
        values = [v for v in (None, -1, 10**30, 0.5, "x", [], {}, True, "../x") if v != inside]
        parent[keys[-1]] = rng.choice(values)
        what = f"set to {parent[keys[-1]]!r}"
    path.write_text(json.dumps(whole))
    return f"manifest {'.'.join(map(str, keys))} {what}"


def _files(rng: random.Random, cache: Path, other: Path) -> str:
    """Remove, replace or exchange whole files."""
    files = sorted(cache.iterdir())
    file = rng.choice(files)
    way = rng.choice(("removed", "empty", "of another cache", "exchanged", "a folder", "a dead link"))
    if way == "of another cache":
        shutil.copy2(other / file.name, file)
    elif way == "exchanged":
        second = rng.choice([f for f in files if f != file])
        aside = file.with_name("aside")
        file.rename(aside)
        second.rename(file)
        aside.rename(second)
    else:
        file.unlink()
        if way == "empty":
            file.touch()
        elif way == "a folder":
            file.mkdir()
        elif way == "a dead link":
            file.symlink_to("nowhere")
    return f"{file.name} {way}"
