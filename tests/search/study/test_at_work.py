"""A start of a sweep is seen at work from its first moment to its last, however it ends."""

from pathlib import Path

from atft.files.publish import publish_json
from atft.search.study.at_work import at_work, is_at_work
from atft.search.study.owner import this_process


def test_a_start_is_at_work_until_it_ends_and_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "study"
    assert not is_at_work(folder)
    with at_work(folder):
        assert is_at_work(folder)
    assert not folder.exists()
    folder.mkdir()
    (folder / "study.db").touch()
    with at_work(folder):
        assert is_at_work(folder)
    assert [file.name for file in folder.iterdir()] == ["study.db"]


def test_a_start_that_was_killed_or_is_elsewhere_is_not_at_work(tmp_path: Path) -> None:
    publish_json(tmp_path / ".start_here_1.json", this_process() | {"started": 1})
    publish_json(tmp_path / ".start_other_1.json", this_process() | {"host": "another"})
    (tmp_path / ".start_cut_1.json").write_text("{")
    assert not is_at_work(tmp_path)
    with at_work(tmp_path):
        assert is_at_work(tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == [".start_cut_1.json", ".start_other_1.json"]
