"""Paired differences: the days that both have, the noise that both share, and who is compared with whom."""

import numpy as np
import pytest

from atft.evaluation.intervals import intervals
from atft.evaluation.paired import best_baseline, paired_difference, paired_differences


def market(days: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """What all scorers of a market share, and the noise of one of them."""
    rng = np.random.default_rng(0)
    return rng.standard_normal(days), rng.standard_normal(days)


def test_it_is_the_interval_of_the_difference_over_the_days_that_both_have() -> None:
    common, noise = market()
    a, b = common + 0.1 * noise + 0.05, common.copy()
    a[:10], b[-10:] = np.nan, np.nan
    found = paired_difference(a, b, 4)
    assert found == intervals({"difference": (a - b)[10:-10]}, 4)["difference"]
    assert found.value == pytest.approx(np.nanmean(a - b))


def test_what_both_share_cancels_so_that_a_small_difference_shows() -> None:
    common, noise = market()
    a, b = common + 0.1 * noise + 0.05, common
    paired = paired_difference(a, b, 0)
    alone = intervals({"a": a}, 0)["a"]
    assert paired.low > 0 and paired.t > 4
    assert alone.low < 0 < alone.high and paired.error < alone.error / 5
    assert paired_difference(b, a, 0)[0] == -paired.value


def test_equal_scorers_have_a_difference_of_exactly_nothing() -> None:
    common, _ = market()
    assert paired_difference(common, common.copy(), 0)[:4] == (0, 0, 0, 0)


def test_scorers_without_common_days_have_no_difference() -> None:
    a, b = np.full(40, np.nan), np.full(40, np.nan)
    a[:20] = b[20:] = 1.0
    assert np.isnan(paired_difference(a, b, 0)).all()
    with pytest.raises(ValueError, match="same days, got 40 and 39"):
        paired_difference(a, b[:-1], 0)


def test_all_are_compared_with_the_first_and_others_with_the_best_baseline() -> None:
    common, noise = market()
    table = {"network": common + 0.3, "other": common + 0.1 * noise, "ridge": common, "trees": common + 0.2}
    pairs = paired_differences(table, 0, baselines=["ridge", "trees"])
    assert [(p.scorer, p.against) for p in pairs] == [
        ("other", "network"),
        ("ridge", "network"),
        ("network", "trees"),
        ("other", "trees"),
    ]
    assert pairs[2].difference.value == pytest.approx(0.1) and pairs[2].days == 200
    assert pairs[1].difference[:3] == pytest.approx((-0.3, -0.3, -0.3))
    assert paired_differences({"network": common}, 0) == []
    first = paired_differences({"ridge": common, "network": common + 0.3}, 0, baselines=["ridge"])
    assert [(p.scorer, p.against) for p in first] == [("network", "ridge")]
    first = paired_differences(
        {name: table[name] for name in ("ridge", "network", "trees")}, 0, ["ridge", "trees"]
    )
    assert [(p.scorer, p.against) for p in first] == [
        ("network", "ridge"),
        ("trees", "ridge"),
        ("network", "trees"),
    ]


def test_the_best_baseline_is_chosen_on_the_days_that_all_baselines_have() -> None:
    a, b = np.array([1.0, 1.0, 9.0]), np.array([2.0, 2.0, np.nan])
    assert best_baseline({"a": a, "b": b}, ["a", "b"]) == "b"
    assert best_baseline({"a": a}, ["b"]) is None
    assert best_baseline({"a": np.full(3, np.nan)}, ["a"]) is None
