"""A monotone function of a label is a label; an old enough one is a feature."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import spearmanr

from atft.probes.finding import Suspect
from atft.probes.future import Futures, Label
from atft.probes.label_copies import (
    copy_suspect,
    exact_correlations,
    filled_label,
    label_reach,
    sample_labels,
)
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


def test_a_target_that_is_one_number_on_the_days_that_nothing_can_know_was_filled() -> None:
    values = np.random.default_rng(0).standard_normal((60, 12)).astype(np.float32)
    values[-5:] = 0
    everyone = np.ones(values.shape, dtype=bool)
    suspect = filled_label("y", values, everyone, 5)
    assert suspect is not None and suspect.name == "y"
    assert suspect.evidence == "is 0 for all stocks on the last 5 days: unknown labels were filled"
    one_day = filled_label("y", values + 1, everyone, 1)
    assert one_day is None, "four other days are like the last one"
    assert filled_label("y", values[:-4] + 0.5, everyone[:-4], 1) is not None
    changes = {"not all": (-1, 3, 1.0), "elsewhere": (7, slice(None), 3.0)}
    for why, (day, stocks, value) in changes.items():
        changed = values.copy()
        changed[day, stocks] = value
        assert filled_label("y", changed, everyone, 5) is None, why
    few = values.copy()
    few[-2, 4:] = np.nan
    assert filled_label("y", few, everyone, 5) is None, "four known stocks"
    steps = values + np.where(np.arange(60) < 57, 0, 1)[:, None]
    assert filled_label("y", steps, everyone, 5) is None, "two numbers"
    assert filled_label("y", values[-5:], everyone[-5:], 5) is None, "no day before them"
    others = np.where(np.arange(12) < 9, values, 9)
    assert filled_label("y", others, np.broadcast_to(np.arange(12) < 9, values.shape), 5) is not None


def label_of(values: np.ndarray) -> Label:
    return Label("y", scaled_ranks(values, np.ones(values.shape, dtype=bool)), 1, 1)


def copied_on(days: int, of: int, noise: float = 0.0, stocks: int = 40) -> Suspect | None:
    """A column that is a label on the first days, and something else on the other ones."""
    rng = np.random.default_rng(0)
    label = label_of(rng.standard_normal((of, stocks)))
    values = label.ranks + noise * rng.standard_normal(label.ranks.shape)
    values[days:] = rng.standard_normal(values[days:].shape)
    # Of a third of the stocks the column knows nothing, and nothing of what the lowest label is.
    values[:, ::3] = np.nan
    values[values < -1.2] = np.nan
    ranks = scaled_ranks(values, np.ones(values.shape, dtype=bool))
    return copy_suspect("x", ranks, sample_labels([label], label.ranks))


def test_a_copy_agrees_on_nine_of_ten_sampled_days_and_on_three_or_more() -> None:
    suspect = copied_on(22, 24)
    assert suspect is not None and suspect.evidence.endswith("as y of the same day (22 of 24 sampled days)")
    assert copied_on(21, 24) is None
    assert copied_on(3, 3) is not None and copied_on(2, 2) is None
    assert copied_on(24, 24, noise=0.1) is None, "a correlation of .99 is no copy"
    assert copied_on(24, 24, stocks=12) is not None and copied_on(24, 24, stocks=10) is None


def test_exact_correlations_are_scipys_over_the_cells_that_both_know() -> None:
    rng = np.random.default_rng(1)
    a, b = (np.where(rng.random((6, 30)) < 0.7, rng.integers(1, 9, (6, 30)), 0.0) for _ in range(2))
    a[4], b[5, 9:] = 0.0, 0.0
    a[4, :8], b[4, :8] = np.arange(1.0, 9.0), [3, 1, 2, 4, 8, 5, 7, 6]
    a[5, :9], b[5, :7], b[5, 7:9] = 1.0 + np.arange(9), 2.0 + np.arange(7), 0.0
    found = exact_correlations(a, b)
    for day in range(5):
        both = (a[day] != 0) & (b[day] != 0)
        assert found[day] == pytest.approx(spearmanr(a[day, both], b[day, both]).statistic)
    assert np.isnan(found[5]), "seven cells"


def test_the_sampled_days_are_spread_over_those_whose_next_return_is_known() -> None:
    ranks = label_of(np.random.default_rng(2).standard_normal((200, 20))).ranks
    known = ranks.copy()
    known[:100], known[150], known[199] = 0.0, 0.0, 0.0
    known[120, 3:] = 0.0
    days = sample_labels([], known).days
    assert days[0] == 100 and days[-1] == 198 and len(days) == 24 and 150 not in days
    usable = np.flatnonzero(known.any(axis=1))
    assert days.tolist() == usable[np.linspace(0, len(usable) - 1, 24).round().astype(int)].tolist()
    every = sample_labels([], np.zeros((200, 20))).days
    assert (every[0], every[-1], len(every)) == (0, 199, 24)
    assert copy_suspect("x", ranks, sample_labels([], known)) is None


@pytest.mark.parametrize(
    ("day", "named"), [(-2, False), (-1, True), (3, True), (6, False), (13, True), (14, False)]
)
def test_a_target_is_asked_for_five_days_on_either_side_of_its_own(day: int, named: bool) -> None:
    returns = label_of(np.random.default_rng(3).standard_normal((300, 40))).ranks
    # It should cover the days t + 4 to t + 8, and depends on one more.
    ranks = label_of(sum(shift_days(returns, j) for j in {*range(4, 9), day})).ranks
    suspects = label_reach([Label("y", ranks, 8, 5)], returns, np.ones(ranks.shape, dtype=bool))
    assert [f"t{day:+d} " in s.evidence and "cover t+4 to t+8" in s.evidence for s in suspects] == [
        True
    ] * named
