"""CSV as text: packed or not, with a header of its own or names that are given; a fault is one line."""

import gzip
from pathlib import Path

import pyarrow as pa
import pytest

from atft.errors import InputError
from atft.files.csv_text import csv_batches, csv_delimiter, csv_fields, csv_file

TEXT = pa.string()


@pytest.mark.parametrize("packed", [False, True])
def test_chosen_columns_are_read_packed_or_not(tmp_path: Path, packed: bool) -> None:
    content = b"code,score,note\n0050,1.5,NA\n1301,,x\n"
    (tmp_path / "f").write_bytes(gzip.compress(content) if packed else content)
    with csv_file(tmp_path / "f") as file:
        (batch,) = csv_batches(file, {"score": pa.float64(), "code": TEXT}, ",")
    assert batch.to_pydict() == {"score": [1.5, None], "code": ["0050", "1301"]}


def test_texts_stay_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("code,note\n0050,NA\nNA,\n")
    with csv_file(tmp_path / "f") as file:
        (batch,) = csv_batches(file, {"code": TEXT, "note": TEXT}, ",")
    assert batch.to_pydict() == {"code": ["0050", "NA"], "note": ["NA", ""]}


def test_names_stand_in_for_lines_of_a_header(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("a;a\nx;y\n1;2\n")
    with csv_file(tmp_path / "f") as file:
        (batch,) = csv_batches(file, {"1": TEXT}, ";", ["0", "1"], skip=2)
    assert batch.to_pydict() == {"1": ["2"]}


@pytest.mark.parametrize(
    ("header", "delimiter"),
    [
        ("date,code,score", ","),
        ("date;code;score", ";"),
        ("date\tcode", "\t"),
        ("a;b;c,d", ";"),
        ("date", ","),
    ],
)
def test_fields_are_parted_by_what_the_header_has_most_of(header: str, delimiter: str) -> None:
    assert csv_delimiter(header) == delimiter


def test_fields_are_those_of_a_line() -> None:
    assert csv_fields('a,"b,c"', ",") == ["a", "b,c"]
    assert csv_fields("a;b", ";") == ["a", "b"]
    assert csv_fields("  ", ",") == []


def test_a_fault_is_one_line_that_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"a,b\n1\n")
    with (
        pytest.raises(InputError, match=r"f: not readable as CSV \(.*\); correct it$"),
        csv_file(tmp_path / "f", "correct it") as file,
    ):
        list(csv_batches(file, {"a": TEXT}, ","))
    with pytest.raises(InputError, match="none: no such file"), csv_file(tmp_path / "none"):
        pass
    with pytest.raises(InputError, match="f: neither UTF-8 text"), csv_file(tmp_path / "f"):
        b"\xff".decode()
