"""Published files are whole or absent."""

import errno
from pathlib import Path

import pytest

from atft.errors import InputError
from atft.publish import publish_text, published


def test_a_file_appears_with_its_whole_content(tmp_path: Path) -> None:
    publish_text(tmp_path / "deep" / "a.txt", "whole")
    assert (tmp_path / "deep" / "a.txt").read_text() == "whole"


def test_a_failure_in_the_middle_leaves_the_former_file_and_no_litter(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    publish_text(path, "former")
    with pytest.raises(RuntimeError, match="killed"), published(path) as beside:
        beside.write_text("half")
        raise RuntimeError("killed")
    assert path.read_text() == "former"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="disk is full"), published(tmp_path / "a.txt") as beside:
        beside.write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")
    assert list(tmp_path.iterdir()) == []
