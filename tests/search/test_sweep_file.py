"""A sweep's YAML as plain values."""

from pathlib import Path

import pytest

from atft.errors import InputError
from atft.search.sweep_file import read_mapping, read_value


def test_a_number_without_a_dot_is_a_number_and_a_date_stays_a_word(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("lr: 1e-5\nsmall: -2E+3\ndate: 2015-01-05\nname: e5\nn: 3\n")
    assert read_mapping(path) == {"lr": 1e-5, "small": -2000.0, "date": "2015-01-05", "name": "e5", "n": 3}


def test_a_key_that_stands_there_twice_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("space:\n  a.b: 1\n  a.b: 2\n")
    with pytest.raises(
        InputError, match=r"a\.yaml line 3: not YAML \('a\.b' is given twice\); mend it there"
    ):
        read_mapping(path)


def test_merged_blocks_are_no_repetition(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("one: &x {a: 1}\ntwo:\n  <<: *x\n  b: 2\n")
    assert read_mapping(path)["two"] == {"a": 1, "b": 2}


@pytest.mark.parametrize(
    ("text", "message"),
    [("a: [1", "line 1: not YAML"), ("- 1\n", "a mapping of keys, it holds list"), ("", "it holds NoneType")],
)
def test_what_is_no_mapping_is_refused_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as refused:
        read_mapping(path)
    assert "\n" not in str(refused.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"nowhere.yaml: No such file or directory; name a file with --config"
    ):
        read_mapping(tmp_path / "nowhere.yaml")


def test_a_word_of_the_command_line_is_read_as_yaml() -> None:
    assert [read_value(t) for t in ("3", "1e-3", "null", "[1, 2]", "a: b: c")] == [
        3,
        1e-3,
        None,
        [1, 2],
        "a: b: c",
    ]
