import datetime as dt
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from atft.data import panel_stream
from atft.data.panel_index import index_panel
from atft.data.panel_stream import read_batches, whole_days
from atft.errors import InputError
from atft.files.panel_files import footer_names
from atft.panel import PanelColumns, PanelSchema, resolve_columns

MakePanel = Callable[..., Path]
DAYS = [dt.date(2020, 1, 6), dt.date(2020, 1, 7)]


def _columns(table: pa.Table) -> PanelColumns:
    return resolve_columns(PanelSchema(), table.column_names, [1], "panel")


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


def test_numbers_become_float32_and_nulls_stay_null(tmp_path: Path) -> None:
    table = _table(x_0=pa.array([1, None], pa.int64()), code=pa.array([7203, 9984]))
    batch = _read(tmp_path / "p.parquet", table)
    assert batch.column("x_0").type == pa.float32()
    assert batch.column("x_0").to_pylist() == [1.0, None]
    assert batch.column("code").to_pylist() == ["7203", "9984"]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"date": pa.array(["2020-01-06", "6.1.2020"])}, "'date', row 2: '6.1.2020' is not an ISO date"),
        ({"x_0": pa.array(["1", "high"])}, "'x_0', row 2: 'high' is not a number"),
        ({"universe": pa.array([1, 0])}, "'universe' must be boolean, it is int64"),
        ({"code": pa.array(["a", None])}, "'code', row 2: no code"),
        ({"sector": pa.array([1.5, 2.5])}, "'sector', row 1: 1.5 must be a whole number"),
    ],
)
def test_a_cell_that_is_not_what_its_role_asks_is_named(
    tmp_path: Path, columns: dict[str, pa.Array], message: str
) -> None:
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


def test_every_file_must_have_the_columns_of_the_first(tmp_path: Path) -> None:
    first, second = tmp_path / "a.parquet", tmp_path / "b.parquet"
    table = _table()
    pq.write_table(table, first)
    pq.write_table(table.drop(["x_0"]), second)
    with pytest.raises(InputError, match=r"b.parquet: no column 'x_0'"):
        list(read_batches([first, second], _columns(table), table.column_names))


def test_files_may_differ_in_types_and_in_the_order_of_columns(tmp_path: Path) -> None:
    first, second = tmp_path / "a.parquet", tmp_path / "b.parquet"
    winter = [dt.datetime(d.year, d.month, d.day, 5) for d in DAYS]
    summer = [dt.datetime(2020, 7, 6, 4), dt.datetime(2020, 7, 7, 4)]
    pq.write_table(_table(date=pa.array(winter, pa.timestamp("us", "-05:00"))), first)
    later = _table(date=pa.array(summer, pa.timestamp("us", "-04:00")), x_0=pa.array([1, 2]))
    pq.write_table(later.select(later.column_names[::-1]), second)
    one, two = read_batches([first, second], _columns(later), later.column_names)
    assert one.schema == two.schema
    assert one.column("date").to_pylist() == DAYS
    assert two.column("date").to_pylist() == [dt.date(2020, 7, 6), dt.date(2020, 7, 7)]


def test_a_fault_names_the_row_in_its_file(tmp_path: Path) -> None:
    codes = pa.array(["a"] * 9_000 + [" "] + ["a"] * 9)
    table = pa.table({"date": pa.array([DAYS[0]] * len(codes)), "code": codes})
    pq.write_table(table, tmp_path / "p.parquet")
    columns = _columns(_table())
    with pytest.raises(InputError, match=r"p\.parquet: column 'code', row 9,001: no code"):
        list(read_batches([tmp_path / "p.parquet"], columns, ["date", "code"], bytes_per_batch=1))


def _batches(panel: Path, scratch: Path, bytes_per_batch: int) -> list[pa.RecordBatch]:
    columns = resolve_columns(PanelSchema(), footer_names(panel), [1, 5], str(panel))
    index = index_panel([panel], columns, None)
    return list(whole_days([panel], columns, index, scratch, bytes_per_batch))


@pytest.mark.parametrize("rows", [1, 7, 19, 20, 150, 100_000])
@pytest.mark.parametrize("sort", [True, False])
def test_every_batch_holds_whole_days_in_order_and_no_row_is_lost(
    tmp_path: Path, make_panel: MakePanel, rows: int, sort: bool
) -> None:
    panel = make_panel(days=30)
    frame = pl.read_parquet(panel)
    if not sort:
        frame.sample(fraction=1, shuffle=True, seed=0).write_parquet(panel)
    width = len(frame.columns)
    batches = _batches(panel, tmp_path, 4 * width * rows)
    seen: set[object] = set()
    for batch in batches:
        days = batch.column("date").to_pylist()
        assert days == sorted(days)
        assert not seen & set(days)
        seen |= set(days)
    got = pl.concat([pl.from_arrow(b) for b in batches])  # type: ignore[type-var]
    assert isinstance(got, pl.DataFrame)
    keys = ["date", "code"]
    assert got.select(frame.columns).sort(keys).equals(frame.sort(keys))
    assert got["date"].to_list() == frame.sort("date")["date"].to_list()
    assert [p.name for p in tmp_path.iterdir()] == [panel.name]


@pytest.mark.parametrize("rows", [1, 2, 3, 7, 500])
def test_a_day_is_whole_in_however_many_batches_it_is_read(
    make_panel: MakePanel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    panel = make_panel(days=12, stocks=5)
    columns = resolve_columns(PanelSchema(), footer_names(panel), [1, 5], str(panel))
    first = pl.read_parquet(panel)["date"].unique().sort()[2]
    index = index_panel([panel], columns, first)

    def slices(*arguments: object) -> Iterator[pa.RecordBatch]:
        for batch in read_batches(*arguments):  # type: ignore[arg-type]
            yield from (batch.slice(start, rows) for start in range(0, len(batch), rows))

    monkeypatch.setattr(panel_stream, "read_batches", slices)
    found = list(whole_days([panel], columns, index, tmp_path))
    frame = pl.read_parquet(panel).filter(pl.col("date") >= first)
    assert pa.Table.from_batches(found)["code"].to_pylist() == frame["code"].to_list()
    if rows < 4:  # than a day has: then each has a batch of its own
        assert [batch["date"].unique().to_pylist() for batch in found] == [[day] for day in index.dates]
    pl.read_parquet(panel).sample(fraction=1, shuffle=True, seed=0).write_parquet(panel)
    shuffled = pl.read_parquet(panel).filter(pl.col("date") >= first).sort("date", maintain_order=True)
    found = list(whole_days([panel], columns, index_panel([panel], columns, first), tmp_path, 1))
    assert pa.Table.from_batches(found)["code"].to_pylist() == shuffled["code"].to_list()


def test_dates_may_be_eras(tmp_path: Path) -> None:
    pq.write_table(_table(date=pa.array(["era1", "era3"])), tmp_path / "p.parquet")
    columns = resolve_columns(PanelSchema(first_era="2020-01-06"), _table().column_names, [1], "panel")
    (batch,) = read_batches([tmp_path / "p.parquet"], columns, ["date"])
    assert batch["date"].to_pylist() == [dt.date(2020, 1, 6), dt.date(2020, 1, 20)]


def test_small_files_are_divided_together(tmp_path: Path) -> None:
    """A write of a file's few rows of some days costs as much as one of many rows."""
    folder, scratch = tmp_path / "panel", tmp_path / "scratch"
    folder.mkdir()
    scratch.mkdir()
    dates = [dt.date(2020, 1, 6) + dt.timedelta(day) for day in range(60)]
    files = [folder / f"{i:03d}.parquet" for i in range(60)]
    one = _table(date=dates, code=["a"] * 60, x_0=[0.5] * 60, target_1d=[0.1] * 60)
    for number, file in enumerate(files):
        pq.write_table(one.set_column(1, "code", [[f"S{number:03d}"] * 60]), file)
    index = index_panel(files, _columns(one), None, {"rare_weekdays": "keep"})
    days = whole_days(files, _columns(one), index, scratch, bytes_per_batch=600 * 4 * 4)
    rows = [next(days)]
    waiting = sorted(scratch.iterdir())
    assert len(waiting) == 5
    with pa.ipc.open_stream(str(waiting[0])) as reader:
        assert len(list(reader)) == 6
    rows += days
    assert sum(map(len, rows)) == 60 * 60
    assert rows[0].column("code").to_pylist()[:60] == [f"S{i:03d}" for i in range(60)]
