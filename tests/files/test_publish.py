"""Published files are whole or absent."""

import errno
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from atft.errors import InputError
from atft.files.publish import (
    check_folder_name,
    parse_json,
    publish_json,
    publish_text,
    published,
    read_json,
    remove_abandoned,
)


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


def test_what_a_killed_writer_left_is_removed_by_the_next_one(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    code = (
        "import os, sys; from pathlib import Path; from atft.files.publish import published\n"
        "with published(Path(sys.argv[1])) as beside:\n"
        "    beside.write_text('half'); os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", code, path], check=False).returncode == -9
    (left,) = tmp_path.iterdir()
    another_machines = left.with_name(f".a.txt.elsewhere.{left.name.split('.')[-2]}.tmp")
    another_machines.touch()
    publish_text(path, "whole")
    assert sorted(tmp_path.iterdir()) == sorted([path, another_machines])


def test_a_writer_that_still_runs_is_left_alone(tmp_path: Path) -> None:
    with published(tmp_path / "a.txt") as beside:
        remove_abandoned(tmp_path)
        beside.write_text("whole")
    assert (tmp_path / "a.txt").read_text() == "whole"


def test_files_of_killed_writers_are_found_at_any_depth(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    with published(tmp_path / "deep" / "a.txt") as beside:
        left = beside.with_name(beside.name.replace(f".{os.getpid()}.", f".{ended.pid}."))
        left.touch()
    remove_abandoned(tmp_path)
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["a.txt"]


def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="disk is full"), published(tmp_path / "a.txt") as beside:
        beside.write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_a_pipe_or_a_device_is_an_error_before_the_work_and_stays_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    for name, kind in (("folder", "a folder"), ("pipe", "a pipe or device"), ("link", "a pipe or device")):
        with (
            pytest.raises(InputError, match=rf"{name}: cannot write there \({kind}\); name a file"),
            published(tmp_path / name),
        ):
            raise AssertionError("the work has begun")
    assert (tmp_path / "pipe").is_fifo() and (tmp_path / "link").is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "link", "pipe"]


def test_a_link_goes_on_leading_to_the_file_that_is_written(tmp_path: Path) -> None:
    for name in ("there.txt", "not/yet/there.txt"):
        file, link = tmp_path / "files" / name, tmp_path / "link.txt"
        link.unlink(missing_ok=True)
        link.symlink_to(file)
        if name == "there.txt":
            publish_text(file, "former")
        publish_text(link, "new")
        assert link.is_symlink() and file.read_text() == "new"
        assert [path.name for path in file.parent.iterdir() if path.is_file()] == ["there.txt"]


@pytest.mark.parametrize("name", ["", "..", "a/b", "a b", "x" * 81, "a\n"])
def test_the_name_of_a_run_or_a_study_is_a_plain_folder(name: str) -> None:
    check_folder_name("name", "quick-1.0_a")
    with pytest.raises(InputError, match=r"^name must be 1 to 80 letters, digits or \._-, got "):
        check_folder_name("name", name)


def test_numbers_that_are_not_finite_become_null(tmp_path: Path) -> None:
    publish_json(tmp_path / "a.json", {"a": [math.nan, 1.0], "b": {"c": math.inf}})
    assert json.loads((tmp_path / "a.json").read_text()) == {"a": [None, 1.0], "b": {"c": None}}


def test_json_that_is_nested_too_deeply_is_as_any_other_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[" * 100_000)
    with pytest.raises(ValueError, match="nested too deeply"):
        parse_json(tmp_path / "a.json")


@pytest.mark.parametrize("text", [None, "{", "[1]", b"\xff"])
def test_a_file_without_a_json_mapping_reads_as_none(text: str | bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    if text is not None:
        path.write_bytes(text.encode() if isinstance(text, str) else text)
    assert read_json(path) is None and read_json(tmp_path) is None and read_json(path / "b") is None
    publish_json(path, {"a": 1})
    assert read_json(path) == {"a": 1}
