"""The table of ranking metrics: a row appears wherever metrics do, and days that cannot be ranked count nowhere."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from atft.day_series import mean
from atft.day_statistics import (
    RANKING_METRICS,
    MeasuredDays,
    RankingMetric,
    measure_days,
)
from atft.evaluation.comparison_table import comparison_table
from atft.evaluation.plain_table import table_text
from atft.evaluation.summary import summarise_scorers
from atft.metrics.cross_section_metrics import CrossSectionMetrics
from small_scores import table_of


def same_sign(score: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """Share of the valid stocks whose score has the sign of the target."""
    return ((score * target > 0) & valid).sum(-1) / valid.sum(-1)


def test_a_metric_is_a_function_and_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RANKING_METRICS, "same_sign", RankingMetric(same_sign, mean, "same sign", 3))
    rng = np.random.default_rng(0)
    target = rng.standard_normal((20, 30)).astype(np.float32)
    score = target + rng.standard_normal((20, 30)).astype(np.float32)
    valid = np.ones(target.shape, dtype=bool)
    share = (score * target > 0).mean()

    metric = CrossSectionMetrics([5])
    tensors = (torch.from_numpy(a)[..., None] for a in (score, target, valid))
    metric.update(*tensors, torch.arange(20))
    assert metric.compute()["same_sign_5d"].item() == pytest.approx(share, abs=1e-6)
    assert metric.compute()["same_sign"].item() == pytest.approx(share, abs=1e-6)

    rows = summarise_scorers({"network": score}, table_of(5, target))
    assert rows[0].figures["same_sign"].value == pytest.approx(share, abs=1e-6)
    lines = table_text(comparison_table(rows)).splitlines()
    assert lines[0].endswith("same sign")
    assert f"{share:+.3f} ± " in lines[-1]


def test_a_run_s_figures_are_nan_from_the_first_day_lost_beyond_a_twentieth() -> None:
    lost = torch.zeros(40, dtype=torch.bool)
    lost[:2] = True
    days = MeasuredDays({"pearson": torch.arange(40.0)}, ~torch.zeros_like(lost), lost)
    assert np.array_equal(days.counted()["pearson"], np.arange(40.0))
    lost[2] = True
    assert np.isnan(days.counted()["pearson"]).all()


def test_a_day_is_lost_when_its_scores_have_no_order_and_it_could_be_ranked() -> None:
    target = torch.tensor([[1.0, 2, 3], [1, 2, 3], [1, 2, 3], [1, 1, 1], [1, 2, 3], [1, 1, 1], [1, 2, 3]])
    score = torch.tensor(
        [[1.0, 2, 3], [1, 1, 1], [1, math.nan, 3], [1, 2, 3], [1, math.nan, 3], *[[1, 1, 1]] * 2]
    )
    valid = torch.ones(7, 3, dtype=torch.bool)
    valid[4, 1], valid[6] = False, False
    days = measure_days(score, target, valid, {"first": lambda s, t, v: s[:, 0]})
    assert days.rankable.tolist() == [True, True, True, False, True, False, False]
    assert days.lost.tolist() == [False, True, True, False, False, False, False]
    assert days.statistics["first"].isnan().tolist() == [False, False, False, True, False, True, True]


def test_scores_and_returns_of_stocks_that_are_not_valid_change_no_statistic() -> None:
    score, target = torch.arange(6.0).reshape(2, 3), torch.ones(2, 3).cumsum(-1)
    valid = torch.tensor([True, True, False])
    sums = {"sum": lambda score, target, valid: (score * target).sum(-1)}
    unknown = (torch.where(valid, x, torch.nan) for x in (score, target))
    for scores, targets in ((score, target), tuple(unknown)):
        values = measure_days(scores, targets, valid.expand(2, 3), sums).statistics["sum"]
        assert values.tolist() == [2.0, 11.0]


def test_a_sharpe_ratio_is_annualised_by_the_trades_in_a_year() -> None:
    days = {"decile_spread": np.array([0.01, 0.02, -0.01])}
    plain, annual = (RANKING_METRICS[n].value(days, 5) for n in ("sharpe", "sharpe_annual"))
    assert annual == pytest.approx(plain * math.sqrt(252 / 5))
