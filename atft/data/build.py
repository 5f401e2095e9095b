"""Build a cache: one streaming pass over the panel, one record batch per day, published by a rename.

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

from atft.cells import check_codes
from atft.data.fingerprint import source_fingerprint
from atft.data.graph import GraphOptions
from atft.data.graph_build import build_graph
from atft.data.manifest import FORMAT, read_manifest, write_manifest
from atft.data.panel_pass import write_days
from atft.data.survey import OPTIONS, survey_panel
from atft.digest import json_digest
from atft.errors import InputError, nearest
from atft.panel import PanelColumns, PanelSchema, footer_names, match, panel_files, resolve
from atft.parquet import check_file
from atft.trading_days import DayRules


@dataclass(frozen=True)
class CacheOptions:
    """Where the cache lies and how it stores features. Groups not named are stored raw and scaled in the network.

    Args:
        dir: folder of the caches; each is a directory in it, named by a digest of what it holds.
        dtype: storage of ranked and z-scored features; raw ones are always float32.
        rank: names or globs of features stored as their per-day rank over the universe, mean 0 and std 1.
        zscore: names or globs of features stored as their per-day z-score over the universe.
        min_date: ISO date before which rows are dropped; null keeps all.
        infinite: what an infinite cell does; refuse names its column and day, missing counts it and makes it NaN.
        rare_weekdays: rows on weekdays that the market rarely trades, as Saturdays: an error, excluded (as if they
            were not in the panel) or kept (each such date is a trading day).
        thin_days: days with less than half of the usual stocks, or 5 % of the usual traded value: an error,
            excluded (the market was closed) or kept (it was open, and most rows are missing).
        gaps: stretches without rows, longer than the market's usual holidays: unknown (the days are empty ones of
            the calendar; targets and returns over them are null), an error, or kept (the days before and after
            follow one another).
    """

    dir: str = "cache"
    dtype: Literal["float32", "float16"] = "float32"
    rank: list[str] = field(default_factory=list)
    zscore: list[str] = field(default_factory=list)
    min_date: str | None = None
    infinite: Literal["refuse", "missing"] = "refuse"
    rare_weekdays: Literal["error", "exclude", "keep"] = "error"
    thin_days: Literal["error", "exclude", "keep"] = "error"
    gaps: Literal["unknown", "error", "keep"] = "unknown"

    @property
    def day_rules(self) -> DayRules:
        """What happens to days that look wrong."""
        return DayRules(self.rare_weekdays, self.thin_days, self.gaps)


def build_cache(
    panel_path: str | Path,
    schema: PanelSchema,
    horizons: list[int],
    options: CacheOptions,
    graph: GraphOptions | None,
    today: date | None = None,
) -> Path:
    """Return the cache of a panel under these options, building it where it is missing.

    Args:
        panel_path: a Parquet file, a folder of them, or a glob.
        schema: the role of each column.
        horizons: trading days ahead of each target.
        options: storage.
        graph: neighbours of each day; None for none.
        today: later dates are an error; null is the date of this computer.

    Raises:
        InputError: anything wrong with the panel, the options, the disk, or the cache that is already there.
    """
    files = panel_files(panel_path)
    columns = resolve(schema, footer_names(panel_path), horizons, str(panel_path))
    scaling = feature_scaling(columns, options, str(panel_path))
    if graph is not None and columns.return_1d is None:
        raise InputError(
            f"{panel_path}: a graph needs the trailing one-day return; name it in panel.schema.return_1d, "
            f"or set graph to null"
        )
    if graph is not None and graph.sector_k and columns.sector is None:
        raise InputError(
            f"{panel_path}: graph.sector_k is {graph.sector_k} and the panel has no sector column; set it to 0, or "
            f"name the column in panel.schema.sector"
        )
    options.day_rules.check(OPTIONS)
    min_date = _parse_date(options.min_date)
    source = source_fingerprint(files)
    stored = {k: v for k, v in asdict(options).items() if k != "dir"}
    panel_digest = json_digest([FORMAT, source, asdict(schema), list(horizons), stored])
    graph_digest = json_digest(asdict(graph)) if graph else "no-graph"
    root = Path(options.dir)
    final = root / f"{panel_digest}-{graph_digest}"
    if final.exists():
        _check(final)
        return final
    with _published(root, final) as folder:
        donor = _same_days(root, panel_digest)
        if donor is None:
            for file in files:
                check_file(file)
            survey = survey_panel(files, columns, min_date, options.day_rules, today)
            check_codes(files[0], len(survey.codes), int((survey.rows > 0).sum()), int(survey.rows.sum()))
            manifest = write_days(folder, files, columns, survey, scaling, options.infinite, options.dtype)
        else:
            manifest = read_manifest(donor)
            _link(donor / manifest.files["days"].name, folder / manifest.files["days"].name)
            manifest = replace(manifest, files={"days": manifest.files["days"]})
        manifest = replace(
            manifest,
            digest=final.name,
            source=source,
            schema=asdict(schema),
            options=stored,
            graph=asdict(graph) if graph else None,
        )
        if graph:
            record = build_graph(folder, manifest, graph, days_written_here=donor is None)
            manifest = replace(manifest, files={**manifest.files, "graph": record})
        write_manifest(folder, manifest)
    return final


def feature_scaling(columns: PanelColumns, options: CacheOptions, where: str) -> tuple[str, ...]:
    """Say of each feature how it is stored: raw, rank or zscore.

    Raises:
        InputError: a glob matches no feature, or a feature is named for both.
    """
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


def _parse_date(text: str | None) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"cache.min_date must be an ISO date such as 2005-01-03, got {text!r}") from error


def _check(final: Path) -> None:
    from atft.data.cache import DayCache

    DayCache(final).open()


def _same_days(root: Path, panel_digest: str) -> Path | None:
    for sibling in sorted(root.glob(f"{panel_digest}-*")):
        _check(sibling)
        return sibling
    return None


def _link(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except OSError:  # a file system without hard links
        shutil.copy2(source, target)


def _sweep(root: Path) -> None:
    """Remove what builders left that were killed: a live one writes every few seconds, not six hours ago."""
    for left in root.glob(".*-*-*"):
        if left.is_dir() and time.time() - left.stat().st_mtime > 6 * 3600:
            newest = max((f.stat().st_mtime for f in left.iterdir()), default=0.0)
            if time.time() - newest > 6 * 3600:
                shutil.rmtree(left, ignore_errors=True)


@contextmanager
def _published(root: Path, final: Path) -> Iterator[Path]:
    """A folder beside ``final`` that takes its name on success and is gone otherwise."""
    folder: Path | None = None
    try:
        root.mkdir(parents=True, exist_ok=True)
        _sweep(root)
        folder = Path(tempfile.mkdtemp(prefix=f".{final.name}-", dir=root))
        folder.chmod(0o755)
        yield folder
        try:
            folder.rename(final)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            _check(final)  # another process was faster; its cache is the same one
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise InputError(
                f"{root}: the disk is full while building a cache (nothing is left of it); "
                f"make room, or set cache.dir to another disk"
            ) from error
        if error.errno in (errno.EACCES, errno.EROFS, errno.ENOTDIR, errno.EPERM, errno.EEXIST):
            raise InputError(
                f"{root}: cannot write a cache there ({error.strerror}); set cache.dir"
            ) from error
        raise
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
