"""Joined columns are those of the latest row that was known, and never of a later one."""

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atft.errors import InputError
from atft.features.as_of_join import check_known, join_panel, latest_known, usable_from
from atft.features.known_rows import JoinOptions

MONDAY = date(2015, 1, 5)
DAYS = [MONDAY + timedelta(days=i) for i in range(60) if (MONDAY + timedelta(days=i)).weekday() < 5]


def panel_of(path: Path, codes: tuple[str, ...] = ("a", "b")) -> Path:
    rows = [(d, c) for d in DAYS for c in codes]
    frame = pl.DataFrame(rows, schema=["date", "code"], orient="row")
    frame.with_columns(x_0=pl.int_range(pl.len())).sample(fraction=1, shuffle=True, seed=0).write_parquet(
        path
    )
    return path


def file_of(
    path: Path, rows: list[tuple[Any, ...]], names: tuple[str, ...] = ("code", "published", "eps")
) -> Path:
    frame = pl.DataFrame(rows, schema=list(names), orient="row")
    frame.write_csv(path) if path.suffix == ".csv" else frame.write_parquet(path)
    return path


def joined(tmp_path: Path, rows: list[tuple[Any, ...]], **options: Any) -> dict[tuple[date, str], Any]:
    out = tmp_path / "out.parquet"
    file = file_of(tmp_path / "fundamentals.csv", rows)
    join_panel(panel_of(tmp_path / "panel.parquet"), file, out, JoinOptions(**options))
    frame = pl.read_parquet(out)
    return {(d, c): v for d, c, v in frame.select("date", "code", "x_eps").iter_rows()}


@pytest.mark.parametrize("lag", [0, 1, 5])
def test_a_row_gets_the_latest_row_known_the_lag_before_as_a_plain_loop_does(
    tmp_path: Path, lag: int
) -> None:
    rng = np.random.default_rng(lag)
    known = sorted({(c, MONDAY + timedelta(days=int(d))) for c in "abz" for d in rng.integers(-9, 65, 12)})
    rows = [(c, d, float(i)) for i, (c, d) in enumerate(known)]
    rows = [rows[i] for i in rng.permutation(len(rows))]
    found = joined(tmp_path, rows, lag=lag)
    for (day, code), value in found.items():
        usable = [
            (d, v)
            for c, d, v in rows
            # Trading days after the one it was known on, up to this one.
            if c == code and d <= day and sum(d < other <= day for other in DAYS) >= lag
        ]
        assert value == (max(usable)[1] if usable else None), (day, code)


@settings(max_examples=60)
@given(st.integers(0, 10_000), st.integers(1, 30), st.integers(1, 30))
def test_the_latest_known_row_is_that_of_a_plain_loop_however_late_rows_and_days_are(
    seed: int, latest_usable: int, latest_day: int
) -> None:
    rng = np.random.default_rng(seed)
    known = sorted({(int(c), int(d)) for c, d in rng.integers(0, (4, latest_usable), (12, 2))})
    code, usable = np.array(known).T
    of_row, day = rng.integers((-1, 0), (5, latest_day), (30, 2)).T
    found, matched = latest_known(code, usable, of_row, day)
    for i, row in enumerate(zip(of_row, day, strict=True)):
        rows = [k for k in range(len(known)) if code[k] == row[0] and usable[k] <= row[1]]
        assert matched[i] == bool(rows)
        assert not rows or found[i] == rows[-1]


def test_what_is_published_on_a_weekend_is_known_on_monday() -> None:
    days = np.array([(d - date(1970, 1, 1)).days for d in DAYS], np.int32)
    friday, saturday, monday = days[4], days[4] + 1, days[5]
    known = np.array([friday, saturday, monday, days[0] - 30, days[-1] + 1], np.int32)
    assert usable_from(known, days, 0).tolist() == [4, 5, 5, 0, len(days)]
    assert usable_from(known, days, 1).tolist() == [5, 5, 6, 0, len(days)]
    assert usable_from(known, days, 3).tolist()[:3] == [7, 7, 8]


def test_a_row_that_knows_what_was_published_later_is_found() -> None:
    days = np.arange(10, 20, dtype=np.int32)
    check_known(np.array([12, 12], np.int32), np.array([13, 15], np.int32), days, 1)
    for known, day in ((13, 13), (14, 13)):
        with pytest.raises(AssertionError, match="published later"):
            check_known(np.array([known], np.int32), np.array([day], np.int32), days, 1)


def test_a_value_is_unknown_again_after_its_age(tmp_path: Path) -> None:
    found = joined(tmp_path, [("a", DAYS[2], 1.5)], max_age_days=7)
    assert [d for d in DAYS if found[d, "a"] is not None] == DAYS[3:8]
    assert all(found[d, "b"] is None for d in DAYS)


def test_an_unknown_cell_of_the_latest_row_is_unknown(tmp_path: Path) -> None:
    found = joined(tmp_path, [("a", DAYS[2], 1.5), ("a", DAYS[9], None)])
    assert found[DAYS[9], "a"] == 1.5 and found[DAYS[10], "a"] is None


def test_the_day_alone_joins_values_of_the_market(tmp_path: Path) -> None:
    file = file_of(tmp_path / "vix.parquet", [(DAYS[3], 20.0), (DAYS[5], 30.0)], ("day", "vix"))
    out = tmp_path / "out.parquet"
    options = JoinOptions(on="date", known="day", prefix="regime_")
    report = join_panel(panel_of(tmp_path / "panel.parquet"), file, out, options)
    frame = pl.read_parquet(out).sort("date", "code")
    assert frame["regime_vix"].to_list() == [None] * 8 + [20.0] * 4 + [30.0] * (2 * len(DAYS) - 12)
    assert frame["known_vix"].to_list()[8] == DAYS[3]
    assert f"known on {2 * len(DAYS) - 8} of {2 * len(DAYS)} rows" in report.lines()[0]


def test_the_panels_own_columns_and_rows_stay_as_they_are(tmp_path: Path) -> None:
    panel = panel_of(tmp_path / "panel.parquet")
    file = file_of(tmp_path / "f.csv", [("a", DAYS[0], 1.0), ("gone", DAYS[0], 1.0)])
    report = join_panel(panel, file, tmp_path / "out.parquet", JoinOptions())
    out = pl.read_parquet(tmp_path / "out.parquet")
    assert out.select("date", "code", "x_0").equals(pl.read_parquet(panel))
    assert report.lines()[1] == "no row in the panel: 1 code of the file"


def test_a_column_that_is_not_joined_is_named(tmp_path: Path) -> None:
    rows = [("a", MONDAY, 1.5, "Q4", "0.39"), ("b", MONDAY, 2.5, "Q4", "n/m")]
    file = file_of(tmp_path / "f.csv", rows, ("code", "published", "eps", "quarter", "book"))
    panel, out = panel_of(tmp_path / "p.parquet"), tmp_path / "q.parquet"
    assert (
        join_panel(panel, file, out, JoinOptions()).lines()[1] == "not joined, not all numbers: quarter, book"
    )
    assert len(join_panel(panel, file, out, JoinOptions(columns=["eps"])).lines()) == 1, (
        "nor was it asked for"
    )
    with pytest.raises(InputError, match="'book', row 2: 'n/m' is not a number"):
        join_panel(panel, file, out, JoinOptions(columns=["book"]))


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        ([("a", DAYS[0], 1.0)], {"known": "publishd"}, "no column 'publishd'; did you mean 'published'"),
        ([("a", DAYS[0], 1.0)], {"on": "date,ticker"}, "no column 'ticker'"),
        ([("a", DAYS[0], 1.0)], {"lag": -1}, "lag must be at least 0 trading days, got -1: less looks ahead"),
        ([("a", DAYS[0], 1.0)], {"on": "date,code,x"}, "on must name the day and the code"),
        ([("a", DAYS[0], 1.0)], {"columns": ["eps", "book"]}, "no column matches 'book'"),
        ([("a", DAYS[0], 1.0)], {"max_age_days": 0}, "max_age_days must be at least 1"),
        ([("a", DAYS[0], 1.0)], {"first_era": "x"}, "first_era must be an ISO date"),
        (
            [("a", DAYS[0], 1.0)] * 2,
            {},
            "1 row with the code and day of another, the first of 'a' known on",
        ),
        ([("a", DAYS[0], "high")], {}, "no further column has numbers"),
        ([("a", DAYS[0], "high")], {"columns": ["eps"]}, "column 'eps', row 1: 'high' is not a number"),
        ([("a", "soon", 1.0)], {}, "row 1: 'soon' is not an ISO date"),
        ([("A", DAYS[0], 1.0)], {}, "none of its codes is in the panel; it has 'A', the panel 'a'; use"),
    ],
)
def test_a_fault_is_one_line_and_leaves_no_file(
    tmp_path: Path, rows: list[tuple[Any, ...]], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message) as error:
        joined(tmp_path, rows, **options)
    assert "\n" not in str(error.value) and len(str(error.value)) < 200
    assert not (tmp_path / "out.parquet").exists()


@pytest.mark.parametrize("on", ["date,code", "date"])
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_file_without_a_row_is_one_line(tmp_path: Path, on: str, suffix: str) -> None:
    panel = panel_of(tmp_path / "panel.parquet")
    file = file_of(tmp_path / f"f.{suffix}", [("a", DAYS[0], 1.0)])
    if suffix == "csv":
        file.write_text("code,published,eps\n")
    else:
        pl.read_parquet(file).head(0).write_parquet(file)
    with pytest.raises(InputError, match="no rows, only the names of columns"):
        join_panel(panel, file, tmp_path / "out.parquet", JoinOptions(on=on))


def test_a_panel_of_no_row_or_of_files_that_differ_is_one_line_and_of_files_alike_is_whole(
    tmp_path: Path,
) -> None:
    folder, out = tmp_path / "panel", tmp_path / "out.parquet"
    folder.mkdir()
    whole = pl.read_parquet(panel_of(tmp_path / "panel.parquet"))
    file = file_of(tmp_path / "fundamentals.csv", [("a", DAYS[3], 1.0), ("b", DAYS[9], 2.0)])
    parts = whole[:50], whole[50:]
    for name, part in zip(("a", "b"), parts, strict=True):
        part.write_parquet(folder / f"{name}.parquet")
    join_panel(folder, file, out, JoinOptions())
    together = pl.read_parquet(out)
    join_panel(tmp_path / "panel.parquet", file, out, JoinOptions())
    assert together.equals(pl.read_parquet(out)) and together["x_eps"].is_not_null().any()
    parts[1].with_columns(pl.col("x_0").cast(pl.Float64)).write_parquet(folder / "b.parquet")
    with pytest.raises(
        InputError, match=r"b\.parquet: other columns or types than a\.parquet; use the same in all files"
    ):
        join_panel(folder, file, tmp_path / "other.parquet", JoinOptions())
    whole[:0].write_parquet(tmp_path / "empty.parquet")
    with pytest.raises(InputError, match=r"empty\.parquet: the panel has no row"):
        join_panel(tmp_path / "empty.parquet", file, tmp_path / "other.parquet", JoinOptions())
    assert not (tmp_path / "other.parquet").exists()


def test_a_column_is_not_joined_twice_and_the_panel_not_overwritten(tmp_path: Path) -> None:
    panel, file = panel_of(tmp_path / "p.parquet"), file_of(tmp_path / "f.csv", [("a", DAYS[0], 1.0)])
    join_panel(panel, file, tmp_path / "q.parquet", JoinOptions())
    with pytest.raises(InputError, match="the panel has a column 'x_eps' already; set prefix"):
        join_panel(tmp_path / "q.parquet", file, tmp_path / "r.parquet", JoinOptions())
    with pytest.raises(InputError, match=r"has a column 'known_f' already; rename f\.csv, or drop it"):
        join_panel(tmp_path / "q.parquet", file, tmp_path / "r.parquet", JoinOptions(prefix="exposure_"))
    with pytest.raises(InputError, match="this command reads that file"):
        join_panel(panel, file, panel, JoinOptions())
    (tmp_path / "folder").mkdir()
    panel.rename(tmp_path / "folder" / "p.parquet")
    with pytest.raises(InputError, match="all of which is read; name another folder"):
        join_panel(tmp_path / "folder", file, tmp_path / "folder" / "q.parquet", JoinOptions())


def test_rows_dated_by_the_end_of_their_quarter_are_named(tmp_path: Path) -> None:
    ends = [date(year, month, 1) - timedelta(days=1) for year in (2012, 2013) for month in (1, 4, 7, 10)]
    file = file_of(tmp_path / "f.csv", [("a", d, 1.0) for d in ends])
    lines = join_panel(panel_of(tmp_path / "p.parquet"), file, tmp_path / "q.parquet", JoinOptions()).lines()
    assert lines[-1].startswith("WARNING 100% of the days in 'published' are the last of a month")


def test_probe_finds_fundamentals_that_were_known_before_they_were_published(
    make_panel: Callable[..., Path], tmp_path: Path
) -> None:
    from atft.panel import PanelSchema
    from atft.probes.panel_probes import panel_findings

    panel = make_panel(days=120, stocks=30)
    rows = pl.read_parquet(panel).select("date", "code", eps=pl.col("return_1d")).drop_nulls()
    calendar = sorted(rows["date"].unique())
    verdicts = {}
    # A figure that knows the day's return, dated by its own day, and by the third day before it.
    for name, shift in (("honest", 0), ("leak", 3)):
        day_of = pl.DataFrame({"date": calendar[shift:], "published": calendar[: len(calendar) - shift]})
        rows.join(day_of, on="date").select("code", "published", "eps").write_parquet(tmp_path / "f.parquet")
        out = tmp_path / f"{name}.parquet"
        join_panel(panel, tmp_path / "f.parquet", out, JoinOptions())
        found = panel_findings(out, PanelSchema())
        verdicts[name] = [f.probe for f in found if f.verdict == "LEAK" and "x_eps" in f.evidence]
    assert verdicts["honest"] == [] and "future" in verdicts["leak"]
