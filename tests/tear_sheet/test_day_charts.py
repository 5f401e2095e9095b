"""Series of days: sums before and after costs, a stroke a day, a cell a month."""

import re
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest

from atft.evaluation.result import Evaluation
from atft.tear_sheet.day_charts import (
    _summed,
    month_chart,
    rank_ic_chart,
    spread_chart,
    stocks_chart,
    turnover_chart,
)
from atft.tear_sheet.entries import entries_of


def words(svg: str) -> list[str]:
    return [t.text or "" for t in ElementTree.fromstring(svg).iter("text")]


def test_a_sum_begins_with_the_first_known_day_and_skips_unknown_ones() -> None:
    total = _summed(np.array([np.nan, 1.0, np.nan, 2.0]))
    np.testing.assert_array_equal(total, [np.nan, 1, 1, 3])


def test_gross_is_dotted_and_net_names_the_cost(evaluation: Evaluation) -> None:
    entries = entries_of(evaluation, 5)
    drawing = spread_chart("spread", entries, "5 days", 10.0)
    assert drawing.svg.count("stroke-dasharray") == 2
    assert [k.text for k in drawing.legend][-2:] == ["net of 10 bps a side", "gross"]
    assert "target of 1 day" in drawing.note


def test_each_ranked_day_of_one_file_has_a_stroke_and_several_files_have_lines_only(
    evaluation: Evaluation,
) -> None:
    entries = entries_of(evaluation, 1)
    alone, both = (rank_ic_chart("days", e, "1 day") for e in (entries[:1], entries))
    (strokes,) = re.findall(r'<path d="([^"]+)"[^>]*stroke: var\(--control\)', alone.svg)
    assert strokes.count("M") == int(np.isfinite(entries[0].measured.series["rank_ic"]).sum())
    assert "var(--control)" not in both.svg and [k.role for k in both.legend] == ["score", "file-2"]


def test_a_month_has_the_mean_of_its_days(evaluation: Evaluation) -> None:
    entry = entries_of(evaluation, 1)[0]
    found = words(month_chart("months", entry, "1 day").svg)
    months = entry.measured.dates.astype("datetime64[M]")
    values = entry.measured.series["rank_ic"]
    for month in np.unique(months[np.isfinite(values)]):
        assert f"{100 * np.nanmean(values[months == month]):+.1f}" in found
    assert {"2020", "2021", "Jan", "Dec"} <= set(found)


def test_a_month_stands_beside_its_year_where_the_file_leaves_out_years(evaluation: Evaluation) -> None:
    entry = entries_of(evaluation, 1)[0]
    dates = entry.measured.dates.copy()
    # The file is of 2020 and 2021; now of 2013 and 2021.
    old = dates < np.datetime64("2021-01-01")
    dates[old] -= np.timedelta64(7 * 366, "D")
    drawing = month_chart("months", entry._replace(measured=replace(entry.measured, dates=dates)), "1 day")
    heights = [(t.text or "", float(t.attrib["y"])) for t in ElementTree.fromstring(drawing.svg).iter("text")]
    labels = [y for text, y in heights if text in ("2013", "2021")]
    assert sorted({y for text, y in heights if text[0] in "+-"}) == pytest.approx(labels, abs=3)


def test_turnover_and_stocks_are_drawn_from_zero(evaluation: Evaluation) -> None:
    entries = entries_of(evaluation, 1)
    pairs = [(e, f.coverage) for e, f in zip(entries, evaluation.files, strict=True)]
    for drawing in (turnover_chart("t", entries, "1 day"), stocks_chart("s", "Stocks", pairs)):
        assert "0" in words(drawing.svg) and len(drawing.legend) == 2
