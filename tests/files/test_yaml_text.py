"""YAML as plain values, within bounds."""

import math
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from atft.errors import InputError
from atft.files.yaml_text import (
    MAX_BYTES,
    MAX_DEPTH,
    MAX_NODES,
    check_written,
    dump,
    flat_keys,
    is_inside,
    load,
    mapping_of,
    read_mapping,
    read_value,
)


def error_line(text: str) -> str:
    """The line of the error."""
    with pytest.raises(InputError) as raised:
        mapping_of(text, "a.yaml")
    line = str(raised.value)
    assert "\n" not in line and len(line) < 200
    return line


def test_a_number_without_a_dot_is_a_number_and_a_date_stays_a_word(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("lr: 1e-5\nsmall: -2E+3\ndate: 2015-01-05\nname: e5\nn: 3\n")
    assert read_mapping(path) == {"lr": 1e-5, "small": -2000.0, "date": "2015-01-05", "name": "e5", "n": 3}


@pytest.mark.parametrize(
    "text", ["010", "0101", "-07", "2024_01", "1_0.5", "0x10", "0x_", "0b1", "12:30", "1:2.5", "="]
)
def test_digits_that_yaml_1_1_would_read_as_others_are_a_word(text: str) -> None:
    assert load(text) == text
    assert load(f"[{text}]") == [text]


def test_numbers_are_decimal() -> None:
    numbers = {
        "0": 0,
        "-12": -12,
        "+3": 3,
        "1_000_000": 1_000_000,
        "1.": 1.0,
        ".5": 0.5,
        "007.5": 7.5,
        ".inf": math.inf,
    }
    for text, number in numbers.items():
        value = load(text)
        assert (type(value), value) == (type(number), number)


@given(
    st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "Z", "S"]))
    | st.from_regex(r"[-+.0-9_eE:x]+")
)
@example("1e3")
@example("0101")
@example("2015-01-05")
@example("0\x85")
@example("0\u2028 1\u2029")
def test_text_that_is_written_is_read_back_as_the_same_text(text: str) -> None:
    for read in (load, yaml.safe_load):
        assert read(dump({"a": text, "b": [text]})) == {"a": text, "b": [text]}


def test_a_value_that_yaml_does_not_have_is_named_by_its_key() -> None:
    check_written(dump({"a": {"b": 1.5, "c": [None, True, "word"]}}))
    with pytest.raises(InputError, match=r"^a\.c is 1j, which no config can have"):
        check_written(dump({"a": {"b": 1, "c": [1j]}}))


def test_a_key_that_stands_there_twice_is_named_with_its_line() -> None:
    assert error_line("space:\n  a.b: 1\n  a.b: 2\n") == (
        "a.yaml line 3: not YAML ('a.b' is given twice); fix it there"
    )


def test_merged_blocks_are_no_repetition() -> None:
    assert mapping_of("one: &x {a: 1}\ntwo:\n  <<: *x\n  b: 2\n", "a.yaml")["two"] == {"a": 1, "b": 2}
    # The block that is merged has itself merged another one, and lies deeper than the place it is merged into.
    text = "base: &b {a: 1}\nx: {deep: &x {<<: *b, a: 2}}\ny: {<<: *x}\n"
    assert mapping_of(text, "a.yaml")["y"] == {"a": 2}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1", "line 1: not YAML"),
        ("- 1\n", "a mapping of keys, this is list"),
        ("", "this is NoneType"),
        ("a: 1\nb: \0\n", "line 2: not YAML (special characters are not allowed)"),
        ("a: 1\n---\nb: 2\n", "line 2: not YAML (but found another document)"),
        ("a: *nowhere\n", "found undefined alias"),
        (
            "a: !!python/object/apply:os.system [true]\n",
            "the tag tag:yaml.org,2002:python/object/apply:os.sys",
        ),
        ("a: !!timestamp x\n", "the tag tag:yaml.org,2002:timestamp is not accepted"),
        ("a: !!bool perhaps\n", "is not accepted"),
        (f"a: {'9' * 5000}\n", "line 1: not YAML (a whole number beyond 64 bits)"),
        ("a: {[1]: 2}\n", "found unhashable key"),
        (f"a: *{'x' * 5000}\n", "..."),
    ],
)
def test_what_is_no_mapping_of_plain_values_is_an_error_in_one_line(text: str, message: str) -> None:
    assert message in error_line(text)


def test_a_value_that_contains_itself_is_an_error() -> None:
    assert "line 1: not YAML (&x contains itself)" in error_line("a: &x [1, *x]\n")
    assert "&top contains itself" in error_line("&top\na: {b: {c: *top}}\n")


def test_aliases_count_as_what_they_stand_for() -> None:
    bomb = "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1]\n"
    for level in range(1, 30):
        bomb += f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]\n"
    assert f"line 5: not YAML (more than {MAX_NODES} values" in error_line(bomb)
    assert mapping_of("a: &a [1, 2]\nb: [*a, *a]\n", "a.yaml")["b"] == [[1, 2], [1, 2]]


def test_depth_is_bounded_whether_written_or_reached_through_aliases() -> None:
    assert f"nested deeper than {MAX_DEPTH} levels" in error_line("a: " + "[" * 100_000)
    deepest = "a: " + "[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1)
    assert list(mapping_of(deepest, "a.yaml")) == ["a"]
    chain = "a0: &a0 [1]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}]\n" for i in range(1, 2 * MAX_DEPTH))
    assert "nested deeper" in error_line(chain)


def test_size_is_bounded(tmp_path: Path) -> None:
    with pytest.raises(yaml.YAMLError, match="characters"):
        load("#" * (MAX_BYTES + 1))
    (tmp_path / "a.yaml").write_text("#" * (MAX_BYTES + 1))
    with pytest.raises(InputError, match="at most 1048576 bytes"):
        read_mapping(tmp_path / "a.yaml")
    assert f"more than {MAX_NODES} values" in error_line("a: [" + "1, " * (MAX_NODES + 1) + "1]")


def test_text_in_another_encoding_is_an_error_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes("n: 1\nname: é\n".encode("latin-1"))
    with pytest.raises(InputError, match=r"a\.yaml line 2: not YAML \(not UTF-8 text\)"):
        read_mapping(path)
    path.write_bytes("name: é\n".encode("utf-8-sig"))
    assert read_mapping(path) == {"name": "é"}


@pytest.mark.parametrize("name", ["nowhere.yaml", "a\0b.yaml", "."])
def test_a_path_where_no_file_is_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"name a file with --config"):
        read_mapping(tmp_path / name)
    with pytest.raises(InputError, match=r"^~no-such-user/a\.yaml: .*; name a file with --config"):
        read_mapping(Path("~no-such-user/a.yaml"))


def test_a_word_of_the_command_line_is_read_as_yaml() -> None:
    assert [read_value(t) for t in ("3", "1e-3", "null", "[1, 2]", "a: b: c")] == [
        3,
        1e-3,
        None,
        [1, 2],
        "a: b: c",
    ]


def test_nested_keys_are_joined_by_dots_and_an_empty_mapping_is_a_value() -> None:
    assert flat_keys({"a": {"b": {"c": 1}, "d": {}}, "e.f": [2]}) == {"a.b.c": 1, "a.d": {}, "e.f": [2]}


def test_a_key_is_inside_of_itself_and_of_the_sections_around_it() -> None:
    assert is_inside("a.b", ["a.b"]) and is_inside("a.b.c", ["x", "a.b"])
    assert not is_inside("a.bc", ["a.b"]) and not is_inside("a", ["a.b"])
