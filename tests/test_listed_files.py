"""Files of a folder: all of them, or those that its list names."""

import json
from pathlib import Path

import pytest

from atft.errors import InputError
from atft.listed_files import FOLDER_LIST, files_of_folder


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
