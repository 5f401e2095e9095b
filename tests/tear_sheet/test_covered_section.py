"""The section on intervals: a row a period, beside the quantiles before calibration where there is one file."""

import dataclasses

from atft.evaluation.covered_shares import CoveredShare, PeriodShare
from atft.evaluation.intervals import Interval
from atft.evaluation.result import Evaluation
from atft.tear_sheet.covered_section import TITLE, covered_part
from atft.tear_sheet.entries import Part, entries_of
from atft.tear_sheet.sheet import tear_sheet

SHARE = Interval(0.81, 0.78, 0.84, 0.015, 54.0)
RAW = Interval(0.66, 0.60, 0.72, 0.03, 22.0)


def with_intervals(evaluation: Evaluation, files: int) -> Evaluation:
    """The first files with an interval, and the quantiles that it was made of."""
    covered = [
        CoveredShare("80 %", 0.8, True, 45, SHARE, 2.5, [PeriodShare("2020 Q4", 30, SHARE)]),
        CoveredShare("q10 to q90", 0.8, False, 45, RAW, 1.75, [PeriodShare("2020 Q4", 30, RAW)]),
    ]
    shown = [
        dataclasses.replace(
            file, horizons={h: dataclasses.replace(m, covered=covered) for h, m in file.horizons.items()}
        )
        for file in evaluation.files[:files]
    ]
    return dataclasses.replace(evaluation, files=shown, differences=[])


def test_a_file_is_beside_its_quantiles_and_the_line_is_at_the_level(evaluation: Evaluation) -> None:
    alone = with_intervals(evaluation, 1)
    found = covered_part(alone, {1: entries_of(alone, 1)})
    part = found.note + "".join(map(str, found.content))
    assert "2020 Q4" in part and "share inside an interval of 80 %" in part
    assert "quantiles before calibration" in part and "q10 to q90" in part
    assert "81.0 (78.0 to 84.0)" in part and "66.0 (60.0 to 72.0)" in part and "2.5" in part
    assert "is not guaranteed" in part
    page = tear_sheet(alone)
    assert f"<h2>{TITLE}</h2>" in page


def test_several_files_are_compared_by_their_widest_interval(evaluation: Evaluation) -> None:
    both = with_intervals(evaluation, 2)
    part = "".join(map(str, covered_part(both, {1: entries_of(both, 1)}).content))
    assert "quantiles before calibration" not in part
    assert all(f"var(--{entry.role})" in part for entry in entries_of(both, 1))


def test_without_intervals_there_is_no_section(evaluation: Evaluation) -> None:
    assert covered_part(evaluation, {1: entries_of(evaluation, 1)}) == Part(TITLE)
