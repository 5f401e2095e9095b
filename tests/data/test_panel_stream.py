import datetime as dt
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from atft.data.panel_stream import as_dates, read_batches
from atft.errors import InputError
from atft.panel import PanelColumns, PanelSchema, resolve

HERE = Path("panel.parquet")
DAYS = [dt.date(2020, 1, 6), dt.date(2020, 1, 7)]


def _columns(table: pa.Table) -> PanelColumns:
    return resolve(PanelSchema(), table.column_names, [1], "panel")


def _table(**columns: object) -> pa.Table:
    plain = {
        "date": pa.array(DAYS),
        "code": pa.array(["a", "b"]),
        "x_0": pa.array([1.0, None], pa.float32()),
        "target_1d": pa.array([0.1, 0.2], pa.float32()),
    }
    return pa.table({**plain, **columns})


def _read(path: Path, table: pa.Table) -> pa.RecordBatch:
    pq.write_table(table, path)
    return next(iter(read_batches([path], _columns(table), table.column_names)))


@pytest.mark.parametrize(
    "column",
    [
        pa.array(DAYS, pa.date32()),
        pa.array(DAYS, pa.date64()),
        pa.array([dt.datetime(2020, 1, 6), dt.datetime(2020, 1, 7)], pa.timestamp("ns")),
        pa.array([dt.datetime(2020, 1, 6), dt.datetime(2020, 1, 7)], pa.timestamp("s")),
        pa.array(["2020-01-06", "2020-01-07"]),
        pa.array(["2020-01-06", "2020-01-07"], pa.large_string()),
        pa.array(["2020-01-06", "2020-01-07"]).dictionary_encode(),
        # Midnight in Tokyo is 15:00 of the day before in UTC; the trading day is Tokyo's.
        pa.array(
            [dt.datetime(2020, 1, 5, 15), dt.datetime(2020, 1, 6, 15)], pa.timestamp("us", "Asia/Tokyo")
        ),
    ],
    ids=lambda c: str(c.type),
)
def test_dates_of_every_type_become_the_same_trading_days(column: pa.Array) -> None:
    assert as_dates(column, "date", HERE).to_pylist() == DAYS
    assert as_dates(column, "date", HERE).type == pa.date32()


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pa.array([dt.datetime(2020, 1, 5, 15)], pa.timestamp("us", "UTC")), "times of day in zone UTC"),
        (pa.array([dt.datetime(2020, 1, 5, 9, 30)], pa.timestamp("us")), "times of day"),
        (pa.array(["2020-01-06", "06.01.2020"]), "'06.01.2020'; dates are written YYYY-MM-DD"),
        (pa.array([DAYS[0], None]), "1 null dates"),
        (pa.array([20200106]), "must hold dates, it is int64"),
    ],
)
def test_a_date_that_names_no_trading_day_is_refused(column: pa.Array, message: str) -> None:
    with pytest.raises(InputError, match=message):
        as_dates(column, "date", HERE)


def test_numbers_become_float32_and_nulls_stay_null(tmp_path: Path) -> None:
    table = _table(x_0=pa.array([1, None], pa.int64()), code=pa.array([7203, 9984]))
    batch = _read(tmp_path / "p.parquet", table)
    assert batch.column("x_0").type == pa.float32()
    assert batch.column("x_0").to_pylist() == [1.0, None]
    assert batch.column("code").to_pylist() == ["7203", "9984"]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"x_0": pa.array(["1", "2"])}, "'x_0' must be numeric, it is string"),
        ({"universe": pa.array([1, 0])}, "universe 'universe' must be boolean, it is int64"),
        ({"code": pa.array(["a", None])}, "'code' has 1 nulls"),
        ({"sector": pa.array([1.5, 2.5])}, "'sector' must hold strings or integers"),
    ],
)
def test_a_wrong_dtype_is_named(tmp_path: Path, columns: dict[str, pa.Array], message: str) -> None:
    with pytest.raises(InputError, match=message):
        _read(tmp_path / "p.parquet", _table(**columns))


def test_a_truncated_or_flipped_file_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "p.parquet"
    table = _table()
    pq.write_table(table, path)
    whole = path.read_bytes()
    for broken in (whole[:-20], whole[: len(whole) // 2], b"", b"hello"):
        path.write_bytes(broken)
        with pytest.raises(InputError, match="not a readable Parquet file") as caught:
            list(read_batches([path], _columns(table), table.column_names))
        assert "\n" not in str(caught.value)


def test_files_must_agree_on_columns_and_date_type(tmp_path: Path) -> None:
    first, second = tmp_path / "a.parquet", tmp_path / "b.parquet"
    table = _table()
    pq.write_table(table, first)
    pq.write_table(table.drop(["x_0"]), second)
    with pytest.raises(InputError, match=r"b.parquet: no column 'x_0'"):
        list(read_batches([first, second], _columns(table), table.column_names))
    pq.write_table(_table(date=pa.array(["2020-01-06", "2020-01-07"])), second)
    with pytest.raises(InputError, match=r"'date' is string, other files have date32"):
        list(read_batches([first, second], _columns(table), table.column_names))
