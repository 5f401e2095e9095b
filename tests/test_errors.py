"""The one error of the user, and the nearest name it offers."""

from pathlib import Path
from typing import Any

import pytest

from atft.errors import (
    InputError,
    NonFiniteLoss,
    RunFailed,
    VarianceCollapse,
    check_unique,
    clip,
    closest,
    counted,
    first_of,
    kind_and_text,
    listed,
    nearest,
    one_line,
    users_line,
)


def test_the_nearest_name_is_offered_or_all_are_listed() -> None:
    assert nearest("hiden_size", ["hidden_size", "gat_layers"]) == "; did you mean 'hidden_size'?"
    assert nearest("zzz", ["b", "a"]) == "; known: a, b"
    assert nearest("x", []) == "; known: none"


def test_upper_and_lower_case_are_alike_to_the_nearest_name() -> None:
    codes = ["AAPL", "AMZN", "aapL2"]
    assert nearest("aapl", codes) == "; did you mean 'AAPL'?" and closest("appl", codes) == "AAPL"
    assert closest("CLOSE", ["Close", "close"]) == "Close" and closest("zzzz", codes) is None


def test_a_list_of_names_ends_after_a_dozen_or_a_line() -> None:
    assert listed(["b", "a"]) == "a, b"
    assert (
        listed(f"n{i:02}" for i in range(15)) == ", ".join(f"n{i:02}" for i in range(12)) + ", ... (3 more)"
    )
    assert listed(["x" * 60] * 3) == "x" * 60 + ", ... (2 more)"


def test_the_first_names_are_shown_and_the_others_are_counted() -> None:
    assert first_of(("b", "a"), 2) == "b, a"
    assert first_of("edcba", 3) == "e, d, c and 2 more"
    assert first_of(["x"] * 2001, 1, "codes") == "x and 2,000 more codes"


def test_long_text_keeps_its_ends() -> None:
    assert clip("short", 20) == "short"
    assert clip("a" * 50 + "b" * 50, 23) == "a" * 10 + "..." + "b" * 10


def test_input_that_cannot_be_used_is_a_value_error_and_a_collapse_is_not() -> None:
    assert issubclass(InputError, ValueError)
    assert issubclass(VarianceCollapse, RunFailed) and issubclass(NonFiniteLoss, RunFailed)
    assert issubclass(RunFailed, RuntimeError) and not issubclass(RunFailed, InputError)


def test_control_characters_never_reach_the_terminal() -> None:
    assert str(InputError("a\x1b[2J\nb\u202ec é")) == r"a\x1b[2J\nb\u202ec é"


def test_a_library_s_error_becomes_a_part_of_a_line() -> None:
    assert one_line(ValueError("two\n lines " + "x" * 500)) == "two lines " + "x" * 107 + "..."
    assert one_line(ValueError("It must be\na number.")) == "It must be a number"


def test_two_columns_of_one_name_are_named() -> None:
    check_unique("p.csv", ["a", "b"])
    with pytest.raises(InputError, match=r"p\.csv: two columns are named 'b'; rename or drop one"):
        check_unique("p.csv", ["a", "b", "b"])


def test_a_number_of_things_is_one_thing_or_several() -> None:
    assert [counted(n, "day") for n in (0, 1, 2345)] == ["0 days", "1 day", "2,345 days"]


def test_an_error_of_the_users_code_has_its_innermost_line_in_the_users_files(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("import json\n\ndef read(text):\n    return json.loads(text)\n")
    user: dict[str, Any] = {}
    exec(compile(file.read_text(), file, "exec"), user)
    with pytest.raises(ValueError) as of_json:
        user["read"]("{")
    assert users_line(of_json.value) == " at mine.py line 4"  # not that of Python's library
    assert kind_and_text(of_json.value).startswith(
        "JSONDecodeError at mine.py line 4: Expecting property name"
    )
    with pytest.raises(KeyError) as of_a_test:
        {}["a"]
    line = of_a_test.traceback[-1].lineno + 1
    assert kind_and_text(of_a_test.value) == f"KeyError at test_errors.py line {line}: 'a'"


def test_an_error_that_no_code_of_the_user_raised_has_no_line_and_an_input_error_says_where_itself() -> None:
    assert kind_and_text(KeyError("a")) == "KeyError: 'a'" and kind_and_text(MemoryError()) == "MemoryError"
    for error in (InputError("bad.csv: empty"), NonFiniteLoss("step 3")):
        with pytest.raises(type(error)) as raised:
            raise error
        assert kind_and_text(raised.value) == f"{type(error).__name__}: {error}"
