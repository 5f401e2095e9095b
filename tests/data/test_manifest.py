import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atft.data.cache import DayCache
from atft.data.manifest import FORMAT, NAME, count_bits, pack_bits, read_manifest, write_manifest
from atft.errors import InputError

Make = Callable[..., DayCache]


def test_a_manifest_reads_back_as_it_was_written(make_cache: Make) -> None:
    cache = make_cache()
    manifest = read_manifest(cache.path)
    write_manifest(cache.path, manifest)
    assert read_manifest(cache.path) == manifest
    assert manifest.features == tuple(f"x_{i}" for i in range(6))
    assert manifest.longest_label_days == 5
    assert set(manifest.scaling) == {"raw"}


def test_a_changed_manifest_raises(make_cache: Make) -> None:
    path = make_cache().path / NAME
    text = path.read_text()
    path.write_text(text.replace('"x_0"', '"x_9"'))
    with pytest.raises(InputError, match=r"manifest\.json: damaged manifest"):
        read_manifest(path.parent)
    for broken in (text[:-10], "", "{}", "[]"):
        path.write_text(broken)
        with pytest.raises(InputError, match=r"manifest\.json: unreadable manifest"):
            read_manifest(path.parent)


def test_a_folder_that_is_no_cache_or_another_one_raises(make_cache: Make, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a cache"):
        read_manifest(tmp_path)
    path = make_cache().path
    moved = path.with_name("elsewhere")
    path.rename(moved)
    with pytest.raises(InputError, match="not of this folder"):
        read_manifest(moved)


def test_another_format_version_raises(make_cache: Make) -> None:
    import dataclasses

    path = make_cache().path
    write_manifest(path, dataclasses.replace(read_manifest(path), format=99))
    with pytest.raises(InputError, match=f"cache format 99, this program reads {FORMAT}"):
        read_manifest(path)


def test_a_manifest_is_plain_json(make_cache: Make) -> None:
    whole = json.loads((make_cache().path / NAME).read_text())
    assert whole["manifest"]["dates"][0] == "2015-01-05"


@given(st.lists(st.lists(st.booleans(), min_size=11, max_size=11), min_size=1, max_size=5))
def test_flags_are_counted_as_they_were_written(days: list[list[bool]]) -> None:
    want = dict(zip("abcdefghijk", np.array(days).sum(axis=0).tolist(), strict=True))
    assert count_bits([pack_bits(np.array(day)) for day in days], "abcdefghijk") == want


def test_the_first_columns_can_be_read_alone() -> None:
    assert count_bits([pack_bits(np.array([True, False, True]))], ["a", "b"]) == {"a": 1, "b": 0}
