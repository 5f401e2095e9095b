import os
from collections.abc import Callable
from pathlib import Path

import pytest

from atft.data.fingerprint import source_fingerprint
from atft.errors import InputError

MakePanel = Callable[..., Path]


def test_the_same_files_have_the_same_fingerprint(make_panel: MakePanel) -> None:
    panel = make_panel()
    assert source_fingerprint([panel]) == source_fingerprint([panel])
    assert len(source_fingerprint([panel])) == 64


def test_a_changed_file_is_noticed(make_panel: MakePanel) -> None:
    panel = make_panel()
    before = source_fingerprint([panel])
    stat = panel.stat()
    make_panel(seed=1)
    os.utime(panel, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert source_fingerprint([panel]) != before


def test_one_byte_changed_in_place_is_noticed_by_its_time(make_panel: MakePanel) -> None:
    panel = make_panel()
    before = source_fingerprint([panel])
    content = bytearray(panel.read_bytes())
    content[100] ^= 1
    panel.write_bytes(content)
    assert source_fingerprint([panel]) != before


def test_a_further_file_is_noticed(make_panel: MakePanel) -> None:
    one, two = make_panel("1.parquet"), make_panel("2.parquet")
    assert source_fingerprint([one, two]) != source_fingerprint([one])


@pytest.mark.parametrize("content", [b"", b"PAR1", b"x" * 100, b"\xff" * 96 + b"PAR1"])
def test_what_is_no_parquet_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "p.parquet"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"p\.parquet: .*write it again"):
        source_fingerprint([path])
