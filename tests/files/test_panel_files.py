"""Files of a panel: which ones a path stands for, and what of them is noticed when it changes."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from atft.data.build import CacheOptions, build_cache
from atft.errors import InputError
from atft.files.digest import file_digest
from atft.files.panel_files import (
    FOLDER_LIST,
    MEMORY,
    file_fingerprints,
    files_of_folder,
    footer_names,
    panel_files,
    source_fingerprint,
)
from atft.panel import PanelSchema
from atft.probes.panel_grid import read_grid

MakePanel = Callable[..., Path]


def test_all_files_count_unless_a_list_names_some(tmp_path: Path) -> None:
    for name in ("b.parquet", "a.parquet", "c.csv"):
        (tmp_path / name).touch()
    assert [path.name for path in files_of_folder(tmp_path)] == ["a.parquet", "b.parquet"]
    listed = tmp_path / FOLDER_LIST
    listed.parent.mkdir()
    listed.write_text(json.dumps({"panel": {"months": [{"name": "b.parquet"}]}}))
    assert files_of_folder(tmp_path) == [tmp_path / "b.parquet"]
    listed.write_text("{}")
    with pytest.raises(InputError, match=r"panel\.json: unreadable; build the panel again with features"):
        files_of_folder(tmp_path)


def test_a_file_a_folder_and_a_glob_name_the_same_panel(
    make_panel: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = make_panel("panel/a.parquet", days=5), make_panel("panel/b.parquet", days=5)
    assert panel_files(one) == [one]
    assert panel_files(one.parent) == panel_files(f"{one.parent}/*.parquet") == [one, two]
    monkeypatch.chdir(tmp_path)
    assert [p.resolve() for p in panel_files("panel/*.parquet")] == [one, two]
    assert footer_names(one.parent)[:3] == ("date", "code", "sector")
    for nothing in (tmp_path / "none", tmp_path / "*.csv", tmp_path / "cache"):
        with pytest.raises(
            InputError, match=r"no Parquet file there.*; set data.panel.path to a file, folder or glob"
        ):
            panel_files(nothing)


def test_of_a_folder_of_folders_the_message_says_the_glob(make_panel: MakePanel, tmp_path: Path) -> None:
    file = make_panel("panel/year=2015/month=1/part-0.parquet", days=5)
    for folder in (tmp_path / "panel", tmp_path / "panel" / "year=2015"):
        with pytest.raises(InputError, match=r"its subfolders have some, write (\S+)$") as raised:
            panel_files(folder)
        assert panel_files(str(raised.value).split()[-1]) == [file]


@pytest.mark.parametrize("key", ["code", "date"])
def test_a_column_that_only_folders_name_is_answered_with_the_line_that_writes_it(
    key: str, make_panel: MakePanel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = pl.read_parquet(make_panel(days=5)).with_columns(
        code=pl.col("code").str.replace("S", "0"), date=pl.col("date").cast(pl.String)
    )
    for (value,), rows in whole.group_by(key):
        part = tmp_path / f"lr=1/panel/year=2015/{key}={value}/part-0.parquet"
        part.parent.mkdir(parents=True)
        rows.drop(key).write_parquet(part)
    schema, where = PanelSchema(), str(tmp_path / "lr=1/panel/**/*.parquet")
    with pytest.raises(InputError, match=f"column '{key}' is in the folders' names only, as {key}=") as build:
        build_cache(where, schema, [1], CacheOptions(str(tmp_path / "cache")), None)
    with pytest.raises(InputError, match=r"write it into a file, pl\.scan_parquet") as grid:
        read_grid(where, schema)
    assert str(build.value) == str(grid.value)
    monkeypatch.chdir(tmp_path)
    exec(str(build.value).partition("file, ")[2].removesuffix(" of Polars"), {"pl": pl})
    written = pl.read_parquet("panel.parquet").select(whole.columns)
    assert written.sort("date", "code").equals(whole.sort("date", "code"))


def test_a_place_with_brackets_in_its_name_is_no_glob(make_panel: MakePanel, tmp_path: Path) -> None:
    file = make_panel("[2015] a?b/p[1].parquet", days=5)
    assert panel_files(file) == panel_files(file.parent) == [file]


def test_hidden_files_are_no_part_of_a_folder_or_glob_and_may_be_named(make_panel: MakePanel) -> None:
    file, hidden = make_panel("panel/a.parquet", days=5), make_panel("panel/._a.parquet", days=5)
    assert panel_files(file.parent) == panel_files(f"{file.parent}/*.parquet") == [file]
    assert panel_files(hidden) == [hidden]
    inside = make_panel("panel/.copies/b.parquet", days=5)
    assert panel_files(f"{file.parent}/**/*.parquet") == [file]
    assert panel_files(inside.parent) == panel_files(f"{inside.parent}/*.parquet") == [inside]


def test_a_folder_that_is_named_like_a_file_is_answered_with_the_glob_of_its_files(
    make_panel: MakePanel,
) -> None:
    part = make_panel("panels/a.parquet/part-0.parquet", days=5)
    for path in (part.parents[1], part.parents[1] / "*.parquet"):
        with pytest.raises(InputError, match=r"panels/a\.parquet is a folder; write (\S+)$") as raised:
            footer_names(path)
        assert panel_files(str(raised.value).split()[-1]) == [part]
    assert panel_files(part.parent) == [part]


def test_a_column_that_files_and_folders_name_is_that_of_the_files(make_panel: MakePanel) -> None:
    panel = make_panel("by/date=2015/part-0.parquet", days=5).parents[1]
    assert footer_names(panel / "*" / "*.parquet", ["date", "code"])[:2] == ("date", "code")


def test_a_file_that_is_not_parquet_raises_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "p.parquet").write_bytes(b"\0\1date,code\n")
    with pytest.raises(InputError, match=r"p.parquet: not a readable Parquet file .*; write it again"):
        footer_names(tmp_path / "p.parquet")
    (tmp_path / "p.csv").write_bytes("\ufeffDate;Open;Kurs für alle\n2020-01-01;1;2\n".encode())
    with pytest.raises(InputError, match=r"p.csv: not a readable Parquet file but text; .* go to --prices$"):
        footer_names(tmp_path / "p.csv")


def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let files count as settled as soon as they are written."""
    monkeypatch.setattr("atft.files.panel_files.SETTLED_NS", -(10**18))


def test_the_bytes_of_a_panels_files_are_its_fingerprint(make_panel: MakePanel, tmp_path: Path) -> None:
    panel = make_panel()
    before = source_fingerprint([panel], tmp_path)
    assert len(before) == 64
    copied = Path(shutil.copy(panel, tmp_path / "copy.parquet"))
    for file in (panel, copied):
        os.utime(file, (1, 1))
        assert source_fingerprint([file], tmp_path) == before
    assert source_fingerprint([panel, copied], tmp_path) != before
    assert build(panel, tmp_path) == build(copied, tmp_path)


def build(panel: Path, folder: Path) -> Path:
    return build_cache(panel, PanelSchema(), [1, 5], CacheOptions(dir=str(folder / "cache")), None)


@pytest.mark.parametrize("remembered", [True, False])
def test_a_byte_changed_in_place_is_noticed_though_size_and_time_of_change_are_set_back(
    remembered: bool, make_panel: MakePanel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if remembered:
        settled(monkeypatch)
    panel = make_panel()
    before, stat = source_fingerprint([panel], tmp_path), panel.stat()
    assert (tmp_path / MEMORY).is_file() == remembered
    while panel.stat().st_ctime_ns == stat.st_ctime_ns:  # until the clock of the file system ticks
        with panel.open("r+b") as file:
            file.seek(100)
            file.write(b"?")
        os.utime(panel, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        if not remembered:
            break
    assert source_fingerprint([panel], tmp_path) != before


def test_a_file_is_read_once_until_it_changes(
    make_panel: MakePanel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled(monkeypatch)
    files, memory = [make_panel("1.parquet"), make_panel("2.parquet")], tmp_path / "cache"
    first = file_fingerprints(files, memory)
    read: list[Path] = []
    monkeypatch.setattr(
        "atft.files.panel_files.file_digest", lambda path: read.append(path) or file_digest(path)
    )
    assert file_fingerprints(files, memory) == first and read == []
    os.utime(files[1], (1, 1))
    assert file_fingerprints(files, memory) == first and read == files[1:]
    files[1].rename(tmp_path / "3.parquet")
    files[1] = tmp_path / "3.parquet"
    assert file_fingerprints(files, memory) == first and read[1:] == files[1:]
    # Files that are gone are forgotten, and a memory that is damaged only costs time.
    assert "2.parquet" not in (memory / MEMORY).read_text()
    (memory / MEMORY).write_text((memory / MEMORY).read_text().replace(first[0][:8], "0" * 8))
    assert file_fingerprints(files, memory) == first and read[2:] == files


def test_a_folder_that_takes_no_file_costs_only_time(
    make_panel: MakePanel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled(monkeypatch)
    panel = make_panel()
    (tmp_path / "file").touch()
    assert source_fingerprint([panel], tmp_path / "file") == source_fingerprint([panel], tmp_path)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"x" * 100, b"\xff" * 96 + b"PAR1"])
def test_what_is_no_parquet_file_raises(make_panel: MakePanel, tmp_path: Path, content: bytes) -> None:
    make_panel("panel/1.parquet", days=5)
    (tmp_path / "panel/2.parquet").write_bytes(content)
    with pytest.raises(InputError, match=r"2\.parquet: .*write it again"):
        build(tmp_path / "panel", tmp_path)
    with pytest.raises(InputError, match=r"3\.parquet: no such file"):
        source_fingerprint([tmp_path / "panel/3.parquet"], tmp_path)
