"""A dot for each value and a line for each known interval; rows of one name stay two rows."""

import math
from dataclasses import replace
from xml.etree import ElementTree

from atft.evaluation.intervals import Interval
from atft.evaluation.result import Evaluation
from atft.tear_sheet.entries import entries_of
from atft.tear_sheet.interval_charts import Dot, decay_chart, decile_chart, dot_rows

KNOWN = Interval(0.1, 0.05, 0.15, 0.02, 5.0)
UNKNOWN = Interval(0.2, math.nan, math.nan, math.nan, math.nan)


def words(svg: str) -> list[str]:
    return [t.text or "" for t in ElementTree.fromstring(svg).iter("text")]


def test_two_rows_of_one_name_and_a_value_without_an_interval_are_drawn() -> None:
    rows = [("reversal", [Dot("score", KNOWN)]), ("reversal", [Dot("control", UNKNOWN)]), ("x" * 40, [])]
    drawing = dot_rows("rows", "1 day", rows, "RankIC", band=(-0.01, 0.01))
    assert words(drawing.svg).count("reversal") == 2 and "x" * 21 + "…" in words(drawing.svg)
    assert [key.text for key in drawing.legend] == ["95 % of random scores"]
    # One dot each, and one interval.
    assert drawing.svg.count("stroke: var(--score); stroke-width: 2.2") == 1
    assert "stroke: var(--control); stroke-width: 2.2" not in drawing.svg


def test_bars_of_deciles_and_points_of_lags_are_in_the_files_colours(evaluation: Evaluation) -> None:
    entries = entries_of(evaluation, 1)
    deciles = decile_chart("deciles", entries, "1 day")
    decay = decay_chart("decay", entries, "1 day")
    for drawing in (deciles, decay):
        assert all(f"var(--{e.role})" in drawing.svg for e in entries)
        assert len(drawing.legend) == 2
    assert {str(n) for n in range(1, 11)} <= set(words(deciles.svg))
    assert {"0", "1", "2", "3", "5", "10", "20"} <= set(words(decay.svg))
    assert f"{entries[0].measured.monotonicity:+.2f}" in deciles.note


def test_an_interval_of_few_draws_beside_its_value_is_drawn(evaluation: Evaluation) -> None:
    (entry, *_) = entries_of(evaluation, 1)
    beside = Interval(0.1, 0.2, 0.3, 0.02, 5.0)
    deciles = [decile._replace(mean=beside) for decile in entry.measured.deciles]
    decay = [row._replace(rank_ic=beside) for row in entry.measured.decay]
    few = entry._replace(measured=replace(entry.measured, deciles=deciles, decay=decay))
    for draw in (decile_chart, decay_chart):
        assert "var(--score)" in draw("few", [few], "1 day").svg
