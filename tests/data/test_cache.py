import os
import pickle
import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from atft.data.cache import MAX_OPEN_CACHES, DayCache, cache_lines, shared_cache, verify_cache
from atft.errors import InputError

Make = Callable[..., DayCache]


def _flip(path: Path, place: int) -> None:
    """Flip one bit and put the file's time back, as a failing disk would."""
    stat = path.stat()
    content = bytearray(path.read_bytes())
    content[place] ^= 4
    path.write_bytes(content)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def test_a_day_is_a_view_of_the_mapped_file(make_cache: Make) -> None:
    cache = make_cache()
    before = pa.total_allocated_bytes()
    day = cache.day(7)
    assert pa.total_allocated_bytes() == before
    assert day.features.base is not None
    assert not day.features.flags.writeable
    assert day.features.shape == (len(day.stock), 6)
    assert day.universe.dtype == np.bool_


def test_a_cache_pickles_to_its_path(make_cache: Make) -> None:
    cache = make_cache()
    cache.day(3)
    pickled = pickle.dumps(cache)
    assert len(pickled) < 600
    np.testing.assert_array_equal(pickle.loads(pickled).day(3).features, cache.day(3).features)


def test_a_flipped_bit_is_found_when_its_day_is_first_read(make_cache: Make) -> None:
    path = make_cache().path
    record = DayCache(path).manifest.files["days"]
    _flip(path / "days.arrow", record.offsets[5] + 300)
    cache = DayCache(path).open()
    assert cache.day(4).features.shape[1] == 6
    with pytest.raises(InputError, match=r"days\.arrow: record 5 is damaged.*delete"):
        cache.day(5)


def test_a_flipped_bit_in_the_graph_is_found(make_cache: Make) -> None:
    path = make_cache().path
    record = DayCache(path).manifest.files["graph"]
    _flip(path / "graph.arrow", record.offsets[2] + 500)
    with pytest.raises(InputError, match=r"graph\.arrow: record 2 is damaged"):
        DayCache(path).graph(10, np.arange(3))


def test_a_file_with_another_time_is_checked_whole_once(make_cache: Make) -> None:
    path = make_cache().path
    os.utime(path / "days.arrow", ns=(1, 1))
    cache = DayCache(path).open()
    assert pickle.loads(pickle.dumps(cache))._checked_mtime_ns == {"days": 1}
    record = cache.manifest.files["days"]
    _flip(path / "days.arrow", record.offsets[70] + 300)
    with pytest.raises(InputError, match="record 70 is damaged"):
        DayCache(path).open()


def test_a_missing_truncated_or_damaged_file_is_named_at_open(make_cache: Make, tmp_path: Path) -> None:
    path = make_cache().path
    for name in ("days.arrow", "graph.arrow"):
        copy = tmp_path / "copy" / path.name
        shutil.copytree(path, copy)
        _flip(copy / name, -30)
        with pytest.raises(InputError, match=f"{name}: damaged footer"):
            DayCache(copy).open()
        (copy / name).write_bytes((path / name).read_bytes()[:-8])
        with pytest.raises(InputError, match=f"{name}: .*truncated"):
            DayCache(copy).open()
        (copy / name).unlink()
        with pytest.raises(InputError, match=f"{name}: No such file"):
            DayCache(copy).open()
        shutil.rmtree(copy)


def test_a_damaged_file_names_the_caches_that_share_it_and_without_them_is_built_again(
    make_panel: Callable[..., Path], make_cache: Make
) -> None:
    panel = make_panel()
    one, other = make_cache(panel), make_cache(panel, graph=None)
    record = one.manifest.files["days"]
    _flip(one.path / "days.arrow", record.offsets[70] + 300)
    os.utime(one.path / "days.arrow", ns=(record.mtime_ns, record.mtime_ns))
    for cache, names in ((one, other.path.name), (other, one.path.name)):
        with pytest.raises(InputError, match=rf"delete its folder .* that share the file: {names}$"):
            verify_cache(cache.path)
    shutil.rmtree(one.path)
    with pytest.raises(InputError, match=rf"record 70 is damaged .* share the file: {other.path.name}$"):
        make_cache(panel)
    shutil.rmtree(other.path)
    verify_cache(make_cache(panel).path)


def test_the_graph_of_a_day_is_that_of_the_latest_refresh(make_cache: Make) -> None:
    cache = make_cache()
    every = np.arange(cache.stocks)
    for day in range(30, 35):
        np.testing.assert_array_equal(cache.graph(day, every)[0], cache.graph(30, every)[0])
    assert (cache.graph(35, every)[0] != cache.graph(34, every)[0]).any()
    neighbour, weight = cache.graph(40, every)
    assert neighbour.shape == (cache.stocks, 5)
    assert weight.shape == (cache.stocks, 5, 2)
    ranked = cache.day(40).of_stocks("universe", every)
    assert (neighbour[~ranked] == -1).all()
    assert ranked[neighbour[neighbour >= 0]].all()


def test_a_cache_without_a_graph_says_so(make_cache: Make) -> None:
    cache = make_cache(graph=None)
    assert cache.manifest.graph is None
    with pytest.raises(InputError, match="built without a graph"):
        cache.graph(10, np.arange(3))


def test_a_process_opens_a_cache_once_and_keeps_the_latest(make_cache: Make) -> None:
    path = make_cache().path.resolve()
    first = shared_cache(path)
    assert shared_cache(path) is first
    for i in range(MAX_OPEN_CACHES):
        shared_cache(path / str(i))
    assert shared_cache(path) is not first


def test_a_cache_says_what_it_holds(make_cache: Make) -> None:
    cache = make_cache(rank=["x_0", "x_1"])
    text = "\n".join(cache_lines(cache))
    m = cache.manifest
    assert "80 (2015-01-05 to 2015-04-24)" in text
    assert "stocks    20, " in text
    assert f"{sum(m.universe_rows):,} in the universe" in text
    assert "6 (2 rank, 4 raw)" in text
    assert "1, 5 days, lag 0" in text
    assert "3 nearest + 2 of the sector, window 20, every 5 weekdays" in text
    assert "4 of its 16 refreshes saw fewer than 20 days" in text
    assert "GB" in text
    assert "graph     none" in cache_lines(make_cache(graph=None))


def test_what_was_found_in_the_calendar_is_named(make_panel: Callable[..., Path], make_cache: Make) -> None:
    panel = make_panel()
    assert not any("calendar" in line for line in cache_lines(make_cache(panel)))
    frame = pl.read_parquet(panel)
    frame.filter(~pl.col("date").is_between(date(2015, 3, 2), date(2015, 3, 13))).write_parquet(panel)
    assert "calendar  unknown across, gaps of more than 4 weekdays: 1" in "\n".join(
        cache_lines(make_cache(panel))
    )


def test_a_sound_cache_is_read_whole(make_cache: Make) -> None:
    assert verify_cache(make_cache().path) == 80 + 16
    assert verify_cache(make_cache(graph=None).path) == 80


@pytest.mark.parametrize("name", ["days", "graph"])
def test_one_flipped_bit_anywhere_is_named(make_cache: Make, name: str) -> None:
    cache = make_cache()
    path = cache.path / f"{name}.arrow"
    content = bytearray(path.read_bytes())
    record = cache.manifest.files[name]
    content[record.offsets[-1] - 10] ^= 128
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"{name}\.arrow: record {len(record.crcs) - 1} is damaged.*delete"):
        verify_cache(cache.path)
