import errno
import multiprocessing
import os
import shutil
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from atft.data import build as build_module
from atft.data.build import CacheOptions, build_cache
from atft.data.cache import DayCache
from atft.data.graph import GraphOptions
from atft.data.records import RecordWriter
from atft.errors import InputError
from atft.files.panel_files import MEMORY
from atft.panel import PanelSchema

Make = Callable[..., DayCache]
MakePanel = Callable[..., Path]


def left_in(folder: Path) -> list[str]:
    """Names of what is in a folder of caches, without the memory of panels' digests."""
    return [path.name for path in folder.iterdir() if path.name != MEMORY] if folder.exists() else []


GRAPH = GraphOptions(k=3, window=20, min_observations=10, refresh_days=5, sector_k=2)


def test_the_past_of_a_stock_that_joins_the_universe_later_is_there_already(
    make_panel: MakePanel, make_cache: Make
) -> None:
    panel = make_panel()
    frame = pl.read_parquet(panel)
    never = frame.with_columns(universe=pl.col("universe") & (pl.col("code") != "S013"))
    never.write_parquet(panel)
    cache = make_cache(panel)
    assert sum(cache.manifest.observed_rows) == len(frame)
    joins = pl.col("universe") | ((pl.col("code") == "S013") & (pl.col("date") == pl.col("date").max()))
    never.with_columns(universe=joins).write_parquet(panel)
    later = make_cache(panel)
    assert later.path != cache.path
    assert later.manifest.files["days"].crcs[:-1] == cache.manifest.files["days"].crcs[:-1]


def test_a_cache_costs_in_proportion_to_its_rows_not_to_days_times_codes(
    tmp_path: Path, make_cache: Make
) -> None:
    rng, rows, days = np.random.default_rng(0), 30, 100
    panel = pl.DataFrame(
        {
            "date": [date(2015, 1, 5) + timedelta(days=7 * d) for d in range(days) for _ in range(rows)],
            "code": [f"n{i:05d}" for i in range(rows * days)],
            **{f"x_{i}": rng.standard_normal(rows * days).astype(np.float32) for i in range(8)},
            "target_1d": rng.standard_normal(rows * days).astype(np.float32) / 100,
        }
    )
    panel.write_parquet(tmp_path / "once.parquet")
    cache = make_cache(tmp_path / "once.parquet", graph=None, horizons=(1,))
    size = sum(f.stat().st_size for f in cache.path.iterdir())
    assert cache.stocks == rows * days
    # 8 features, a target, a return, a sector, a number and a flag: 47 bytes a row, and what each record adds.
    assert size < rows * days * 100 + days * 2000


def test_without_a_universe_column_every_row_may_be_ranked(make_panel: MakePanel, make_cache: Make) -> None:
    panel = make_panel()
    pl.read_parquet(panel).drop("universe").write_parquet(panel)
    manifest = make_cache(panel).manifest
    assert manifest.universe_rows == manifest.observed_rows


def test_min_date_drops_earlier_days(make_panel: MakePanel, make_cache: Make) -> None:
    cache = make_cache(make_panel(), min_date="2015-02-02")
    assert cache.manifest.dates[0].isoformat() == "2015-02-02"
    assert len(cache) == 60
    with pytest.raises(InputError, match=r"no row from 2030-01-01 on"):
        make_cache(min_date="2030-01-01")
    with pytest.raises(InputError, match="ISO date"):
        make_cache(min_date="tomorrow")


@pytest.mark.usefixtures("types_unchecked")
def test_dates_and_numbers_of_python_and_numpy_name_the_cache_that_a_config_names(
    make_panel: MakePanel, make_cache: Make
) -> None:
    five: Any = np.int64(5)
    want = make_cache(make_panel(), horizons=(1, 5), min_date="2015-02-02")
    graph = GraphOptions(k=3, window=20, min_observations=2 * five, refresh_days=five, sector_k=2)
    got = make_cache(graph=graph, horizons=(1, five), min_date=date(2015, 2, 2))
    assert got.path == want.path and got.manifest == want.manifest


@pytest.mark.parametrize("order", ["code", "shuffled", "files"])
def test_the_order_of_the_rows_and_files_does_not_matter(
    tmp_path: Path, make_panel: MakePanel, make_cache: Make, order: str
) -> None:
    panel = make_panel()
    frame = pl.read_parquet(panel)
    want = make_cache(panel, rank=["x_0"])
    other = tmp_path / "other"
    other.mkdir()
    if order == "files":
        for code, rows in frame.group_by("code"):
            rows.write_parquet(other / f"{code[0]}.parquet")
    else:
        rows = (
            frame.sort("code", "date") if order == "code" else frame.sample(fraction=1, shuffle=True, seed=1)
        )
        rows.write_parquet(other / "p.parquet", row_group_size=100)
    got = make_cache(other, rank=["x_0"])
    assert got.manifest.codes == want.manifest.codes
    assert got.manifest.files["days"].crcs == want.manifest.files["days"].crcs
    assert got.manifest.files["graph"].crcs == want.manifest.files["graph"].crcs
    assert not list(Path(got.path).glob("unsorted*"))


def test_columns_that_only_later_files_have_are_named(
    make_panel: MakePanel, make_cache: Make, tmp_path: Path
) -> None:
    frame = pl.read_parquet(make_panel())
    middle = frame["date"].sort()[len(frame) // 2]
    first, later = frame.filter(pl.col("date") < middle), frame.filter(pl.col("date") >= middle)

    def cache_of(name: str, *parts: pl.DataFrame, **options: Any) -> DayCache:
        for number, part in enumerate(parts):
            (tmp_path / name).mkdir(exist_ok=True)
            part.write_parquet(tmp_path / name / f"{number}.parquet")
        return make_cache(tmp_path / name, **options)

    want = cache_of("as it was", first, later)
    more = later.with_columns(x_9=pl.lit(1.0), note=pl.lit("none"), exposure_new=pl.lit(2.0))
    got = cache_of("with more", first, more)
    line = (
        "left out, columns that the panel's first file lacks: exposure_new (1 of 2 files), x_9 (1 of 2 files)"
    )
    assert got.manifest.calendar == (*want.manifest.calendar, line)
    assert got.manifest.files["days"].crcs == want.manifest.files["days"].crcs
    # What is left out by name is not missed.
    schema = PanelSchema(exclude=["x_9"], exposures=["exposure_size"])
    assert cache_of("with more", first, more, schema=schema).manifest.calendar == want.manifest.calendar


def test_dates_and_numbers_may_be_stored_in_any_type(make_panel: MakePanel, make_cache: Make) -> None:
    panel = make_panel()
    frame, want = pl.read_parquet(panel), make_cache(panel)
    new_york = pl.col("date").cast(pl.Datetime("us")).dt.replace_time_zone("America/New_York")
    winter_and_summer = new_york.dt.to_string("%Y-%m-%d %H:%M:%S%:z")
    for change in (
        new_york,
        winter_and_summer,
        pl.col("x_1").cast(pl.Float64),
        pl.col("x_1").cast(pl.String),
    ):
        frame.with_columns(change).write_parquet(panel)
        got = make_cache(panel)
        assert got.path != want.path and got.manifest.dates == want.manifest.dates
        assert got.manifest.files["days"].crcs == want.manifest.files["days"].crcs


def test_a_sound_cache_is_used_and_anything_that_changes_its_content_builds_another(
    make_panel: MakePanel, make_cache: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = make_panel()
    first = make_cache(panel)
    monkeypatch.setattr(build_module, "index_panel", None)  # a build would call it
    assert make_cache(panel).path == first.path
    monkeypatch.undo()
    others = [
        make_cache(panel, graph=None),
        make_cache(panel, rank=["x_0"]),
        make_cache(panel, rank=["x_0"], dtype="float16"),
        make_cache(panel, min_date="2015-01-08"),
        make_cache(panel, horizons=(5, 1)),
        make_cache(panel, schema=PanelSchema(exclude=["x_3"])),
        make_cache(panel, graph=GraphOptions(k=4, window=20, min_observations=10)),
    ]
    assert len({first.path, *(c.path for c in others)}) == 8
    frame = pl.read_parquet(panel)
    frame.with_columns(x_0=pl.col("x_0") + 1).write_parquet(panel)
    assert make_cache(panel).path != first.path


def test_caches_that_differ_in_the_graph_share_their_days(make_panel: MakePanel, make_cache: Make) -> None:
    panel = make_panel()
    first, second = make_cache(panel), make_cache(panel, graph=None)
    assert (first.path / "days.arrow").samefile(second.path / "days.arrow")
    shutil.rmtree(first.path)
    assert len(second.open()) == 80


def _build_in_process(panel: str, folder: str) -> None:
    build_cache(panel, PanelSchema(), [1, 5], CacheOptions(dir=folder), GRAPH)


@pytest.mark.slow  # the race that decides, for the last rename, is the next test's
def test_two_processes_that_build_at_once_both_end_well(tmp_path: Path, make_panel: MakePanel) -> None:
    spawn = multiprocessing.get_context("spawn")
    arguments = (str(make_panel()), str(tmp_path / "cache"))
    processes = [spawn.Process(target=_build_in_process, args=arguments) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [p.exitcode for p in processes] == [0, 0]
    (only,) = left_in(tmp_path / "cache")
    assert len(DayCache(tmp_path / "cache" / only).open()) == 80


def test_a_rename_that_comes_second_uses_the_firsts_cache(
    tmp_path: Path, make_panel: MakePanel, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel, folder = make_panel(), str(tmp_path / "cache")
    original = build_module.index_panel

    def overtaken(*arguments: object) -> object:
        monkeypatch.setattr(build_module, "index_panel", original)
        _build_in_process(str(panel), folder)
        return original(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(build_module, "index_panel", overtaken)
    path = build_cache(panel, PanelSchema(), [1, 5], CacheOptions(dir=folder), GRAPH)
    assert left_in(Path(folder)) == [path.name]


@pytest.mark.parametrize(
    ("error", "raised", "message"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device"),
            InputError,
            "disk is full; .* set data.cache.dir",
        ),
        (OSError(errno.EACCES, "Permission denied"), InputError, "cannot write there"),
        (KeyboardInterrupt("stop"), KeyboardInterrupt, "stop"),
        (RuntimeError("a bug"), RuntimeError, "a bug"),
    ],
)
def test_nothing_is_left_of_a_build_that_fails(
    tmp_path: Path,
    make_panel: MakePanel,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    raised: type[BaseException],
    message: str,
) -> None:
    panel = make_panel()
    original = RecordWriter.write

    def write(self: RecordWriter, data: object) -> int:
        if len(self._crcs) == 30:
            raise error
        return original(self, data)

    monkeypatch.setattr(RecordWriter, "write", write)
    with pytest.raises(raised, match=message):
        build_cache(panel, PanelSchema(), [1, 5], CacheOptions(dir=str(tmp_path / "cache")), GRAPH)
    assert left_in(tmp_path / "cache") == []


def test_what_a_killed_builder_left_is_swept_and_a_live_ones_is_not(
    tmp_path: Path, make_panel: MakePanel, make_cache: Make
) -> None:
    dead, live = (tmp_path / "cache" / f".0123456789abcdef-no-graph-{name}" for name in ("dead", "live"))
    for folder, age in ((dead, 86_400), (live, 0)):
        folder.mkdir(parents=True)
        (folder / "days.arrow").write_bytes(b"half")
        for path in (folder / "days.arrow", folder):
            os.utime(path, (time.time() - age, time.time() - age))
    make_cache(make_panel())
    assert not dead.exists()
    assert live.exists()


def test_a_damaged_cache_that_is_already_there_is_named_not_used(
    make_panel: MakePanel, make_cache: Make
) -> None:
    panel = make_panel()
    days = make_cache(panel).path / "days.arrow"
    days.write_bytes(days.read_bytes()[:-100])
    with pytest.raises(InputError, match=r"days\.arrow: \d+ bytes where \d+ were written.*delete"):
        make_cache(panel)


def test_a_folder_without_a_manifest_is_named_and_gives_no_days(
    make_panel: MakePanel, make_cache: Make
) -> None:
    """As an interrupted copy or removal leaves it."""
    panel = make_panel()
    left = make_cache(panel, graph=None).path
    (left / "manifest.json").unlink()
    with pytest.raises(
        InputError, match=r"no-graph: no manifest\.json, .* delete the folder to build it again"
    ):
        make_cache(panel, graph=None)
    assert len(make_cache(panel)) == 80
    shutil.rmtree(left)
    assert make_cache(panel, graph=None).path == left


@pytest.mark.parametrize("change", ["rows", "code", "value", "gone"])
def test_a_panel_that_changes_while_it_is_read_makes_no_cache(
    make_panel: MakePanel, make_cache: Make, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    panel = make_panel()
    frame = pl.read_parquet(panel)
    index_panel = build_module.index_panel

    def then_changed(*arguments: Any) -> Any:
        index = index_panel(*arguments)
        panel.unlink()
        match change:
            case "rows":
                frame[1:].write_parquet(panel)
            case "code":
                frame.with_columns(pl.col("code").replace("S003", "S03")).write_parquet(panel)
            case "value":
                frame.with_columns(x_0=pl.col("x_0") + 1).write_parquet(panel)
        return index

    monkeypatch.setattr(build_module, "index_panel", then_changed)
    words = "no such file" if change == "gone" else "its files changed while they were read; run it again"
    with pytest.raises(InputError, match=words):
        make_cache(panel)
    assert left_in(panel.parent / "cache") == []


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({}, {"rank": ["z_*"]}, r"data.cache.rank names 'z_\*', which no feature matches"),
        ({}, {"rank": ["x_0"], "zscore": ["x_*"]}, "'x_0' is named in both"),
        ({"x_2": pl.lit("a")}, {}, "'x_2', row 1: 'a' is not a number"),
        ({"universe": pl.lit(False)}, {}, "no row is in the universe"),
        ({"regime_volatility": pl.col("x_0")}, {}, "market-wide column 'regime_volatility' has values"),
        (
            {"x_0": pl.when(pl.col("code") == "S003").then(np.inf).otherwise(pl.col("x_0"))},
            {},
            "'x_0' is infinite on 2015-01-0[5-9]",
        ),
    ],
)
def test_a_panel_that_no_cache_can_hold_raises_in_one_line_and_leaves_nothing(
    tmp_path: Path,
    make_panel: MakePanel,
    make_cache: Make,
    change: dict[str, pl.Expr],
    options: dict[str, object],
    message: str,
) -> None:
    panel = make_panel()
    pl.read_parquet(panel).with_columns(**change).write_parquet(panel)
    with pytest.raises(InputError, match=message) as caught:
        make_cache(panel, **options)
    assert "\n" not in str(caught.value)
    assert left_in(tmp_path / "cache") == []


def test_a_graph_needs_the_trailing_return(make_panel: MakePanel, make_cache: Make) -> None:
    panel = make_panel()
    pl.read_parquet(panel).drop("return_1d").write_parquet(panel)
    with pytest.raises(InputError, match="a graph needs the trailing one-day return"):
        make_cache(panel)
    assert not make_cache(panel, graph=None).manifest.returns


def test_neighbours_of_the_same_sector_need_sectors(make_panel: MakePanel, make_cache: Make) -> None:
    panel = make_panel()
    pl.read_parquet(panel).drop("sector").write_parquet(panel)
    with pytest.raises(
        InputError, match=r"data\.graph\.sector_k is 2 and the panel has no sector column; set it to 0"
    ):
        make_cache(panel)
    make_cache(panel, graph=GraphOptions(k=3, window=20, min_observations=10, sector_k=0))


def test_a_panel_that_is_no_parquet_file_is_one_line(tmp_path: Path, make_cache: Make) -> None:
    (tmp_path / "p.parquet").write_bytes(b"PAR1 but not really PAR1")
    with pytest.raises(InputError, match=r"p\.parquet: not a readable Parquet file"):
        make_cache(tmp_path / "p.parquet")


@pytest.mark.parametrize("cut", [27, 45, 63])
@pytest.mark.parametrize("change", ["scramble", "delete", "explode"])
def test_nothing_after_a_day_changes_a_bit_up_to_it(
    tmp_path: Path, make_panel: MakePanel, make_cache: Make, change: str, cut: int
) -> None:
    panel = make_panel()
    frame = pl.read_parquet(panel)
    before = make_cache(panel, rank=["x_[01]"], zscore=["x_2"])
    last = before.manifest.dates[cut]
    past, future = frame.filter(pl.col("date") <= last), frame.filter(pl.col("date") > last)
    numbers = [n for n, t in frame.schema.items() if t == pl.Float32 and not n.startswith("regime")]
    if change == "scramble":
        rng = np.random.default_rng(0)
        future = future.with_columns(pl.Series(n, rng.permutation(future[n].to_numpy())) for n in numbers)
        future = future.with_columns(sector=pl.lit("A new sector"), universe=~pl.col("universe"))
    elif change == "explode":
        # A label of 1e9 raises.
        future = future.with_columns(pl.col([n for n in numbers if not n.startswith("target")]) * 1e9)
    else:
        future = future.clear()
    other = tmp_path / "other.parquet"
    # The labels of past days are known later; they are not what is compared.
    pl.concat([past, future]).write_parquet(other)
    after = make_cache(other, rank=["x_[01]"], zscore=["x_2"])
    # Codes are numbered as they appear, so the past keeps its numbers.
    kept = len({*past["code"]})
    assert after.manifest.codes[:kept] == before.manifest.codes[:kept]
    for day in range(cut + 1):
        a, b = before.day(day), after.day(day)
        for field in ("number", "features", "universe", "sector", "exposure", "context", "return_1d"):
            assert getattr(a, field).tobytes() == getattr(b, field).tobytes(), field
        links = []
        for cache, stocks in ((before, a.stock), (after, b.stock)):
            near, weight = cache.graph(day, stocks)
            links.append((np.array([*cache.codes, ""])[near].tolist(), weight.tobytes()))
        assert links[0] == links[1]
    assert before.regime[: cut + 1].tobytes() == after.regime[: cut + 1].tobytes()
