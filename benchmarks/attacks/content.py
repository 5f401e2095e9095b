"""Everything that training reads of a cache, as bits: the oracle of the attacks on caches and panels."""

import hashlib
from dataclasses import fields
from pathlib import Path

import numpy as np
import polars as pl

from atft.data.cache import DayCache
from atft.data.day_features import day_features

SELF = ("digest", "source", "files")
"""What a manifest says of the files themselves, not of their content."""


def content_digest(path: Path, of_self: bool = True) -> str:
    """Digest of the manifest, of every array of every day, and of every day's graph.

    Args:
        path: the cache's directory.
        of_self: count what the manifest says of the files themselves too.
    """
    cache = DayCache(path).open()
    digest = hashlib.sha256()
    for field in fields(cache.manifest):
        if of_self or field.name not in SELF:
            digest.update(repr((field.name, getattr(cache.manifest, field.name))).encode())
    for index in range(len(cache)):
        day = cache.day(index)
        for field in fields(day):
            _add(digest, getattr(day, field.name))
        every = np.arange(cache.stocks)
        for array in cache.graph(index, every) if cache.manifest.graph else ():
            _add(digest, array)
    return digest.hexdigest()


def cells(path: Path) -> pl.DataFrame:
    """A cache's rows as a table: date, code, universe, sector, and every number of the stock's day."""
    cache = DayCache(path)
    manifest = cache.manifest
    tables = []
    for index, date in enumerate(manifest.dates):
        day = cache.day(index)
        stocks = day.stock
        features = day_features(cache, index, stocks)
        columns: dict[str, object] = {
            "date": [date] * len(stocks),
            "code": [cache.codes[s] for s in stocks],
            "universe": day.universe,
            "sector": [manifest.sectors[s] if s >= 0 else None for s in day.sector],
        }
        targets = [f"target_{h}d" for h in manifest.horizons]
        groups = (
            (manifest.features, features),
            (targets, day.target),
            ([f"{n}_lag1" for n in targets] if manifest.delayed else [], day.delayed_target),
            ([f"oracle_{h}d" for h in manifest.horizons] if manifest.oracle else [], day.oracle),
            (manifest.exposures, day.exposure),
            (manifest.context, day.context),
        )
        for names, values in groups:
            columns |= {n: values[:, i] for i, n in enumerate(names)}
        columns |= {n: np.full(len(stocks), cache.regime[index, i]) for i, n in enumerate(manifest.regimes)}
        tables.append(pl.DataFrame(columns, schema_overrides={"sector": pl.String}))
    return canonical(pl.concat(tables))


def canonical(frame: pl.DataFrame) -> pl.DataFrame:
    """The same table whatever the order of its rows: sorted, numbers in float32, unknown ones null."""
    numbers = pl.selectors.numeric()
    return frame.with_columns(numbers.cast(pl.Float32).fill_nan(None)).sort("date", "code")


def difference(actual: pl.DataFrame, expected: pl.DataFrame, columns: list[str] | None = None) -> str:
    """Name the first cell in which two canonical tables differ; empty where none does.

    Args:
        actual: what the program made.
        expected: the oracle; its columns are compared unless ``columns`` names others.
    """
    if actual.height != expected.height:
        return f"{actual.height} rows where {expected.height} are right"
    for name in columns or expected.columns:
        if name not in actual.columns:
            return f"no column {name}"
        same = actual[name].eq_missing(expected[name])
        if not same.all():
            row = same.arg_min()
            where = f"{actual['code'][row]} on {actual['date'][row]}"
            return f"{name} of {where} is {actual[name][row]}, right is {expected[name][row]}"
    return ""


def _add(digest: "hashlib._Hash", array: np.ndarray) -> None:
    digest.update(f"{array.dtype}{array.shape}".encode())
    digest.update(np.ascontiguousarray(array).tobytes())
