"""The folder of a cache takes its name when it is whole; what a killed builder left goes after hours."""

import os
from pathlib import Path

import pytest

from atft.data.cache_folder import ABANDONED_SECONDS, link_file, published_folder

CACHE = "0123456789abcdef-no-graph"


def test_a_folder_takes_its_name_on_success_only(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), published_folder(tmp_path, tmp_path / "a-b") as folder:
        (folder / "days.arrow").touch()
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())
    with published_folder(tmp_path, tmp_path / "a-b") as folder:
        (folder / "days.arrow").touch()
    assert [path.name for path in tmp_path.iterdir()] == ["a-b"]


def test_what_a_killed_builder_left_goes_after_hours_and_no_folder_of_another_program(tmp_path: Path) -> None:
    old, new, home = f".{CACHE}-old", f".{CACHE}-new", ".git-credential-cache"
    for name, age in ((old, ABANDONED_SECONDS + 60), (new, 60), (home, 10**8)):
        (tmp_path / name).mkdir()
        now = (tmp_path / name).stat().st_mtime
        os.utime(tmp_path / name, (now - age, now - age))
    with published_folder(tmp_path, tmp_path / "c-d"):
        pass
    assert {path.name for path in tmp_path.iterdir()} == {new, home, "c-d"}


def test_a_file_that_is_linked_is_one_file_with_two_names(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("x")
    link_file(tmp_path / "one", tmp_path / "two")
    assert (tmp_path / "one").stat().st_ino == (tmp_path / "two").stat().st_ino


def test_a_folder_that_another_process_removes_at_the_same_time_is_no_error(tmp_path: Path) -> None:
    gone = tmp_path / f".{CACHE}-old" / "days.arrow"
    gone.parent.mkdir()
    gone.symlink_to("a file that was removed after the folder was listed")
    os.utime(gone.parent, (0, 0))
    with published_folder(tmp_path, tmp_path / "c-d"):
        pass
    assert (tmp_path / "c-d").is_dir()
