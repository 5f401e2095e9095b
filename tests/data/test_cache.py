import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from atft.data.cache import MAX_OPEN_CACHES, DayCache, shared_cache
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
    assert day.features.shape == (cache.stocks, 6)
    assert day.observed.dtype == day.universe.dtype == np.bool_


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
        DayCache(path).graph(10)


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


def test_the_graph_of_a_day_is_that_of_the_latest_refresh(make_cache: Make) -> None:
    cache = make_cache()
    for day in range(30, 35):
        np.testing.assert_array_equal(cache.graph(day)[0], cache.graph(30)[0])
    assert (cache.graph(35)[0] != cache.graph(34)[0]).any()
    neighbour, weight = cache.graph(40)
    assert neighbour.shape == (cache.stocks, 5)
    assert weight.shape == (cache.stocks, 5, 2)
    ranked = cache.day(40).universe
    assert (neighbour[~ranked] == -1).all()
    assert ranked[neighbour[neighbour >= 0]].all()


def test_a_cache_without_a_graph_says_so(make_cache: Make) -> None:
    cache = make_cache(graph=None)
    assert not cache.has_graph
    with pytest.raises(InputError, match="built without a graph"):
        cache.graph(10)


def test_a_process_opens_a_cache_once_and_keeps_the_latest(make_cache: Make) -> None:
    path = make_cache().path.resolve()
    first = shared_cache(path)
    assert shared_cache(path) is first
    for i in range(MAX_OPEN_CACHES):
        shared_cache(path / str(i))
    assert shared_cache(path) is not first
