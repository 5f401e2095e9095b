"""Two runs never share a directory, however close together they start."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from atft.errors import InputError
from atft.runs.run_directory import make_version, next_version


def test_the_next_version_comes_after_all_that_are_there(tmp_path: Path) -> None:
    assert next_version(tmp_path / "run") == tmp_path / "run" / "version_0"
    for name in ("version_0", "version_10", "version_x", "other"):
        (tmp_path / "run" / name).mkdir(parents=True)
    assert next_version(tmp_path / "run") == tmp_path / "run" / "version_11"


def test_threads_that_want_the_same_version_each_get_their_own(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        made = list(pool.map(make_version, [tmp_path / "run" / "version_0"] * 64))
    assert sorted(p.name for p in made) == sorted(f"version_{i}" for i in range(64))


def test_a_directory_that_another_run_has_just_made_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = Path.mkdir

    def overtaken(path: Path, *arguments: Any, **options: Any) -> None:
        if path.name == "version_0":
            make(path)
        make(path, *arguments, **options)

    monkeypatch.setattr(Path, "mkdir", overtaken)
    assert make_version(tmp_path / "run" / "version_0").name == "version_1"


def _make_ten(root: Path) -> list[str]:
    return [make_version(root / "version_0").name for _ in range(10)]


@pytest.mark.slow  # the race itself is the test above
def test_processes_that_want_the_same_version_each_get_their_own(tmp_path: Path) -> None:
    spawned = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=spawned) as pool:
        made = [name for names in pool.map(_make_ten, [tmp_path / "run"] * 2) for name in names]
    assert len(set(made)) == len(made) == 20


def test_a_folder_where_no_directory_can_be_made_is_named_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "run").touch()
    with pytest.raises(InputError, match="run/version_0: cannot write there"):
        make_version(tmp_path / "run" / "version_0")
