"""Hostile CSV files, each with the prices that it means, or None where it can mean none."""

import gzip
import re
from collections.abc import Callable
from pathlib import Path

import polars as pl

Case = Callable[[pl.DataFrame, Path], tuple[Path, pl.DataFrame | None]]
"""Writes a file into a folder; its path, and the prices that it means."""
Meaning = Callable[[pl.DataFrame], pl.DataFrame | None]


def same(frame: pl.DataFrame) -> pl.DataFrame:
    """The file means the sound prices."""
    return frame


def none(frame: pl.DataFrame) -> None:
    """The file can mean no prices."""


def _csv(change: Callable[[str], str | bytes], meaning: Meaning, name: str = "prices.csv") -> Case:
    """A CSV file of the sound prices whose text is changed."""

    def case(frame: pl.DataFrame, folder: Path) -> tuple[Path, pl.DataFrame | None]:
        text = change(frame.write_csv())
        (folder / name).write_bytes(text.encode() if isinstance(text, str) else text)
        return folder / name, meaning(frame)

    return case


def _lines(change: Callable[[list[str]], list[str]]) -> Callable[[str], str]:
    return lambda text: "\n".join(change(text.splitlines())) + "\n"


def _dates(change: Callable[[str], str]) -> Callable[[str], str]:
    return lambda text: re.sub(
        r"^(\d{4}-\d{2}-\d{2})", lambda match: change(match.group(1)), text, flags=re.M
    )


def _row(number: int, field: int, value: str) -> Callable[[str], str]:
    """One field of one row is something else; fields: date, code, open, high, low, close, volume, sector."""

    def change(lines: list[str]) -> list[str]:
        fields = lines[number].split(",")
        fields[field] = value
        return [*lines[:number], ",".join(fields), *lines[number + 1 :]]

    return _lines(change)


def _without_row(number: int) -> Meaning:
    return lambda frame: frame.with_row_index("row").filter(pl.col("row") != number - 1).drop("row")


def _code(old: str, new: str) -> Meaning:
    return lambda frame: frame.with_columns(pl.col("code").replace(old, new))


def _replace(old: str, new: str) -> Callable[[str], str]:
    return lambda text: text.replace(old, new)


def _season(day: str) -> str:
    return f"{day} 00:00:00-0{4 if '03-08' <= day[5:] < '11-01' else 5}:00"


TEXTS: dict[str, Case] = {
    # -- how the text is written
    "a byte order mark": _csv(lambda t: "\ufeff" + t, same),
    "lines of Windows": _csv(_replace("\n", "\r\n"), same),
    "lines of an old Mac": _csv(_replace("\n", "\r"), same),
    "UTF-16": _csv(lambda t: t.encode("utf-16"), same),
    "UTF-16 without a mark": _csv(lambda t: t.encode("utf-16-le"), same),
    "Latin-1": _csv(
        lambda t: t.replace("sector 1", "Énergie").encode("latin-1"),
        lambda f: f.with_columns(pl.col("sector").replace("sector 1", "Énergie")),
    ),
    "a NUL in a field": _csv(_row(500, 7, "a\0b"), none),
    "NULs at the end": _csv(lambda t: t + "\0" * 5000, same),
    "every field quoted": _csv(_lines(lambda ls: [re.sub(r"([^,]+)", r'"\1"', li) for li in ls]), same),
    "semicolons": _csv(_replace(",", ";"), same),
    "tabs": _csv(_replace(",", "\t"), same),
    "decimal commas": _csv(lambda t: t.replace(",", ";").replace(".", ","), none),
    "decimal commas in quotes": _csv(_row(500, 5, '"50,5"'), none),
    "thousands in quotes": _csv(_row(500, 6, '"1,000"'), none),
    "no header": _csv(_lines(lambda ls: ls[1:]), none),
    "spaces in the header": _csv(_replace("date,code,open", "date, code, open"), same),
    "a header in capitals": _csv(_lines(lambda ls: [ls[0].upper(), *ls[1:]]), same),
    "a column name twice": _csv(_replace("open,high", "close,high"), none),
    "an escape in the header": _csv(_replace("close", "clo\x1b[31mse"), none),
    "a column more": _csv(_lines(lambda ls: [ls[0] + ",note", *(f"{li},x" for li in ls[1:])]), same),
    "a comma at each end": _csv(_lines(lambda ls: [li + "," for li in ls]), same),
    "a short row": _csv(_lines(lambda ls: [*ls[:500], "2015-02-03,1300,50", *ls[501:]]), none),
    "a long row": _csv(_lines(lambda ls: [*ls[:500], ls[500] + ",1,2,3", *ls[501:]]), none),
    "cut inside a row": _csv(lambda t: t[: t.rstrip("\n").rindex("\n") + 25], none),
    "an empty file": _csv(lambda t: "", none),
    "white space only": _csv(lambda t: "\n \n\n", none),
    "a header only": _csv(_lines(lambda ls: ls[:1]), none),
    "one row": _csv(_lines(lambda ls: ls[:2]), none),
    "one day": _csv(_lines(lambda ls: ls[:20]), none),
    "empty lines": _csv(_lines(lambda ls: [*ls[:500], "", "", *ls[500:]]), same),
    "a comment": _csv(lambda t: "# prices of a vendor\n" + t, none),
    "an open quote": _csv(_row(500, 7, '"sector'), none),
    "a quote inside": _csv(
        _row(500, 7, 'sec"tor'),
        lambda f: f.with_columns(
            sector=pl.when(pl.int_range(pl.len()) == 499).then(pl.lit('sec"tor')).otherwise("sector")
        ),
    ),
    "gzip": _csv(lambda t: gzip.compress(t.encode()), same),
    "bytes of nothing": _csv(lambda t: bytes(range(256)) * 50, none),
    "one endless line": _csv(lambda t: t.replace("\n", " ")[:200_000], none),
    "CSV by the name of Parquet": _csv(lambda t: t, same, "prices.parquet"),
    "no suffix": _csv(lambda t: t, same, "prices"),
    "a suffix in capitals": _csv(lambda t: t, same, "PRICES.CSV"),
    # -- dates
    "dates with midnight": _csv(_dates(lambda d: f"{d}T00:00:00"), same),
    "dates with one offset": _csv(_dates(lambda d: f"{d} 00:00:00-05:00"), same),
    "winter and summer offsets": _csv(_dates(_season), same),
    "dates in UTC": _csv(_dates(lambda d: f"{d}T00:00:00Z"), same),
    "closing times": _csv(_dates(lambda d: f"{d}T16:00:00-05:00"), same),
    "Tokyo's midnights in UTC": _csv(
        _dates(lambda d: f"{pl.Series([d]).str.to_date().dt.offset_by('-1d')[0]}T15:00:00Z"), none
    ),
    "American dates": _csv(_dates(lambda d: f"{d[5:7]}/{d[8:]}/{d[:4]}"), same),
    "European dates": _csv(_dates(lambda d: f"{d[8:]}.{d[5:7]}.{d[:4]}"), same),
    "compact dates": _csv(_dates(lambda d: d.replace("-", "")), same),
    "years of two digits": _csv(_dates(lambda d: d[2:]), none),
    "days of Excel": _csv(_dates(lambda d: str(42009 + int(d[8:]))), none),
    "seconds since 1970": _csv(_dates(lambda d: str(1_420_000_000 + int(d[8:]))), none),
    "31 February": _csv(_row(500, 0, "2015-02-31"), none),
    "a date n/a": _csv(_row(500, 0, "n/a"), none),
    "an empty date": _csv(_row(500, 0, ""), none),
    "a date of year 1": _csv(_row(500, 0, "0001-01-01"), none),
    "a date of year 0": _csv(_row(500, 0, "0000-01-01"), none),
    "a date of year 9999": _csv(_row(500, 0, "9999-12-31"), none),
    "a date of year 10000": _csv(_row(500, 0, "10000-01-01"), none),
    "a date of another form": _csv(_row(500, 0, "02/03/2015"), none),
    "a date with words after it": _csv(_row(500, 0, "2015-01-27 or later"), none),
    "an escape in a date": _csv(_row(500, 0, "\x1b]0;x\x07"), none),
    "a long date": _csv(_row(500, 0, "9" * 5000), none),
    "spaces around dates": _csv(_dates(lambda d: f" {d} "), same),
    "wide digits": _csv(_dates(lambda d: "２" + d[1:]), none),
    # -- codes
    "leading zeros": _csv(_replace(",1305,", ",0050,"), _code("1305", "0050")),
    "an empty code": _csv(_row(500, 1, ""), none),
    "a code of a space": _csv(_row(500, 1, " "), none),
    "a space after a code": _csv(_row(500, 1, "1319 "), same),
    "an escape in a code": _csv(_replace(",1305,", ",\x1b[31m,"), _code("1305", "\x1b[31m")),
    "an escape in a code given twice": _csv(
        lambda t: t.replace(",1305,", ",\x1b[31m\x07,").replace(",1306,", ",\x1b[31m\x07,"), none
    ),
    "a line break in a code": _csv(_replace(",1305,", ',"13\n05",'), _code("1305", "13\n05")),
    "a formula as code": _csv(_replace(",1305,", ",=1+1,"), _code("1305", "=1+1")),
    "a code of 5,000 letters": _csv(_replace(",1305,", f",{'x' * 5000},"), _code("1305", "x" * 5000)),
    "codes that differ in case": _csv(
        lambda t: t.replace(",1305,", ",abc,").replace(",1306,", ",ABC,"),
        lambda f: f.with_columns(pl.col("code").replace({"1305": "abc", "1306": "ABC"})),
    ),
    "a code NA": _csv(_replace(",1305,", ",NA,"), _code("1305", "NA")),
    "a code null": _csv(_replace(",1305,", ",null,"), _code("1305", "null")),
    "a code with a comma": _csv(_replace(",1305,", ',"a,b",'), _code("1305", "a,b")),
    "codes as floats": _csv(
        lambda t: re.sub(r",(13\d\d),", r",\1.0,", t), lambda f: f.with_columns(code=pl.col("code") + ".0")
    ),
    # -- numbers
    "a word as close": _csv(_row(500, 5, "halted"), none),
    "an empty close": _csv(_row(500, 5, ""), _without_row(500)),
    "a close of 0": _csv(_row(500, 5, "0"), _without_row(500)),
    "a negative close": _csv(_row(500, 5, "-50"), _without_row(500)),
    "a close of NaN": _csv(_row(500, 5, "NaN"), _without_row(500)),
    "an infinite close": _csv(_row(500, 5, "inf"), _without_row(500)),
    "a close of 1e300": _csv(_row(500, 5, "1e300"), _without_row(500)),
    "a close of 400 digits": _csv(_row(500, 5, "9" * 400), _without_row(500)),
    "a hexadecimal close": _csv(_row(500, 5, "0x32"), none),
    "a close in a currency": _csv(_row(500, 5, "$50.0"), none),
    "a close with a space": _csv(
        _row(500, 5, " 50.0"),
        lambda f: f.with_columns(close=pl.when(pl.int_range(pl.len()) == 499).then(50.0).otherwise("close")),
    ),
    "an escape as close": _csv(_row(500, 5, "\x1b[2J"), none),
    "a long word as close": _csv(_row(500, 5, "x" * 5000), none),
    "a negative volume": _csv(
        _row(500, 6, "-1"),
        lambda f: f.with_columns(
            volume=pl.when(pl.int_range(pl.len()) == 499).then(None).otherwise("volume")
        ),
    ),
    "a row given twice": _csv(_lines(lambda ls: [*ls, ls[500]]), none),
    "a row given twice with another close": _csv(
        lambda t: t + _row(1, 5, "1")("\n".join([t.splitlines()[0], t.splitlines()[500]])).splitlines()[1] + "\n",
        none,
    ),
}  # fmt: skip
