from collections.abc import Callable

from atft.data.cache import DayCache
from atft.data.summary import describe

Make = Callable[..., DayCache]


def test_a_cache_says_what_it_holds(make_cache: Make) -> None:
    cache = make_cache(rank=["x_0", "x_1"])
    text = "\n".join(describe(cache))
    m = cache.manifest
    assert "80 (2015-01-05 to 2015-04-24)" in text
    assert "20 ever in the universe" in text
    assert f"{sum(m.universe_rows):,} in the universe" in text
    assert "6 (2 rank, 4 raw)" in text
    assert "1, 5 days, lag 0" in text
    assert "3 nearest + 2 of the sector" in text
    assert "GB" in text
    assert "graph     none" in describe(make_cache(graph=None))
