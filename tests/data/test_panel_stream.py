import datetime as dt
from collections.abc import Callable
from datetime import date
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from atft.data.panel_stream import index_panel, read_batches, whole_days
from atft.errors import InputError
from atft.panel import PanelColumns, PanelSchema, footer_names, resolve_columns

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
    tmp_path: Path, make_panel: MakePanel, monkeypatch: pytest.MonkeyPatch, rows: int, sort: bool
) -> None:
    panel = make_panel(days=30)
    frame = pl.read_parquet(panel)
    if not sort:
        frame.sample(fraction=1, shuffle=True, seed=0).write_parquet(panel)
    # The reader takes at least 4,096 rows at a time; the file's row groups make the batches small here.
    pl.read_parquet(panel).write_parquet(panel, row_group_size=rows)
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


def _index(panel: Path, min_date: date | None = None):  # type: ignore[no-untyped-def]
    columns = resolve_columns(PanelSchema(), footer_names(panel), [1, 5], str(panel))
    return index_panel([panel], columns, min_date)


def test_the_calendar_and_its_rows_are_the_panels(make_panel: MakePanel) -> None:
    panel = make_panel()
    found = _index(panel)
    want = pl.read_parquet(panel).group_by("date").len().sort("date")
    assert list(found.dates) == want["date"].to_list()
    assert found.rows.tolist() == want["len"].to_list()
    assert found.in_order


def test_codes_are_in_the_order_of_their_first_days_and_those_of_one_day_ascending(
    make_panel: MakePanel,
) -> None:
    panel = make_panel(missing=0.0)
    frame = pl.read_parquet(panel)
    late = pl.col("code").is_in(["S000", "S003"]) & (pl.col("date") < date(2015, 3, 2))
    changed = frame.filter(~late).with_columns(universe=pl.col("universe") & (pl.col("code") != "S007"))
    changed.sample(fraction=1.0, shuffle=True, seed=0).write_parquet(panel)
    first = [f"S{i:03d}" for i in range(20) if i not in (0, 3)]
    assert list(_index(panel).codes) == [*first, "S000", "S003"]


def test_a_panel_that_is_not_in_date_order_is_noticed(make_panel: MakePanel) -> None:
    panel = make_panel()
    frame = pl.read_parquet(panel)
    frame.sort("code", "date").write_parquet(panel)
    assert not _index(panel).in_order
    pl.concat([frame[100:], frame[:100]]).write_parquet(panel)
    assert not _index(panel).in_order


def test_days_before_the_first_date_are_dropped(make_panel: MakePanel) -> None:
    panel = make_panel()
    frame = pl.read_parquet(panel)
    found = _index(panel, date(2015, 2, 2))
    assert found.rows.sum() == frame.filter(pl.col("date") >= date(2015, 2, 2)).height
    assert found.dates[0] == date(2015, 2, 2)


def _weekdays(frame: pl.DataFrame) -> list[date]:
    return frame["date"].unique().sort().to_list()


def _plus(frame: pl.DataFrame, day: date, rows: int | None = None) -> pl.DataFrame:
    """The panel with rows of the day before dated ``day`` too."""
    before = frame.filter(pl.col("date") < day)["date"].max()
    extra = frame.filter(pl.col("date") == before).head(rows or frame.height)
    return pl.concat([frame.filter(pl.col("date") != day), extra.with_columns(date=pl.lit(day))])


SATURDAY = date(2015, 3, 7)
UNKNOWN = ("return_1d", "target_1d", "target_5d")


@pytest.mark.parametrize(
    ("plant", "said"),
    [
        (
            lambda f: _plus(f, SATURDAY, 3),
            "dates on Saturday, when this market rarely trades: 1, .* set data.cache.calendar.rare_weekdays",
        ),
        (
            lambda f: _plus(f, date(2015, 3, 10), 3),
            "usual stocks: 1, .*2015-03-10 .3 stocks.* set data.cache.calendar.thin_days",
        ),
        (
            lambda f: _plus(f, date(2015, 3, 10)).with_columns(
                pl.when(pl.col("date") != date(2015, 3, 10)).then(pl.col(n)).alias(n) for n in UNKNOWN
            ),
            r"usual stocks: 1, the first 2015-03-10 \(0 stocks\)",
        ),
        (
            lambda f: f.with_columns(
                traded_value=pl.when(pl.col("date") == date(2015, 3, 10)).then(0.0).otherwise("traded_value")
            ),
            r"5% of the usual traded value: 1, the first 2015-03-10 \(0\)",
        ),
        (lambda f: _plus(f, date(2015, 6, 3), 1), "1 dates are in the future, the last 2015-06-03"),
    ],
    ids=["Saturday", "thin", "unknown", "holiday bar", "future"],
)
def test_a_day_that_is_no_session_is_one_line_or_leaves_no_trace(
    make_panel: MakePanel, plant: Callable[[pl.DataFrame], pl.DataFrame], said: str
) -> None:
    panel = make_panel(missing=0.0)
    frame = pl.read_parquet(panel)
    plant(frame).write_parquet(panel)
    today = date(2015, 6, 1)
    columns = resolve_columns(PanelSchema(), footer_names(panel), [1, 5], str(panel))
    with pytest.raises(InputError, match=said) as caught:
        index_panel([panel], columns, None, {}, today)
    assert "\n" not in str(caught.value)
    if "future" in said:
        return
    found = index_panel([panel], columns, None, {"rare_weekdays": "exclude", "thin_days": "exclude"}, today)
    expected = [d for d in _weekdays(frame) if "Saturday" in said or d != date(2015, 3, 10)]
    assert list(found.dates) == expected
    assert len(found.findings) == 1
    kept = index_panel([panel], columns, None, {"rare_weekdays": "keep", "thin_days": "keep"}, today)
    assert len(kept.dates) == len(expected) + 1


def test_a_stock_with_rows_on_a_day_left_out_only_is_none(make_panel: MakePanel) -> None:
    panel = make_panel(missing=0.0)
    frame = pl.read_parquet(panel)
    coin = frame.head(1).with_columns(code=pl.lit("COIN"), date=pl.lit(SATURDAY))
    pl.concat([frame, coin]).write_parquet(panel)
    columns = resolve_columns(PanelSchema(), footer_names(panel), [1, 5], str(panel))
    assert "COIN" not in index_panel([panel], columns, None, {"rare_weekdays": "exclude"}).codes
    assert "COIN" in index_panel([panel], columns, None, {"rare_weekdays": "keep"}).codes


def test_a_panel_without_returns_counts_its_rows(make_panel: MakePanel) -> None:
    panel = make_panel(missing=0.0)
    frame = pl.read_parquet(panel)
    for changed in (
        frame.drop("return_1d", "traded_value"),
        frame.with_columns(pl.lit(None, pl.Float32).alias(n) for n in ("return_1d", "target_1d")),
    ):
        changed.write_parquet(panel)
        assert list(_index(panel).dates) == _weekdays(frame)
        assert _index(panel).findings == ()


def test_a_gap_becomes_days_without_rows(make_panel: MakePanel) -> None:
    panel = make_panel(missing=0.0)
    frame = pl.read_parquet(panel)
    frame.filter(~pl.col("date").is_between(date(2015, 3, 2), date(2015, 3, 13))).write_parquet(panel)
    found = _index(panel)
    assert list(found.dates) == _weekdays(frame)
    inserted = [d for d, rows in zip(found.dates, found.rows, strict=True) if not rows]
    assert inserted == [d for d in _weekdays(frame) if date(2015, 3, 2) <= d <= date(2015, 3, 13)]
    assert (
        "gaps of more than 4 weekdays: 1, the first 2015-02-27 to 2015-03-16 (10 missing)"
        in found.findings[0]
    )


def test_a_traded_value_that_is_infinite_counts_as_unknown(make_panel: MakePanel) -> None:
    # What is done with infinite cells is the cache's to say; here they only must not change a median.
    panel = make_panel()
    rows = pl.int_range(pl.len()) % 10 == 0
    frame = pl.read_parquet(panel).with_columns(
        traded_value=pl.when(rows).then(float("inf")).otherwise("traded_value")
    )
    frame.write_parquet(panel)
    assert list(_index(panel).dates) == _weekdays(frame)


def test_a_column_below_zero_is_no_traded_value(make_panel: MakePanel) -> None:
    panel = make_panel()
    pl.read_parquet(panel).with_columns(traded_value=pl.col("x_1")).write_parquet(panel)
    assert _index(panel).findings == ()
