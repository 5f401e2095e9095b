from collections.abc import Callable
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from atft.data.cache import DayCache
from atft.data.cache_report import cache_lines, verify_cache
from atft.errors import InputError

Make = Callable[..., DayCache]


def test_a_cache_says_what_it_holds(make_cache: Make) -> None:
    cache = make_cache(rank=["x_0", "x_1"])
    text = "\n".join(cache_lines(cache))
    m = cache.manifest
    assert "80 (2015-01-05 to 2015-04-24)" in text
    assert "20 ever in the universe" in text
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
