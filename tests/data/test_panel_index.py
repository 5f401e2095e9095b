"""The first pass: days and codes of a panel, and what is kept of each file."""

import tracemalloc
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from atft.data.panel_index import index_panel
from atft.errors import InputError
from atft.files.panel_files import footer_names
from atft.panel import PanelSchema, resolve_columns

MakePanel = Callable[..., Path]


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
        (lambda f: _plus(f, date(2015, 6, 3), 1), "1 date in the future, the last 2015-06-03"),
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


@pytest.mark.parametrize("share", [0.0, 0.3], ids=str)
def test_where_few_rows_have_a_return_the_last_days_whose_targets_are_to_come_are_sessions(
    share: float, make_panel: MakePanel
) -> None:
    panel = make_panel()
    frame = pl.read_parquet(panel)
    has_return = pl.Series(np.random.default_rng(0).random(len(frame)) < share)
    has_target = pl.col("date") < sorted(frame["date"].unique())[-5]
    known = {"return_1d": has_return, "target_1d": has_target, "target_5d": has_target}
    frame.with_columns(pl.when(of).then(pl.col(n)).alias(n) for n, of in known.items()).write_parquet(panel)
    index = _index(panel)
    assert index.findings == () and len(index.dates) == frame["date"].n_unique()


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


@pytest.mark.parametrize("unknown", [float("inf"), float("nan"), None])
def test_a_traded_value_that_is_infinite_or_none_is_unknown_and_changes_no_median(
    make_panel: MakePanel, unknown: float | None
) -> None:
    # What is done with infinite cells is the cache's to say.
    panel = make_panel()
    rows = pl.int_range(pl.len()) % 10 == 0
    frame = pl.read_parquet(panel).with_columns(
        traded_value=pl.when(rows).then(unknown).otherwise("traded_value")
    )
    frame.write_parquet(panel)
    assert list(_index(panel).dates) == _weekdays(frame)
    bar = pl.when(pl.col("date") == date(2015, 3, 10), ~rows).then(0.0).otherwise("traded_value")
    frame.with_columns(traded_value=bar).write_parquet(panel)
    with pytest.raises(InputError, match=r"the usual traded value: 1, the first 2015-03-10 \(0\)"):
        _index(panel)


def test_a_column_below_zero_is_no_traded_value(make_panel: MakePanel) -> None:
    panel = make_panel()
    pl.read_parquet(panel).with_columns(traded_value=pl.col("x_1")).write_parquet(panel)
    assert _index(panel).findings == ()


def test_files_that_follow_each_other_are_counted_once(make_panel: MakePanel, tmp_path: Path) -> None:
    panel = make_panel()
    frame = pl.read_parquet(panel)
    columns = resolve_columns(PanelSchema(), footer_names(panel), [1, 5], str(panel))
    days = _weekdays(frame)
    files = [tmp_path / f"{i}.parquet" for i in range(3)]
    for file, (first, last) in zip(files, ((0, 30), (30, 50), (50, len(days))), strict=True):
        rows = frame.filter(
            pl.col("date").is_in(days[first:last]) & ((pl.col("code") != "S002") | (first > 0))
        )
        rows.write_parquet(file)
    whole = index_panel(files, columns, None)
    assert [len(source.dates) for source in whole.sources] == [30, 20, len(days) - 50]
    assert whole.sources[1].codes == whole.sources[0].codes + 1 == len(whole.codes)
    assert whole.codes[-1] == "S002"
    files[0].unlink()
    codes = whole.codes[: whole.sources[0].codes]
    again = index_panel(files, columns, None, former=whole.sources[:1], former_codes=codes)
    assert (again.dates, again.codes, again.sources) == (whole.dates, whole.codes, whole.sources)
    assert again.rows.tolist() == whole.rows.tolist()
    assert index_panel([files[2], files[1]], columns, None).sources == ()


def test_files_that_share_a_day_or_are_not_sorted_are_counted_each_time(
    make_panel: MakePanel, tmp_path: Path
) -> None:
    frame = pl.read_parquet(make_panel()).sort("date")
    half = frame.filter(pl.col("date") < date(2015, 3, 2))
    rest, cut = frame[half.height :], half.height + 3
    for first, second, in_order, separate in (
        (half, rest, True, True),
        (frame[:cut], frame[cut:], True, False),
        (half.reverse(), rest, False, False),
        (half, rest.reverse(), False, False),
        (rest, half, False, False),
    ):
        files = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
        for part, file in zip((first, second), files, strict=True):
            part.write_parquet(file)
        columns = resolve_columns(PanelSchema(), frame.columns, [1, 5], "p")
        found = index_panel(files, columns, None)
        assert (found.in_order, len(found.sources)) == (in_order, 2 * separate)
        assert found.rows.sum() == frame.height


def test_a_panel_without_a_row_or_without_a_stock_to_rank_is_one_line(make_panel: MakePanel) -> None:
    panel, first_day = make_panel(), date(2015, 2, 2)
    frame = pl.read_parquet(panel)
    for changed, first, said in (
        (frame.clear(), None, r"panel\.parquet: the panel has no row; check the path"),
        (frame, date(2030, 1, 1), "the panel has no row from 2030-01-01 on; check the path"),
        (
            frame.with_columns(universe=False),
            None,
            r"no row is in the universe \('universe' is never True\)$",
        ),
        (frame.with_columns(universe=pl.col("date") < first_day), first_day, "no row is in the universe"),
    ):
        changed.write_parquet(panel)
        with pytest.raises(InputError, match=said):
            _index(panel, first)


def test_the_memory_of_counts_grows_with_days_and_not_with_stocks(tmp_path: Path) -> None:
    dates = [date(2015, 1, 5) + timedelta(7 * week + day) for week in range(40) for day in range(5)]
    one = pl.DataFrame({"date": dates, "x_0": 0.5, "target_1d": 0.01, "target_5d": 0.01})

    def peak(stocks: int) -> int:
        folder = tmp_path / str(stocks)
        folder.mkdir()
        files = [folder / f"S{i:03d}.parquet" for i in range(stocks)]
        for file in files:
            one.with_columns(code=pl.lit(file.stem)).write_parquet(file)
        columns = resolve_columns(PanelSchema(), footer_names(files[0]), [1, 5], "panel")
        tracemalloc.start()
        found = index_panel(files, columns, None)
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert len(found.codes) == stocks and set(found.rows.tolist()) == {stocks}
        return size

    peak(2)  # what is imported on the way does not count
    assert peak(24) < 2 * peak(6)
