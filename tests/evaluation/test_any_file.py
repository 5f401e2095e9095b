"""Any file of stocks and days: formats, names, dates, codes, and the one line about what cannot be read."""

import gzip
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from atft.errors import InputError
from atft.evaluation import any_file
from atft.evaluation.any_file import ALIASES, FileRows, column_roles, read_rows
from foreign_file import foreign_frame, write_foreign

NEEDED = ("score", "target")


def rows_of(tmp_path: Path, table: dict[str, Any] | pa.Table, required: tuple[str, ...] = NEEDED) -> FileRows:
    pq.write_table(table if isinstance(table, pa.Table) else pa.table(table), tmp_path / "f.parquet")
    return read_rows(tmp_path / "f.parquet", required)


def small(**columns: Any) -> dict[str, Any]:
    table = {
        "date": [date(2020, 1, 2), date(2020, 1, 3)],
        "code": ["0050", "1301"],
        "score": [0.5, -0.5],
        "target": [0.01, None],
    }
    return {name: values for name, values in (table | columns).items() if values is not None}


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".txt", ".jsonl"])
def test_all_formats_give_the_same_rows(tmp_path: Path, suffix: str) -> None:
    frame = foreign_frame(days=12).with_columns(pl.col("code").str.slice(1))
    reference = read_rows(write_foreign(tmp_path / "a.parquet", frame), NEEDED)
    written = suffix.replace(".txt", ".csv").removesuffix(".gz")
    path = write_foreign(tmp_path / f"a{written}", frame)
    if suffix == ".txt":
        path = tmp_path / "b.txt"
        path.write_text((tmp_path / "a.csv").read_text().replace(",", ";"))
    if suffix.endswith(".gz"):
        path = tmp_path / "b.csv.gz"
        path.write_bytes(gzip.compress((tmp_path / "a.csv").read_bytes()))
    rows = read_rows(path, NEEDED)
    assert rows.codes == reference.codes and rows.codes[0] == "000"
    np.testing.assert_array_equal(rows.dates, reference.dates)
    np.testing.assert_array_equal(rows.day, reference.day)
    np.testing.assert_array_equal(rows.stock, reference.stock)
    assert set(rows.numbers) == set(reference.numbers)
    for name, values in reference.numbers.items():
        np.testing.assert_array_equal(rows.numbers[name], values, err_msg=name)
    for name, (texts, index) in reference.texts.items():
        assert rows.texts[name][0] == texts
        np.testing.assert_array_equal(rows.texts[name][1], index)


@pytest.mark.parametrize(
    "dates",
    [
        ["2020-01-02", "2020-01-03"],
        ["20200102", "20200103"],
        [20200102, 20200103],
        [20200102.0, 20200103.0],
        [datetime(2020, 1, 2), datetime(2020, 1, 3)],
        pa.array(["2020-01-02", "2020-01-03"]).dictionary_encode(),
        pa.array(["2020-01-02", "2020-01-03"], pa.large_string()),
    ],
    ids=["iso", "text", "number", "float", "timestamp", "category", "large_string"],
)
def test_dates_are_read_as_other_programs_write_them(tmp_path: Path, dates: Any) -> None:
    rows = rows_of(tmp_path, small(date=dates))
    assert [str(day) for day in rows.dates] == ["2020-01-02", "2020-01-03"]


def test_names_match_in_any_case_and_by_alias(tmp_path: Path) -> None:
    table = small(date=None, code=None, score=None, target=None) | {
        "DateTime": [date(2020, 1, 2), date(2020, 1, 3)],
        "Instrument": pa.array([1301, 50]),
        "Pred": pa.array([1, 2], pa.int64()),
        "LABEL": pa.array([0.1, 0.2], pa.float64()),
        "exposure_x": [1.0, 2.0],
        "ignored": ["a", "b"],
    }
    rows = rows_of(tmp_path, table)
    assert rows.codes == ["1301", "50"]
    assert rows.names["score"] == "Pred" and set(rows.numbers) == {"score", "target", "exposure_x"}
    np.testing.assert_array_equal(rows.numbers["score"], np.float32([1, 2]))


def test_our_name_comes_before_an_alias(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, small(pred=[7.0, 7.0]))
    assert rows.numbers["score"].tolist() == [0.5, -0.5]
    roles = column_roles(["DATE", "ticker", "score", "pred"], Path("f"), ("date", "code"), tuple(ALIASES))
    assert roles == {"date": "DATE", "code": "ticker", "score": "score"}


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"score": None},
            r"no column 'score', and none of its aliases \(prediction, .*\); it has code, date",
        ),
        (
            {"score": None, "pred": [1.0, 2.0], "y_pred": [1.0, 2.0]},
            "'pred' and 'y_pred' could both be the score",
        ),
        ({"score": ["a", "b"]}, "column 'score', row 1: 'a' is not a number"),
        ({"date": ["2020-01-02", "yesterday"]}, "column 'date', row 2: 'yesterday' is not an ISO date"),
        ({"date": [20200102.5, 1.0]}, "column 'date' must hold dates; write numbers as YYYYMMDD"),
        ({"date": [1, 2]}, "column 'date', row 1: '1' is not an ISO date"),
        ({"code": ["a", None]}, "column 'code', row 2: no code"),
        ({"code": [1.5, 2.0]}, "must be a whole number"),
    ],
)
def test_a_fault_is_one_line_that_names_the_place(tmp_path: Path, columns: Any, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        rows_of(tmp_path, small(**columns))
    assert "\n" not in str(caught.value) and "f.parquet" in str(caught.value)
    assert len(str(caught.value)) < 250


def test_files_that_are_no_table_raise(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_rows(tmp_path / "none.parquet", NEEDED)
    with pytest.raises(InputError, match=r": a folder; give a Parquet, CSV or JSON-lines file$"):
        read_rows(tmp_path, NEEDED)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "predictions.parquet").touch()
    with pytest.raises(InputError, match=r"run: a folder; give .*run/predictions\.parquet$"):
        read_rows(tmp_path / "run", NEEDED)
    for name, text, message in (
        ("a.parquet", "text", "not a readable Parquet file"),
        (
            "a.csv",
            "date,code,score,target\n2020-01-01,a,x,1\n",
            r"a\.csv: column 'score': 'x' is not a number; correct it$",
        ),
        (
            "a.csv",
            "causal,date,code,score,target\nno,2020-01-01,a,1,1\n",
            r"a\.csv: column 'causal': 'no' is neither true nor false; correct it$",
        ),
        (
            "a.csv",
            "date;code;score;target\n2020-01-01;a;0,5;1\n",
            r"column 'score': '0,5' is not a number; write 1234\.5, with a decimal point",
        ),
        ("b.csv", "date,code,score,score,target\n", "two columns are named 'score'"),
        ("c.csv", "date,code,score,target\n", "no rows"),
        ("a.jsonl", "[1, 2", "not readable as JSON lines"),
        ("a.jsonl", '{"a": 1, "a": 2}', r"not readable as JSON lines .* specified twice"),
    ):
        (tmp_path / name).write_text(text)
        with pytest.raises(InputError, match=message):
            read_rows(tmp_path / name, NEEDED)


def test_rows_are_numbered_alike_where_their_keys_agree_in_the_order_of_the_keys(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    fold = [None if f == 2 else int(f) for f in rng.integers(0, 3, 200)]
    seed, horizon = rng.integers(1, 4, 200).tolist(), rng.choice([1, 5, 20], 200).tolist()
    table = {"date": [date(2020, 1, 2)] * 200, "code": [f"S{i}" for i in range(200)], "score": [0.5] * 200}
    rows = rows_of(tmp_path, table | {"horizon": horizon, "fold": fold, "seed": seed}, ("score",))
    number = rows.key_numbers(("horizon", "fold", "seed"))
    keys = [(h, -1 if f is None else f, s) for h, f, s in zip(horizon, fold, seed, strict=True)]
    ordered = sorted(set(keys))
    assert np.unique(number, return_inverse=True)[1].tolist() == [ordered.index(key) for key in keys]
    assert not rows.key_numbers(()).any() and not rows.key_numbers(("split",)).any()


def test_a_sector_that_stands_for_none_is_none_as_in_a_panel(tmp_path: Path) -> None:
    for unknown in ("-", "n/a", None):
        rows = rows_of(tmp_path, small(sector=["Banks", unknown]))
        assert rows.texts["sector"][0] == ["Banks"] and rows.texts["sector"][1].tolist() == [0, -1]


def test_each_row_has_its_own_day_code_and_numbers_over_the_files_of_a_panel(tmp_path: Path) -> None:
    days = [date(2020, 1, day) for day in (6, 3, 9, 3)]  # neither whole weeks nor sorted
    codes, seeds = ["B", "C", "A", "B"], [20260103, 20260104, 20260105, None]
    table = {"date": days, "code": codes, "causal": [True, False, None, True], "seed": seeds}
    (tmp_path / "p").mkdir()
    for name, part in (("a", slice(0, 3)), ("b", slice(3, 4))):
        pq.write_table(pa.table({n: v[part] for n, v in table.items()}), tmp_path / "p" / f"{name}.parquet")
    for path in ("p", "p/*.parquet"):
        rows = read_rows(tmp_path / path, ("causal",), of_panel=True)
        assert rows.dates[rows.day].tolist() == days and rows.dates.tolist() == sorted(set(days))
        assert [rows.codes[i] for i in rows.stock] == codes and rows.codes == ["A", "B", "C"]
        np.testing.assert_array_equal(rows.numbers["seed"], np.array(seeds, dtype=np.float64))
        np.testing.assert_array_equal(rows.numbers["causal"], [1, 0, np.nan, 1])
    with pytest.raises(InputError, match=r"p: a folder; give a Parquet, CSV or JSON-lines file$"):
        read_rows(tmp_path / "p", ())
    pq.write_table(
        pa.table({"date": days, "code": codes, "score": [1, 2, 3, 4]}), tmp_path / "p" / "b.parquet"
    )
    with pytest.raises(InputError, match=r"b\.parquet: must .* only some have causal, score, seed$"):
        read_rows(tmp_path / "p", (), of_panel=True)
    (tmp_path / "p" / "predictions.parquet").touch()
    with pytest.raises(InputError, match=r"p: a folder; give .*/p/predictions\.parquet$"):
        read_rows(tmp_path / "p", (), of_panel=True)


def test_a_fault_in_a_later_batch_is_of_the_files_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(any_file, "BATCH_ROWS", 2)
    with pytest.raises(InputError, match=r"column 'score', row 5: 'x' is not a number"):
        rows_of(tmp_path, {"date": [date(2020, 1, 2)] * 5, "code": list("abcde"), "score": list("1234x")}, ())


def test_the_split_that_counts_is_the_named_one_or_else_the_test_days(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, small(split=["val", "test"]))
    for name, split, mask in ((None, "test", [False, True]), ("val", "val", [True, False])):
        found, counts = rows.of_split(name)
        assert found == split and counts.tolist() == mask
    with pytest.raises(InputError, match=r"no rows of split 'train'; it has test, val$"):
        rows.of_split("train")
    for columns in ({}, {"split": ["val", "train"]}):
        found, counts = rows_of(tmp_path, small(**columns)).of_split(None)
        assert found is None and counts.tolist() == [True, True]


def test_exposures_regimes_and_quantiles_have_their_own_names_where_they_are_wanted() -> None:
    names = [" Date ", "code", "Exposure Momentum", "regime_vix", "q10", "x"]
    keys = {"date": " Date ", "code": "code"}
    further = {"exposure_momentum": "Exposure Momentum", "regime_vix": "regime_vix"}
    interval = {"interval_target": "interval_target", "q10": "q10"}
    assert column_roles(names, Path("f"), ("date", "code"), ("score",)) == keys
    wanted = ("exposure_size",)
    assert column_roles(names, Path("f"), ("date", "code"), wanted) == keys | further
    assert column_roles([*names, "interval_target"], Path("f"), ("date", "code"), wanted) == {
        **keys, **further, **interval
    }  # fmt: skip
