"""Ranks of days: against scipy, with ties, negative and tiny numbers, and stocks that do not count."""

import numpy as np
import pytest
import torch
from scipy.stats import rankdata

from atft.cross_section import is_constant
from atft.evaluation.day_ranks import constant_days, in_blocks, rank_days, ranks_in_groups


def values(seed: int, kind: str) -> np.ndarray:
    rng = np.random.default_rng(seed)
    table = rng.standard_normal((70, 90))
    if kind == "ties":
        table = np.round(table)
    if kind == "tiny":
        table *= 1e-40
    if kind == "zeros":
        table = np.where(table > 0, 0.0, -0.0)
    return table.astype(np.float32)


@pytest.mark.parametrize("kind", ["plain", "ties", "tiny", "zeros"])
def test_average_ranks_equal_those_of_scipy(kind: str) -> None:
    table = values(0, kind)
    valid = np.random.default_rng(1).random(table.shape) < 0.8
    ranked = rank_days(table, valid)
    for day in range(len(table)):
        use = valid[day]
        ranks = (ranked.first[day, use] + ranked.last[day, use]) / 2 + 1
        np.testing.assert_array_equal(ranks, rankdata(table[day, use]))
        middle = 2 * rankdata(table[day, use]) - use.sum() - 1
        np.testing.assert_array_equal(ranked.centered()[day, use], middle)
        np.testing.assert_array_equal(ranked.shares()[day, use], (ranks - 1) / (use.sum() - 1))


def test_stocks_that_do_not_count_change_nothing_and_have_no_rank() -> None:
    table = values(0, "ties")
    valid = np.random.default_rng(1).random(table.shape) < 0.5
    other = np.where(valid, table, np.nan)
    for one, two in zip(rank_days(table, valid), rank_days(other, valid), strict=True):
        np.testing.assert_array_equal(one, two)
    assert not rank_days(table, valid).centered()[~valid].any()
    assert np.isnan(rank_days(table, valid).shares()[~valid]).all()


def test_a_day_without_an_order_is_constant() -> None:
    table = np.array([[1, 1, 1], [1, 2, 3], [1, 1 + 1e-7, 1], [np.nan, 1, 1], [5, 2, 2]], np.float32)
    valid = np.ones(table.shape, dtype=bool)
    valid[4] = [True, False, False]
    assert constant_days(table, valid).tolist() == [True, False, True, False, True]


@pytest.mark.parametrize("other", [-1e3, 0.0, 1e3, np.nan])
def test_a_day_is_constant_by_the_rule_of_the_metrics_whatever_other_stocks_have(other: float) -> None:
    steps = np.array([0, 1, 3, 2, 0, 3])
    days = [
        base * (1 + k * np.finfo(np.float32).eps * steps)
        for base in (0.1, -7.3, 1e-20, -1e20)
        for k in range(6)
    ]
    days += [np.full(6, value) for value in (np.inf, -np.inf, 0.0)] + [np.array([1.0, 1, 1, 1, 1, np.nan])]
    table = np.stack(days + days).astype(np.float32)
    valid = np.ones(table.shape, dtype=bool)
    valid[len(days) :] = [False, False, True, True, False, False]
    valid[0], valid[1], valid[2, 1:] = False, [True, True, *[False] * 4], False
    table = np.where(valid, table, np.float32(other))
    expected = is_constant(torch.from_numpy(table), torch.from_numpy(valid)).numpy()
    np.testing.assert_array_equal(constant_days(table, valid), expected)
    assert 0.2 < expected.mean() < 0.8


@pytest.mark.parametrize("kind", ["plain", "ties", "zeros"])
def test_ranks_in_groups_equal_those_of_scipy_in_each_group(kind: str) -> None:
    table, rng = values(0, kind), np.random.default_rng(1)
    valid, label = rng.random(table.shape) < 0.8, rng.integers(0, 4, table.shape)
    ranks = ranks_in_groups(table, valid, np.where(valid, label, -1), 4)
    for day, group in np.ndindex(len(table), 4):
        use = valid[day] & (label[day] == group)
        np.testing.assert_array_equal(ranks[day, use], 2 * rankdata(table[day, use]) - use.sum() - 1)
    assert not ranks[~valid].any()


@pytest.mark.parametrize("threads", ["1", "2"])
def test_blocks_of_days_give_what_all_days_give(threads: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    table = values(0, "plain")
    joined = in_blocks(lambda x: {"sum": x.sum(axis=1), "rows": x}, table)
    np.testing.assert_array_equal(joined["rows"], table)
    np.testing.assert_array_equal(joined["sum"], table.sum(axis=1))
    assert in_blocks(lambda x: {"sum": x.sum(axis=1)}, table[:0])["sum"].shape == (0,)
