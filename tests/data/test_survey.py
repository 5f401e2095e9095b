from collections.abc import Callable
from datetime import date
from pathlib import Path

import polars as pl

from atft.data.survey import survey_panel
from atft.panel import PanelSchema, footer_names, resolve

MakePanel = Callable[..., Path]


def _survey(panel: Path, min_date: date | None = None):  # type: ignore[no-untyped-def]
    columns = resolve(PanelSchema(), footer_names(panel), [1, 5], str(panel))
    return survey_panel([panel], columns, min_date)


def test_the_calendar_and_its_rows_are_the_panels(make_panel: MakePanel) -> None:
    panel = make_panel()
    found = _survey(panel)
    want = pl.read_parquet(panel).group_by("date").len().sort("date")
    assert list(found.dates) == want["date"].to_list()
    assert found.rows.tolist() == want["len"].to_list()
    assert found.in_order
    assert found.dropped == 0


def test_slots_are_the_stocks_ever_in_the_universe_in_the_order_of_their_codes(make_panel: MakePanel) -> None:
    panel = make_panel()
    frame = pl.read_parquet(panel)
    late = pl.col("universe") & ((pl.col("code") != "S000") | (pl.col("date") > date(2015, 3, 2)))
    changed = frame.with_columns(universe=late & (pl.col("code") != "S007"))
    changed.sample(fraction=1.0, shuffle=True, seed=0).write_parquet(panel)
    assert list(_survey(panel).codes) == [f"S{i:03d}" for i in range(20) if i != 7]


def test_a_panel_that_is_not_in_date_order_is_noticed(make_panel: MakePanel) -> None:
    panel = make_panel()
    frame = pl.read_parquet(panel)
    frame.sort("code", "date").write_parquet(panel)
    assert not _survey(panel).in_order
    pl.concat([frame[100:], frame[:100]]).write_parquet(panel)
    assert not _survey(panel).in_order


def test_earlier_days_are_counted_as_dropped(make_panel: MakePanel) -> None:
    panel = make_panel()
    frame = pl.read_parquet(panel)
    found = _survey(panel, date(2015, 2, 2))
    assert found.dropped == frame.filter(pl.col("date") < date(2015, 2, 2)).height
    assert found.dates[0] == date(2015, 2, 2)
