"""Which files a path means, how a file is stored, and which rows of it are headers."""

import gzip
from pathlib import Path

import polars as pl
import pytest

from atft.errors import InputError
from atft.features.price_files import PriceFile, price_files

TEXT = "date,code,close\n2015-03-02,0050,1\n"


def rows(path: Path) -> list[dict[str, object]]:
    return [row for batch in PriceFile(path, {}).batches() for row in batch.to_pylist()]


def test_a_folder_has_the_csv_and_parquet_files_below_it_and_a_glob_its_matches(tmp_path: Path) -> None:
    copy = ".ipynb_checkpoints/a-checkpoint.csv"
    for name in ("a.csv", "b.TXT", "sub/c.csv.gz", "sub/d.parquet", ".no.csv", "_meta.csv", "notes.md", copy):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [f.name for f in price_files(tmp_path)] == ["a.csv", "b.TXT", "c.csv.gz", "d.parquet"]
    assert [f.name for f in price_files(tmp_path / "*.csv")] == ["a.csv"]
    assert [f.name for f in price_files(tmp_path / "**" / "*.csv")] == ["a.csv"]
    for named in (tmp_path / copy, (tmp_path / copy).parent, (tmp_path / copy).parent / "*.csv"):
        assert price_files(named) == [tmp_path / copy], "a path may name what is hidden"
    assert price_files(tmp_path / "notes.md") == [tmp_path / "notes.md"]


def test_a_path_without_files_raises(tmp_path: Path) -> None:
    for path, said in ((tmp_path, "no CSV or Parquet file in it"), (tmp_path / "*.csv", "no such file")):
        with pytest.raises(InputError, match=f"{said}; give the Parquet or CSV file of the prices, a folder"):
            price_files(path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("p.csv", TEXT.encode()),
        ("p", TEXT.encode()),
        ("p.csv", b"\xef\xbb\xbf" + TEXT.encode()),
        ("p.txt", TEXT.replace(",", ";").encode()),
        ("p.tsv", TEXT.replace(",", "\t").replace("\n", "\r\n").encode()),
        ("p.csv.gz", gzip.compress(TEXT.encode(), mtime=0)),
        ("p.csv", gzip.compress(TEXT.encode(), mtime=0)),
    ],
)
def test_text_is_read_however_it_is_written_and_stays_text(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert rows(tmp_path / name) == [{"date": "2015-03-02", "code": "0050", "close": "1"}]


def test_parquet_is_known_by_its_first_bytes(tmp_path: Path) -> None:
    pl.DataFrame({"date": ["2015-03-02"], "code": [50], "close": [1.0]}).write_parquet(tmp_path / "p.csv")
    assert rows(tmp_path / "p.csv") == [{"date": "2015-03-02", "code": 50, "close": 1.0}]


@pytest.mark.parametrize("index", ["", "Date,,\n"])
def test_rows_of_a_header_are_no_prices(tmp_path: Path, index: str) -> None:
    (tmp_path / "p.csv").write_text(f"Price,Close,Close\nTicker,A,B\n{index}2015-03-02,1,2\n")
    assert rows(tmp_path / "p.csv") == [{"0": "2015-03-02", "1": "1", "2": "2"}]
    assert PriceFile(tmp_path / "p.csv", {}).label("2") == "Close B"


@pytest.mark.parametrize(
    "text",
    [
        "\n\ndate,close\n2015-03-02,2\n",
        "date,close\n\r\n\n2015-03-02,2\n\n",
        "\nPrice,Close,Close\n\nTicker,A,B\n\n2015-03-02,2,3\n",
        "Price,Close,Close\nTicker,A,B\n\nDate,,\n\n2015-03-02,2,3\n",
    ],
)
def test_blank_lines_are_no_rows_and_hide_none(text: str, tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text(text)
    assert not PriceFile(tmp_path / "p.csv", {}).empty
    assert [list(row.values())[:2] for row in rows(tmp_path / "p.csv")] == [["2015-03-02", "2"]]


def test_a_first_day_without_prices_is_no_header(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("Price,Close,Close\nTicker,A,B\n2015-03-02,,\n2015-03-03,1,2\n")
    assert [row["0"] for row in rows(tmp_path / "p.csv")] == ["2015-03-02", "2015-03-03"]


def test_lines_that_are_no_csv_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_bytes(TEXT.replace("\n", "\r").encode())
    with pytest.raises(InputError, match=r"p\.csv: not readable as CSV \(new-line character seen"):
        PriceFile(tmp_path / "p.csv", {})


@pytest.mark.parametrize("text", ["", "\n", "date,code,close\n", "Price,Close\nTicker,A\nDate,\n"])
def test_a_file_without_rows_is_empty(tmp_path: Path, text: str) -> None:
    (tmp_path / "p.csv").write_text(text)
    assert PriceFile(tmp_path / "p.csv", {}).empty


def test_a_damaged_gzip_file_is_one_line(tmp_path: Path) -> None:
    content = gzip.compress(TEXT.encode() * 1000)
    for damaged in (content[:40], content[:30] + b"\0" * 30 + content[60:]):
        (tmp_path / "p.csv.gz").write_bytes(damaged)
        with pytest.raises(InputError, match=r"p\.csv\.gz: not readable as CSV \(.*\); write it again"):
            rows(tmp_path / "p.csv.gz")


@pytest.mark.parametrize(
    "names", [["Close_A", "Adj Close_A", "Close_B"], ["A.Close", "A.Adj Close", "B.Close"]]
)
@pytest.mark.parametrize("day", [0, 3])
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_name_of_a_price_and_a_code_is_two_header_rows_in_one(
    names: list[str], day: int, suffix: str, tmp_path: Path
) -> None:
    cells = {"Date": ["2015-01-05"], **{name: [str(n)] for n, name in enumerate(names, 1)}}
    order = [*names[:day], "Date", *names[day:]]
    frame, path = pl.DataFrame(cells).select(order), tmp_path / f"p{suffix}"
    frame.write_csv(path) if suffix == ".csv" else frame.write_parquet(path)
    file = PriceFile(path, {})
    (batch,) = file.batches()
    bars = {code: {p: batch[c].to_pylist() for p, c in bar.items()} for code, bar in file.layout.bars.items()}
    assert bars == {"A": {"close": ["1"], "adjusted_close": ["2"]}, "B": {"close": ["3"]}}
    assert batch[file.layout.date].to_pylist() == ["2015-01-05"]


def test_prices_named_with_a_word_are_no_code(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("Date,Price Open,Price Close\n2015-01-05,1,2\n")
    with pytest.raises(InputError, match="no column 'close'"):
        PriceFile(tmp_path / "p.csv", {})
