"""Build a cache: two streaming passes over the panel, one record batch per day, published by a rename.

The directory's name is a digest of everything its content depends on, so an existing one is simply used. It is
built beside its final name and renamed: a reader sees a whole cache or none, a full disk or an interrupt
leaves nothing, and of two processes that build the same one the second to finish throws its copy away. Caches
that differ in the graph alone share their days (a hard link), so a search over graph options costs graphs only.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from os import PathLike
from pathlib import Path
from typing import Literal

import numpy as np

from atft.data.cache import DayCache
from atft.data.cache_folder import once_more, published_folder
from atft.data.day_writer import DayEncoder, write_days
from atft.data.former import Former, find_former, joined_entries, kept_days, linked_files, unchanged_files
from atft.data.graph import GraphOptions
from atft.data.graph_build import build_graph, refresh_indices
from atft.data.manifest import FORMAT, NAME, CacheRecipe, Manifest, first_records, write_manifest
from atft.data.panel_index import CALENDAR_KEY, index_panel
from atft.data.panel_stream import PanelIndex
from atft.errors import InputError, listed, nearest
from atft.files.digest import json_digest
from atft.files.panel_files import (
    file_fingerprints,
    footer_names,
    joined_fingerprint,
    panel_files,
    same_while_read,
)
from atft.files.parquet import check_file
from atft.files.yaml_text import read_date
from atft.option_types import as_in_config, check_option_types
from atft.panel import PanelColumns, PanelSchema, further_columns, match, resolve_columns
from atft.trading_days import day_rules


@dataclass(frozen=True)
class CacheOptions:
    """Where the cache is and how it stores features. Groups not named are stored raw and scaled in the network.

    Args:
        dir: folder of all caches; each is a directory in it, named by a digest of its content.
        dtype: storage of ranked and z-scored features; raw ones are always float32.
        rank: names or globs of features stored as their per-day rank over the universe, mean 0 and std 1.
        zscore: names or globs of features stored as their per-day z-score over the universe.
        min_date: ISO date before which rows are dropped; null keeps all.
        infinite_as_missing: count infinite cells and make them NaN. If false, an infinite cell is an error that
            names column and day.
        calendar: how to treat days that look wrong, by kind. rare_weekdays (rows on weekdays that the market rarely
            trades) and thin_days (less than half of the usual stocks, or 5 % of the usual traded value): error
            (default), exclude (no trading days: their rows are left out) or keep. gaps (no rows for longer than the
            usual holidays): unknown (default: empty days; targets and returns across them are null), error or keep.
    """

    dir: str = "cache"
    dtype: Literal["float32", "float16"] = "float32"
    rank: list[str] = field(default_factory=list)
    zscore: list[str] = field(default_factory=list)
    min_date: str | None = None
    infinite_as_missing: bool = False
    calendar: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_option_types("data.cache", self, (PathLike, date))


@once_more
def build_cache(
    panel_path: str | Path,
    schema: PanelSchema,
    horizons: list[int],
    options: CacheOptions,
    graph: GraphOptions | None,
    today: date | None = None,
    append_only: bool = False,
) -> Path:
    """Return the cache of a panel (a Parquet file, a folder of them, or a glob), building it where it is missing.

    ``horizons`` are the trading days ahead of each target; dates after ``today`` (null: this computer's) raise.
    Where the folder of caches has one of an earlier state of the panel, the days of the files that have not changed
    are taken from it (`atft.data.former`); with ``append_only`` it raises where there is none.

    Raises:
        InputError: anything wrong with the panel, the options, the disk, or the cache that is already there.
    """
    files = panel_files(panel_path)
    horizons = as_in_config(horizons)
    columns = resolve_columns(
        schema, footer_names(panel_path, [schema.date, schema.code]), horizons, str(panel_path)
    )
    recipe = cache_recipe(schema, columns, options, str(panel_path))
    if graph is not None:
        _check_graph_columns(columns, graph, str(panel_path))
    min_date = None if options.min_date is None else read_date("data.cache.min_date", options.min_date)
    fingerprints = file_fingerprints(files, options.dir)
    source = joined_fingerprint(fingerprints)
    panel_digest = json_digest([FORMAT, source, recipe.schema, horizons, recipe.options])
    graph_digest = json_digest(asdict(graph)) if graph else "no-graph"
    root = Path(options.dir)
    final = root / f"{panel_digest}-{graph_digest}"
    if final.exists():
        if not (final / NAME).exists():
            raise InputError(
                f"{final}: no {NAME}, so the cache is not whole; delete the folder to build it again"
            )
        DayCache(final).open()
        return final
    with published_folder(root, final) as folder:
        # Caches of one panel part differ in the graph alone.
        sibling = next(iter(sorted(root.glob(f"{panel_digest}-*/{NAME}"))), None)
        former: Former | None = None
        written_here: set[str] = set()
        if sibling is not None:
            manifest = _linked_days(sibling.parent, folder, final.name)
        else:
            if len(files) > 1:
                former = find_former(root, recipe, fingerprints, graph_digest)
            with same_while_read(panel_path, files, fingerprints, root):
                index, former = _indexed(files, columns, min_date, recipe.options["calendar"], today, former)
                if former is None and append_only:
                    raise InputError(
                        f"{root}: no cache of an earlier state of {panel_path} to append to; build it without "
                        f"append"
                    )
                manifest, written_here = _write_days(
                    folder, final.name, files, fingerprints, columns, index, recipe, former
                )
            unread = _unread_lines(files, schema, columns)
            manifest = replace(manifest, calendar=(*manifest.calendar, *unread))
        if graph is not None:
            manifest = _with_graph(folder, manifest, graph, written_here, former)
        write_manifest(folder, manifest)
    return final


def cache_recipe(
    schema: PanelSchema, columns: PanelColumns, options: CacheOptions, where: str
) -> CacheRecipe:
    """Say what rows with these ``columns`` become in a cache; ``where`` is the panel's path, for messages."""
    scaling = feature_scaling(columns, options, where)
    stored = {k: v for k, v in asdict(options).items() if k != "dir"}
    return CacheRecipe(
        schema={k: v for k, v in asdict(schema).items() if k != "label_end" or columns.label_ends},
        options=stored | {"calendar": day_rules(options.calendar, CALENDAR_KEY)},
        features=columns.features,
        scaling=scaling,
        half=tuple(way != "raw" and options.dtype == "float16" for way in scaling),
        horizons=columns.horizons,
        lag=columns.lag,
        delayed=bool(columns.delayed_targets),
        oracle=bool(columns.oracle),
        returns=columns.return_1d is not None,
        exposures=columns.exposures,
        regimes=columns.regime,
        context=columns.context,
    )


def _linked_days(cache: Path, folder: Path, digest: str) -> Manifest:
    """Link the days of a ``cache`` with another graph, and describe them as a cache without one."""
    manifest = DayCache(cache).open().manifest
    files = linked_files(cache, manifest, manifest.day_records, folder)
    return replace(manifest, digest=digest, graph=None, files=files, graph_records=())


def _unread_lines(files: Sequence[Path], schema: PanelSchema, columns: PanelColumns) -> list[str]:
    """Say which columns only later files have, since the panel's first file decides what is read."""
    count = Counter(
        name for file in files[1:] for name in further_columns(schema, columns, footer_names(file))
    )
    named = listed(f"{name} ({n} of {len(files)} files)" for name, n in count.items())
    return [f"left out, columns that the panel's first file lacks: {named}"] if count else []


def _write_days(
    folder: Path,
    digest: str,
    files: Sequence[Path],
    fingerprints: Sequence[str],
    columns: PanelColumns,
    index: PanelIndex,
    recipe: CacheRecipe,
    former: Former | None,
) -> tuple[Manifest, set[str]]:
    """Link the days that a ``former`` cache has, write the others, and describe them all.

    Returns:
        The manifest of a cache without a graph, and the keys of the files that were written.
    """
    kept, first_day, sectors = (former.file_count, former.day_count, former.sectors) if former else (0, 0, ())
    later: Sequence[Path] = files[kept:]
    for file in later:
        check_file(file)
    if former is not None:
        # A file of dates that are no trading days has no record.
        dates = [file.dates for file in index.sources[kept:]]
        later = [f for f, d in zip(later, dates, strict=True) if np.isin(d, index.calendar).any()]
    encoder = DayEncoder(columns, index, recipe, first_day, sectors)
    written = write_days(folder, later, encoder)
    past = kept_days(former, folder) if former else {}
    # The count of infinite cells is of all days, and a label's end may be a day that is not on the calendar yet.
    grows = not encoder.checks.infinite and not columns.label_ends
    manifest = Manifest(
        **vars(recipe),
        format=FORMAT,
        digest=digest,
        source=joined_fingerprint(fingerprints),
        graph=None,
        dates=index.dates,
        codes=index.codes,
        calendar=index.findings,
        graph_records=(),
        sources=encoder.sources(fingerprints) if grows else (),
        sectors=tuple(encoder.sector_of),
        infinite=encoder.checks.infinite,
        **{name: joined_entries(past[name], new) if past else new for name, new in written.items()},
    )
    return manifest, set(written["files"])


def _with_graph(
    folder: Path, manifest: Manifest, graph: GraphOptions, written_here: set[str], former: Former | None
) -> Manifest:
    """Write the graph of a cache's days but for the refreshes that a ``former`` cache has, which are linked."""
    options, records = asdict(graph), dict(manifest.files)
    graph_records: tuple[tuple[str, int], ...] = ()
    key, done = "graph", 0
    if former is not None and former.manifest.graph == options:
        refreshes = refresh_indices(manifest.dates, manifest.universe_rows, graph.refresh_days)
        done = int((refreshes < former.day_count).sum())
        graph_records = first_records(former.manifest.graph_records, done)
        records |= linked_files(former.path, former.manifest, graph_records, folder)
        if later := manifest.dates[former.day_count :]:
            key = f"graph-{later[0]:%Y%m%d}"
    record = build_graph(folder, manifest, graph, written_here, key, done)
    if record is not None:
        records[key] = record
        graph_records = (*graph_records, (key, len(record.crcs)))
    return replace(manifest, graph=options, files=records, graph_records=graph_records)


def _indexed(
    files: Sequence[Path],
    columns: PanelColumns,
    min_date: date | None,
    rules: dict[str, str],
    today: date | None,
    former: Former | None,
) -> tuple[PanelIndex, Former | None]:
    """Read the days and codes of the files that a ``former`` cache has not counted, and say what of it stays."""
    while former is not None and former.day_count:
        index = index_panel(files, columns, min_date, rules, today, former.sources, former.codes)
        same = unchanged_files(former, index, columns)
        if same == former.file_count:
            return index, former
        # What turns out to differ, such as a gap that is usual now, leaves fewer files to keep.
        former = replace(former, file_count=same)
    return index_panel(files, columns, min_date, rules, today), None


def feature_scaling(columns: PanelColumns, options: CacheOptions, where: str) -> tuple[str, ...]:
    """Say of each feature how it is stored: raw, rank or zscore; a glob without a feature raises."""
    chosen = dict.fromkeys(columns.features, "raw")
    for way, patterns in (("rank", options.rank), ("zscore", options.zscore)):
        for pattern in patterns:
            names = match([pattern], columns.features)
            if not names:
                raise InputError(
                    f"{where}: data.cache.{way} names {pattern!r}, which no feature matches"
                    f"{nearest(pattern, columns.features)}"
                )
            for name in names:
                if chosen[name] not in ("raw", way):
                    raise InputError(
                        f"{where}: feature {name!r} is named in both data.cache.rank and data.cache.zscore"
                    )
                chosen[name] = way
    return tuple(chosen.values())


def _check_graph_columns(columns: PanelColumns, graph: GraphOptions, where: str) -> None:
    if columns.return_1d is None:
        raise InputError(
            f"{where}: a graph needs the trailing one-day return; name it in data.panel.schema.return_1d, "
            f"or set data.graph to null"
        )
    if graph.sector_k and columns.sector is None:
        raise InputError(
            f"{where}: data.graph.sector_k is {graph.sector_k} and the panel has no sector column; set it to 0, or "
            f"name the column in data.panel.schema.sector"
        )
