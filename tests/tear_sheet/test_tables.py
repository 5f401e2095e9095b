"""Tables show what was measured, what is absent and why, and every name as it is written."""

import dataclasses
from html import unescape

from atft.evaluation.figures import FIGURES
from atft.evaluation.result import Evaluation
from atft.tear_sheet.entries import entries_of, figure_text
from atft.tear_sheet.tables import (
    coverage_table,
    differences_table,
    dropped_days_table,
    extreme_days_table,
    figures_table,
    receipt_table,
    scored_table,
    settings_table,
)


def test_controls_and_the_random_band_stand_below_the_files(evaluation: Evaluation) -> None:
    entries = entries_of(evaluation, 1)
    text = scored_table(entries, 1)
    first = entries[0].measured
    order = [
        text.index(name) for name in ("&lt;b&gt;&amp;one", "two", "random, 95 %", "shuffled labels", "size")
    ]
    assert order == sorted(order)
    assert figure_text("rank_ic", first.figures["rank_ic"].value) in text
    for reason in first.absent_controls.values():
        assert reason in unescape(text)
    renamed = scored_table([entries[0]._replace(name="reversal")], 1)
    assert ">control: reversal<" in renamed and ">size<" in renamed


def test_all_figures_of_a_file_have_their_meaning(evaluation: Evaluation) -> None:
    file = evaluation.files[0]
    text = unescape(figures_table(file))
    for name in file.horizons[1].figures:
        assert FIGURES[name].meaning in text


def test_differences_name_both_files(evaluation: Evaluation) -> None:
    text = unescape(differences_table(evaluation.differences))
    assert "two minus <b>&one" in text and text.count("<tr") == 1 + len(evaluation.differences)


def test_days_have_the_names_of_both_ends_with_their_returns(evaluation: Evaluation) -> None:
    day = evaluation.files[0].horizons[1].best_days[0]
    text = unescape(extreme_days_table([day], "Best days"))
    for code, target in (*day.top, *day.bottom):
        assert f"{code} {100 * target:+.1f} %" in text


def test_rows_and_days_that_were_left_out_are_counted_by_reason(evaluation: Evaluation) -> None:
    text = coverage_table(evaluation.files)
    for reason, rows in evaluation.files[0].coverage.dropped.items():
        assert reason in text and f"<td>{rows:,}</td>" in text
    assert "no target" in (dropped_days_table(evaluation.files) or "")


def test_a_receipt_is_flat_and_without_metrics_and_absent_where_there_is_none(evaluation: Evaluation) -> None:
    text = receipt_table(evaluation.files[0]) or ""
    assert "days.train.seen" in text and "val/ic" not in text
    assert "&lt;script&gt;" in text and "<script" not in text
    assert text.count(">none</td>") == 2 and "None" not in text and "[]" not in text
    assert receipt_table(dataclasses.replace(evaluation.files[0], receipt={})) is None


def test_settings_name_files_and_leave_out_what_was_not_asked_for(evaluation: Evaluation) -> None:
    text = settings_table(evaluation)
    assert "cost_bps" in text and "two.parquet" in text and ">split<" not in text
