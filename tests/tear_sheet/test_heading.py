"""The first lines of the page: days, stocks, warnings, and the figures of a single file."""

import dataclasses

from atft.evaluation.result import Evaluation
from atft.tear_sheet.entries import figure_text
from atft.tear_sheet.heading import sheet_heading


def test_one_file_has_a_tile_a_horizon_with_its_interval_and_the_random_band(evaluation: Evaluation) -> None:
    file = evaluation.files[0]
    text = sheet_heading(dataclasses.replace(evaluation, files=[file]))
    assert text.count('class="tile"') == len(file.horizons)
    for measured in file.horizons.values():
        rank_ic, band = measured.figures["rank_ic"], measured.band["rank_ic"]
        assert f"<b>{figure_text('rank_ic', rank_ic.value)}</b>" in text
        assert f"random: {figure_text('rank_ic', band[0])} to {figure_text('rank_ic', band[1])}" in text


def test_several_files_have_a_line_each_and_no_tile(evaluation: Evaluation) -> None:
    text = sheet_heading(evaluation)
    assert "tile" not in text and text.count("stocks a day") == 2
    for note in evaluation.files[0].notes:
        assert text.count(f"<li>{note}".replace("'", "&#x27;")) == 1, "a note of both files stands once"
