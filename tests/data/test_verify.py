from collections.abc import Callable

import pytest

from atft.data.cache import DayCache
from atft.data.verify import verify_cache
from atft.errors import InputError

Make = Callable[..., DayCache]


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
