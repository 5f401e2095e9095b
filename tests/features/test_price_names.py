"""Codes and stems of price files."""

from pathlib import Path

import pytest

from atft.features.price_names import bare_stem, code_of_file


def test_a_stem_is_without_the_suffixes_of_a_format() -> None:
    stems = {
        "AAPL.csv": "AAPL",
        "brk.b.us.TXT": "brk.b.us",
        "A.csv.gz": "A",
        "7203.T.parquet": "7203.T",
        "x": "x",
    }
    assert {name: bare_stem(Path(name)) for name in stems} == stems


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("prices/AAPL.csv.gz", ("AAPL", "file")),
        ("prices/code=AAPL/part-0.parquet", ("AAPL", "folder")),
        ("prices/Ticker=BRK%2FB/9733458879e8.parquet", ("BRK/B", "folder")),
        ("prices/year=2015/AAPL.parquet", ("AAPL", "file")),
        ("prices/code=AAPL/year=2015/part-0.parquet", ("AAPL", "folder")),
        ("code=AAPL/prices/MSFT.parquet", ("MSFT", "file")),
    ],
)
def test_a_file_without_codes_is_of_its_folder_in_a_partition_and_else_of_its_name(
    path: str, code: tuple[str, str]
) -> None:
    assert code_of_file(Path(path)) == code
