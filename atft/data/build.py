"""Build a cache: two streaming passes over the panel, one record batch per day, published by a rename.

The directory's name is a digest of everything its content depends on, so an existing one is simply used. It is
built beside its place and renamed into it: a reader sees a whole cache or none, a full disk or an interrupt
leaves nothing, and of two processes that build the same one the second to finish throws its copy away. Caches
that differ in the graph alone share their days (a hard link), so a search over graph options costs graphs only.
"""

import errno
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Literal

from atft.data.cache import DayCache
from atft.data.day_writer import write_days
from atft.data.graph import GraphOptions
from atft.data.graph_build import build_graph
from atft.data.manifest import FORMAT, Manifest, write_manifest
from atft.data.panel_stream import CALENDAR_KEY, index_panel
from atft.digest import json_digest
from atft.errors import InputError, nearest
from atft.panel import (
    PanelColumns,
    PanelSchema,
    footer_names,
    match,
    panel_files,
    resolve_columns,
    source_fingerprint,
)
from atft.parquet import check_file
from atft.publish import disk_errors
from atft.trading_days import day_rules

ABANDONED_SECONDS = 6 * 3600
"""A builder that lives writes every few seconds."""


@dataclass(frozen=True)
class CacheOptions:
    """Where the cache is and how it stores features. Groups not named are stored raw and scaled in the network.

    Args:
        dir: folder of the caches; each is a directory in it, named by a digest of its content.
        dtype: storage of ranked and z-scored features; raw ones are always float32.
        rank: names or globs of features stored as their per-day rank over the universe, mean 0 and std 1.
        zscore: names or globs of features stored as their per-day z-score over the universe.
        min_date: ISO date before which rows are dropped; null keeps all.
        infinite_as_missing: count infinite cells and make them NaN; else one is an error that names column and day.
        calendar: what days that look wrong do, by kind. rare_weekdays (rows on weekdays that the market rarely
            trades) and thin_days (less than half of the usual stocks, or 5 % of the usual traded value): error
            (default), exclude (no trading days: their rows are left out) or keep. gaps (no rows for longer than the
            usual holidays): unknown (default: empty days, targets and returns across them are null), error or keep.
    """

    dir: str = "cache"
    dtype: Literal["float32", "float16"] = "float32"
    rank: list[str] = field(default_factory=list)
    zscore: list[str] = field(default_factory=list)
    min_date: str | None = None
    infinite_as_missing: bool = False
    calendar: dict[str, str] = field(default_factory=dict)


def build_cache(
    panel_path: str | Path,
    schema: PanelSchema,
    horizons: list[int],
    options: CacheOptions,
    graph: GraphOptions | None,
    today: date | None = None,
) -> Path:
    """Return the cache of a panel (a Parquet file, a folder of them, or a glob), building it where it is missing.

    ``horizons`` are the trading days ahead of each target; dates after ``today`` (null: this computer's) raise.

    Raises:
        InputError: anything wrong with the panel, the options, the disk, or the cache that is already there.
    """
    files = panel_files(panel_path)
    columns = resolve_columns(schema, footer_names(panel_path), horizons, str(panel_path))
    scaling = feature_scaling(columns, options, str(panel_path))
    if graph is not None:
        _check_graph_columns(columns, graph, str(panel_path))
    stored = {k: v for k, v in asdict(options).items() if k != "dir"}
    stored["calendar"] = day_rules(options.calendar, CALENDAR_KEY)
    min_date = _parse_date(options.min_date)
    source = source_fingerprint(files)
    roles = {k: v for k, v in asdict(schema).items() if k != "label_end" or columns.label_ends}
    panel_digest = json_digest([FORMAT, source, roles, list(horizons), stored])
    graph_digest = json_digest(asdict(graph)) if graph else "no-graph"
    root = Path(options.dir)
    final = root / f"{panel_digest}-{graph_digest}"
    if final.exists():
        DayCache(final).open()
        return final
    with _published(root, final) as folder:
        sibling = next(iter(sorted(root.glob(f"{panel_digest}-*"))), None)
        # Caches of one panel part differ in the graph alone.
        if sibling is not None:
            days = DayCache(sibling).open().manifest
            _link(sibling / days.files["days"].name, folder / days.files["days"].name)
        else:
            for file in files:
                check_file(file)
            index = index_panel(files, columns, min_date, stored["calendar"], today)
            half = tuple(s != "raw" and options.dtype == "float16" for s in scaling)
            written = write_days(folder, files, columns, index, scaling, half, options.infinite_as_missing)
            days = Manifest(
                format=FORMAT,
                digest=final.name,
                source=source,
                schema=roles,
                options=stored,
                graph=None,
                dates=index.dates,
                codes=index.codes,
                features=columns.features,
                scaling=scaling,
                half=half,
                horizons=columns.horizons,
                lag=columns.lag,
                delayed=bool(columns.delayed_targets),
                oracle=bool(columns.oracle),
                returns=columns.return_1d is not None,
                exposures=columns.exposures,
                regimes=columns.regime,
                context=columns.context,
                calendar=index.findings,
                **written,
            )
        records = {"days": days.files["days"]}
        if graph is not None:
            records["graph"] = build_graph(folder, days, graph, days_written_here=sibling is None)
        graph_options = asdict(graph) if graph else None
        write_manifest(folder, replace(days, digest=final.name, graph=graph_options, files=records))
    return final


def _parse_date(text: str | None) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"cache.min_date must be an ISO date such as 2005-01-03, got {text!r}") from error


def feature_scaling(columns: PanelColumns, options: CacheOptions, where: str) -> tuple[str, ...]:
    """Say of each feature how it is stored: raw, rank or zscore; a glob without a feature raises."""
    chosen = dict.fromkeys(columns.features, "raw")
    for way, patterns in (("rank", options.rank), ("zscore", options.zscore)):
        for pattern in patterns:
            names = match([pattern], columns.features)
            if not names:
                raise InputError(
                    f"{where}: cache.{way} names {pattern!r}, which no feature matches"
                    f"{nearest(pattern, columns.features)}"
                )
            for name in names:
                if chosen[name] not in ("raw", way):
                    raise InputError(
                        f"{where}: feature {name!r} is named in both cache.rank and cache.zscore"
                    )
                chosen[name] = way
    return tuple(chosen.values())


def _check_graph_columns(columns: PanelColumns, graph: GraphOptions, where: str) -> None:
    if columns.return_1d is None:
        raise InputError(
            f"{where}: a graph needs the trailing one-day return; name it in panel.schema.return_1d, "
            f"or set graph to null"
        )
    if graph.sector_k and columns.sector is None:
        raise InputError(
            f"{where}: graph.sector_k is {graph.sector_k} and the panel has no sector column; set it to 0, or "
            f"name the column in panel.schema.sector"
        )


def _link(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except OSError:  # a file system without hard links
        shutil.copy2(source, target)


def _remove_abandoned(root: Path) -> None:
    """Remove what killed builders left."""

    def is_old(path: Path) -> bool:
        return time.time() - path.stat().st_mtime > ABANDONED_SECONDS

    for folder in root.glob(".*-*-*"):
        # The folder first: files of a builder that lives may be gone before they are looked at.
        if folder.is_dir() and is_old(folder) and all(map(is_old, folder.iterdir())):
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _published(root: Path, final: Path) -> Iterator[Path]:
    """A folder beside ``final`` that takes its name on success and is removed otherwise."""
    folder: Path | None = None
    try:
        with disk_errors(root, "set data.cache.dir to another place"):
            root.mkdir(parents=True, exist_ok=True)
            _remove_abandoned(root)
            folder = Path(tempfile.mkdtemp(prefix=f".{final.name}-", dir=root))
            folder.chmod(0o755)
            yield folder
            try:
                folder.rename(final)
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
                DayCache(final).open()  # another process was faster; its cache is the same one
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
