"""A monotone function of a label is a label; an old enough one is a feature."""

from dataclasses import replace

import numpy as np
import pytest

from atft.probes.future import Futures
from atft.probes.label_copies import copy_suspect, label_reach, sample_labels
from atft.probes.panel_grid import PanelGrid
from atft.probes.rank_correlations import scaled_ranks, shift_days


@pytest.mark.parametrize(
    ("shift", "text"),
    [
        (0, "of the same day"),
        (-3, "of 3 days before, known after 5 days only"),
        (2, "of 2 days later"),
        (-5, ""),
    ],
)
def test_a_label_is_a_leak_until_its_last_day_is_over(
    shift: int, text: str, grid: PanelGrid, futures: Futures
) -> None:
    values = np.cbrt(shift_days(grid.number("target_5d"), shift, np.nan))
    suspect = copy_suspect(
        "x", scaled_ranks(-values, grid.universe), sample_labels(futures.targets, futures.next_return)
    )
    assert (suspect is None) == (text == "")
    assert suspect is None or (text in suspect.evidence and "target_5d" in suspect.evidence)


def test_a_target_that_reaches_further_than_its_name_says_is_accused(futures: Futures) -> None:
    assert label_reach(futures.targets, futures.returns, futures.universe) == []
    one_day, five_days = futures.targets[:2]
    (suspect,) = label_reach([replace(five_days, days=3, span=3)], futures.returns, futures.universe)
    assert suspect.name == "target_5d" and "t+4" in suspect.evidence
    (early,) = label_reach([replace(one_day, days=2)], futures.returns, futures.universe)
    assert "t+1" in early.evidence
