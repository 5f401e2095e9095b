"""Rows of days: ranks and RankIC within each day, whatever the other days have."""

import numpy as np
import pytest
import scipy.stats

from atft.baselines.stock_days import StockDays, check_targets
from atft.errors import InputError
from tests.support.stock_days import planted_days


def test_ranks_are_scipy_s_average_ranks_of_the_day() -> None:
    days = planted_days(days=4)
    days.target[:6, 0] = 0.0  # ties
    ranks = days.ranks()
    for day in range(4):
        for horizon in range(2):
            target, rank = (a[days.rows(day), horizon] for a in (days.target, ranks))
            known = np.isfinite(target)
            wanted = (scipy.stats.rankdata(target[known]) - 0.5) / known.sum() - 0.5
            np.testing.assert_allclose(rank[known], wanted, atol=1e-6)
            assert np.isnan(rank[~known]).all()


def test_rank_ic_is_the_mean_of_scipy_s_over_the_days_that_can_be_ranked() -> None:
    days = planted_days(days=5)
    days.target[days.rows(2)] = np.nan
    score = np.random.default_rng(1).standard_normal(days.target.shape).astype(np.float32)
    found = days.rank_ic(score)
    for horizon in range(2):
        daily = []
        for day in (0, 1, 3, 4):
            s, t = (a[days.rows(day), horizon] for a in (score, days.target))
            known = np.isfinite(t)
            daily.append(scipy.stats.spearmanr(s[known], t[known]).statistic)
        assert found[horizon] == pytest.approx(np.mean(daily), abs=1e-6)
    assert np.isnan(days.rank_ic(np.zeros_like(score))).all()


def test_a_horizon_without_a_known_target_is_an_error_of_one_line() -> None:
    train, val = planted_days(), planted_days(days=3)
    unknown = StockDays(val.sizes, np.where([True, False], val.target, np.nan).astype(np.float32), val.read)
    check_targets(train, val)
    with pytest.raises(InputError, match="no validation day has known targets at every horizon"):
        check_targets(train, unknown)
