"""cache --prune: remove the caches that no run needs, as the runs themselves say in their receipts.

A cache is kept where a run's receipt names it, and where a run's configuration would open it today: it has the
panel as it is now, or it is the newest of those with the run's columns and options, which tomorrow's days are
appended to. A cache can always be built again, so the cost of a mistake is time.
"""

import argparse
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from atft.errors import InputError
from atft.files.publish import disk_errors, read_json

HELP = """\
usage: python -m atft cache --prune [--dry_run] [--data.cache.dir DIR] [--runs DIR ...]

Remove the caches that no run needs. A line for each cache says why it is kept, or how large it was.

  --dry_run             remove nothing, only print the lines
  --data.cache.dir DIR  folder of the caches; default cache
  --runs DIR ...        folders that have runs, at any depth; default lightning_logs. Name all of them
"""
NAME = re.compile(r"[0-9a-f]{16}-([0-9a-f]{16}|no-graph)")
"""Folder of a cache."""


class JudgedCache(NamedTuple):
    """A cache, and why it stays."""

    path: Path
    reason: str
    """The first run that needs it; empty where none does."""
    size: int
    """Bytes of its files, some of which other caches may share."""


def run_prune(arguments: Sequence[str]) -> int:
    """Remove what no run needs, and print a line for each cache."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--prune", action="store_true")
    parser.add_argument("--dry_run", action="store_true")
    parser.add_argument("--data.cache.dir", dest="folder", default="cache")
    parser.add_argument("--runs", nargs="+", default=["lightning_logs"])
    parser.add_argument("--threads")
    if {"-h", "--help"} & set(arguments):
        print(HELP, end="")  # noqa: T201
        return 0
    options, unknown = parser.parse_known_args(list(arguments))
    if unknown:
        raise InputError(f"cache --prune takes no {unknown[0]!r:.60}; python -m atft cache --prune --help")
    caches = judge_caches(Path(options.folder), [Path(folder) for folder in options.runs])
    removed = [cache.path for cache in caches if not cache.reason]
    freed = freed_bytes(removed)
    for cache in caches:
        way = f"keep    {cache.path}  {_gigabytes(cache.size)}  {cache.reason}"
        print(way if cache.reason else f"remove  {cache.path}  {_gigabytes(cache.size)}")  # noqa: T201
    if not options.dry_run:
        remove_caches(removed)
    what = "would free" if options.dry_run else "freed"
    print(f"{len(removed)} of {len(caches)} caches, {what} {_gigabytes(freed)}")  # noqa: T201
    return 0


def judge_caches(folder: Path, runs: Sequence[Path]) -> list[JudgedCache]:
    """Say of each cache in a folder which run below the folders ``runs`` needs it, if any does.

    Raises:
        InputError: a folder is not there, so that what is needed cannot be known.
    """
    for path in (folder, *runs):
        if not path.is_dir():
            raise InputError(f"{path}: no such folder; name it with --data.cache.dir or --runs")
    caches = [p for p in folder.iterdir() if NAME.fullmatch(p.name) and (p / "manifest.json").is_file()]
    manifests = {cache: _manifest(cache) for cache in caches}
    newest = sorted(caches, key=lambda cache: -(cache / "manifest.json").stat().st_mtime_ns)
    reasons: dict[str, str] = {}
    for receipt in sorted(path for root in runs for path in root.rglob("receipt.json")):
        run = receipt.parent
        digests = (read_json(receipt) or {}).get("digests") or {}
        reasons.setdefault(str(digests.get("data")), str(run))
        config = _config(run)
        same = [cache for cache in newest if _asks_for(config, manifests[cache])]
        source = _source_of(config, folder) if same else None
        for cache in same:
            if cache == same[0] or manifests[cache].get("source") == source:
                reasons.setdefault(cache.name, f"{run}, today")
    return [JudgedCache(cache, reasons.get(cache.name, ""), _size(cache)) for cache in sorted(caches)]


def freed_bytes(caches: Iterable[Path]) -> int:
    """Bytes that go with the caches: files that no other one shares by a hard link."""
    files = [file.stat() for cache in caches for file in cache.rglob("*") if file.is_file()]
    links = Counter((stat.st_dev, stat.st_ino) for stat in files)
    sizes = {(stat.st_dev, stat.st_ino): (stat.st_size, stat.st_nlink) for stat in files}
    return sum(size for key, (size, total) in sizes.items() if links[key] == total)


def remove_caches(caches: Iterable[Path]) -> None:
    """Remove caches: each is gone at once for a reader, and what a kill leaves is removed by the next builder."""
    for cache in caches:
        with disk_errors(cache, "remove it by hand"):
            aside = Path(tempfile.mkdtemp(prefix=f".{cache.name}-", dir=cache.parent))
            cache.rename(aside)
            shutil.rmtree(aside)


def _asks_for(config: Mapping[str, Any], manifest: Mapping[str, Any]) -> bool:
    """Whether a run's configuration has the columns and options of a cache."""
    from atft.data.build import CacheOptions
    from atft.data.graph import GraphOptions
    from atft.panel import PanelSchema

    data, model = (config.get(section) or {} for section in ("data", "model"))
    # Defaults first: the configuration of an earlier version may lack a key.
    schema = asdict(PanelSchema()) | ((data.get("panel") or {}).get("schema") or {})
    options = asdict(CacheOptions()) | (data.get("cache") or {})
    graph = data.get("graph") and asdict(GraphOptions()) | data["graph"]
    # The manifest completes the rules of the calendar with their defaults.
    named = {key: value for key, value in (manifest.get("options") or {}).items() if key != "calendar"}
    return bool(
        manifest
        and all(schema.get(key) == value for key, value in manifest["schema"].items())
        and all(options.get(key) == value for key, value in named.items())
        and model.get("horizons") == manifest["horizons"]
        and graph == manifest["graph"]
    )


def _source_of(config: Mapping[str, Any], folder: Path) -> str | None:
    """Fingerprint of a run's panel as it is now; None where it is gone or simulated."""
    from atft.files.panel_files import panel_files, source_fingerprint

    path = ((config.get("data") or {}).get("panel") or {}).get("path")
    try:
        return None if path is None else source_fingerprint(panel_files(path), folder)
    except InputError:
        return None


def _config(run: Path) -> dict[str, Any]:
    from atft.files.yaml_text import read_mapping

    try:
        return read_mapping(run / "config.yaml")
    except InputError:  # a run that has not begun, or one of another program
        return {}


def _manifest(cache: Path) -> dict[str, Any]:
    """What a cache says of itself; empty where it cannot be read, as that of another format."""
    from atft.data.manifest import FORMAT

    content = (read_json(cache / "manifest.json") or {}).get("manifest")
    return content if isinstance(content, dict) and content.get("format") == FORMAT else {}


def _size(cache: Path) -> int:
    return sum(file.stat().st_size for file in cache.rglob("*") if file.is_file())


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:8.3f} GB"
