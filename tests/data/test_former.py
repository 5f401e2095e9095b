"""A cache of a panel that grew: the days of unchanged files are linked, and all is as if built at once."""

from collections.abc import Callable
from dataclasses import fields
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from atft.commands.prune import remove_caches
from atft.data import build as build_module
from atft.data.build import CacheOptions, build_cache
from atft.data.cache import DayCache, verify_cache
from atft.data.day_writer import write_days
from atft.data.graph import GraphOptions
from atft.errors import InputError
from atft.panel import PanelSchema

GRAPH = GraphOptions(k=3, window=20, min_observations=10, refresh_days=5, sector_k=2)


def same(one: DayCache, two: DayCache) -> bool:
    """Every field of the manifests but the files, every day and every graph, bit for bit."""
    layout = ("files", "day_records", "graph_records")
    names = [f.name for f in fields(one.manifest) if f.name not in layout]
    assert [n for n in names if getattr(one.manifest, n) != getattr(two.manifest, n)] == []
    stocks = np.arange(one.stocks)
    for day in range(len(one)):
        a, b = one.day(day), two.day(day)
        for field in fields(a):
            x, y = getattr(a, field.name), getattr(b, field.name)
            assert np.array_equal(x, y, equal_nan=x.dtype.kind == "f"), (day, field.name)
        if one.manifest.graph:
            pairs = zip(one.graph(day, stocks), two.graph(day, stocks), strict=True)
            assert all(np.array_equal(x, y) for x, y in pairs)
    return True


@pytest.fixture
def months(make_panel: Callable[..., Path]) -> list[tuple[str, pl.DataFrame]]:
    """A panel by months: a code joins late, a sector too, one leaves, and a week is missing."""
    frame = pl.read_parquet(make_panel(days=100))
    late, early = pl.col("code") == "S003", pl.col("code") == "S005"
    last = pl.col("date") >= pl.col("date").max().dt.offset_by("-20d")
    gap = pl.col("date").is_between(date(2015, 3, 16), date(2015, 3, 27))
    frame = frame.filter(~(late & ~last) & ~(early & last) & ~gap)
    frame = frame.with_columns(sector=pl.when(late).then(pl.lit("0 new")).otherwise("sector"))
    by_month = frame.group_by(pl.col("date").dt.strftime("%Y-%m"), maintain_order=True)
    return [(str(month[0]), rows) for month, rows in by_month]


def write(folder: Path, months: list[tuple[str, pl.DataFrame]]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, rows in months:
        rows.write_parquet(folder / f"{name}.parquet")
    return folder


def cache(
    panel: Path,
    place: Path,
    graph: GraphOptions | None = GRAPH,
    append_only: bool = False,
    **more: Any,
) -> DayCache:
    options = CacheOptions(dir=str(place), rank=["x_0"], dtype="float16", **more)
    return DayCache(build_cache(panel, PanelSchema(), [1, 5], options, graph, append_only=append_only))


def test_a_cache_of_more_months_is_that_of_all_and_reads_only_the_new_ones(
    months: list[tuple[str, pl.DataFrame]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel, place = tmp_path / "panel", tmp_path / "grown"
    former = cache(write(panel, months[:2]), place)
    assert former.manifest.day_records == (("days", len(former)),)
    read: list[str] = []
    check = build_module.check_file
    monkeypatch.setattr(build_module, "check_file", lambda file: read.append(file.stem) or check(file))
    for count in range(3, len(months) + 1):
        write(panel, months[count - 1 : count])
        grown = cache(panel, place, append_only=True)
        assert read == [months[count - 1][0]]
        read.clear()
    assert len(grown.manifest.day_records) == len(months) - 1
    first = former.manifest.files["days"].name
    assert (grown.path / first).stat().st_ino == (former.path / first).stat().st_ino
    assert same(grown, cache(panel, tmp_path / "whole"))
    assert verify_cache(grown.path) == sum(len(f.crcs) for f in grown.manifest.files.values())
    other = GraphOptions(k=2, window=20, min_observations=10, refresh_days=5, sector_k=2)
    assert same(cache(panel, place, other), cache(panel, tmp_path / "whole", other))
    former.open()  # a run may go on reading it


@pytest.mark.parametrize("graph", [GRAPH, None])
def test_a_former_cache_that_is_removed_while_its_days_are_linked_is_done_without(
    graph: GraphOptions | None,
    months: list[tuple[str, pl.DataFrame]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    panel, place = tmp_path / "panel", tmp_path / "grown"
    former = cache(write(panel, months[:-1]), place, graph)

    def pruned(*arguments: Any) -> Any:
        monkeypatch.setattr(build_module, "write_days", write_days)
        remove_caches([former.path])
        return write_days(*arguments)

    monkeypatch.setattr(build_module, "write_days", pruned)
    grown = cache(write(panel, months), place, graph)
    assert same(grown, cache(panel, tmp_path / "whole", graph))
    assert [path.name for path in place.iterdir()] == [grown.path.name]


def test_a_last_month_that_grew_is_read_again_and_the_ones_before_are_not(
    months: list[tuple[str, pl.DataFrame]], tmp_path: Path
) -> None:
    panel, place = write(tmp_path / "panel", months[:-1]), tmp_path / "grown"
    name, rows = months[-1]
    days = rows["date"].unique().sort()
    for day in (2, 3, len(days)):
        write(panel, [(name, rows.filter(pl.col("date").is_in(days[:day].implode())))])
        grown = cache(panel, place)
        assert [key for key, _ in grown.manifest.day_records][1:] == (
            [] if day == 2 else [f"days-{days[0]:%Y%m%d}"]
        )
    assert same(grown, cache(panel, tmp_path / "whole"))


def test_a_changed_month_and_those_after_it_are_read_again(
    months: list[tuple[str, pl.DataFrame]], tmp_path: Path
) -> None:
    panel, place = write(tmp_path / "panel", months), tmp_path / "grown"
    cache(panel, place, None)
    name, rows = months[2]
    write(panel, [(name, rows.with_columns(x_0=pl.col("x_0") + 1))])
    grown = cache(panel, place, None)
    kept = sum(rows["date"].n_unique() for _, rows in months[:2])
    assert grown.manifest.day_records[0] == ("days", kept)
    assert same(grown, cache(panel, tmp_path / "whole", None))


def test_what_cannot_be_appended_to_is_built_or_is_one_line(
    months: list[tuple[str, pl.DataFrame]], tmp_path: Path
) -> None:
    panel, place = write(tmp_path / "panel", months[:3]), tmp_path / "grown"
    with pytest.raises(
        InputError, match=r"no cache of an earlier state of .*panel to append to; build it without"
    ):
        cache(panel, place, None, append_only=True)
    built = cache(panel, place, None)
    (built.path / "manifest.json").write_text("{}")
    write(panel, months[3:])
    assert same(cache(panel, place, None), cache(panel, tmp_path / "whole", None))


def test_a_gap_that_is_usual_now_is_read_again_from_there(
    months: list[tuple[str, pl.DataFrame]], tmp_path: Path
) -> None:
    panel, place = tmp_path / "panel", tmp_path / "grown"
    # Six missing days are a fault until March has a longer gap: then they are a holiday that recurs.
    frame = pl.concat([rows for _, rows in months])
    frame = frame.filter(~pl.col("date").is_between(date(2015, 1, 19), date(2015, 1, 26)))
    by_month = frame.group_by(pl.col("date").dt.strftime("%Y-%m"), maintain_order=True)
    parts = [(str(month[0]), rows) for month, rows in by_month]
    assert "unknown across" in cache(write(panel, parts[:2]), place, None).manifest.calendar[0]
    write(panel, parts[2:])
    assert same(cache(panel, place, None), cache(panel, tmp_path / "whole", None))


def test_codes_and_sectors_are_counted_on_over_a_file_without_rows(
    months: list[tuple[str, pl.DataFrame]], tmp_path: Path
) -> None:
    """As a job may write for the month that has just begun."""
    panel, place = tmp_path / "panel", tmp_path / "grown"
    (first, rows), (second, more), *rest = months
    cache(write(panel, [(first, rows), (second, more), (f"{second}b", more.clear())]), place)
    write(panel, [(name, of_month.filter(pl.col("code") > "S004")) for name, of_month in rest])
    grown = cache(panel, place, append_only=True)
    first_day = rows.filter(pl.col("date") == rows["date"].min())
    assert [grown.codes[i] for i in grown.day(0).stock] == sorted(first_day["code"])
    assert same(grown, cache(panel, tmp_path / "whole"))


def test_sectors_that_only_a_changed_file_had_are_gone(
    months: list[tuple[str, pl.DataFrame]], tmp_path: Path
) -> None:
    panel, place = tmp_path / "panel", tmp_path / "grown"
    (first, rows), (second, more), *rest = months
    no_sector = rows.with_columns(sector=pl.lit(None, pl.String))
    cache(write(panel, [(first, no_sector), (second, more)]), place)
    write(panel, rest)
    cache(panel, place)  # keeps both files
    write(panel, [(second, more.with_columns(sector=pl.lit("other")))])
    assert same(cache(panel, place), cache(panel, tmp_path / "whole"))


@pytest.mark.parametrize("new", ["thin", "empty", "gone"])
def test_a_panel_without_a_new_day_reads_no_file(
    months: list[tuple[str, pl.DataFrame]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, new: str
) -> None:
    panel, place, rules = write(tmp_path / "panel", months), tmp_path / "grown", {"thin_days": "exclude"}
    cache(panel, place, calendar=rules)
    name, rows = months[-1]
    day = rows.filter(pl.col("date") == rows["date"].max()).with_columns(pl.col("date").dt.offset_by("3d"))
    if new == "gone":
        (panel / f"{name}.parquet").unlink()
    else:
        write(panel, [(f"{name}b", day.head(5) if new == "thin" else day.clear())])
    read: list[Path] = []
    monkeypatch.setattr("atft.data.build.write_days", lambda *a: read.extend(a[1]) or write_days(*a))
    grown = cache(panel, place, append_only=True, calendar=rules)
    monkeypatch.undo()
    assert not read
    assert same(grown, cache(panel, tmp_path / "whole", calendar=rules))


def test_a_date_that_is_a_trading_day_now_is_read_with_its_file(
    months: list[tuple[str, pl.DataFrame]], tmp_path: Path
) -> None:
    """The last date had too little traded value, until the column turned out to be none: it falls below 0."""
    panel, place, rules = tmp_path / "panel", tmp_path / "grown", {"thin_days": "exclude"}
    (first, rows), (second, more), *_ = months
    idle = pl.when(pl.col("date") == pl.col("date").max()).then(1.0).otherwise(1e6)
    rows = rows.with_columns(traded_value=idle)
    write(panel, [(first, rows), (second, more.with_columns(traded_value=pl.lit(1e6)))])
    former = cache(panel, place, calendar=rules)
    write(panel, [(second, more.with_columns(traded_value=pl.lit(-1e6)))])
    grown = cache(panel, place, calendar=rules)
    assert rows["date"].max() in {*grown.manifest.dates} - {*former.manifest.dates}
    assert same(grown, cache(panel, tmp_path / "whole", calendar=rules))
