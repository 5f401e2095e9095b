"""The summary: the same numbers as scipy and as the training metrics, with errors that mean something."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
import torch

from atft.evaluation.newey_west import mean_error, ratio_error
from atft.evaluation.predictions import read_horizon
from atft.evaluation.summary import SummaryRow, score_days, summarise_predictions, summarise_scorers
from atft.metrics.cross_section_metrics import CrossSectionMetrics
from small_scores import table_of


def market(days: int = 150, stocks: int = 40, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    target = 0.02 * rng.standard_normal((days, stocks))
    score = 20 * target + rng.standard_normal((days, stocks))
    valid = rng.random((days, stocks)) < 0.9
    target[~valid] = np.nan
    return score, target, valid


def row_of(
    score: np.ndarray, target: np.ndarray, valid: np.ndarray, horizon: int, min_stocks: int = 2
) -> SummaryRow:
    return summarise_scorers({"network": score}, table_of(horizon, target, valid), min_stocks)[0]


def test_each_day_equals_scipy() -> None:
    score, target, valid = market()
    days = score_days(score, target, valid)[0].counted()
    for d in (0, 63, 64, 149):
        s, t = score[d, valid[d]], target[d, valid[d]]
        assert days["spearman"][d] == pytest.approx(scipy.stats.spearmanr(s, t).statistic, abs=1e-5)
        assert days["pearson"][d] == pytest.approx(scipy.stats.pearsonr(s, t).statistic, abs=1e-5)


def test_the_report_and_the_training_metric_agree() -> None:
    score, target, valid = market()
    row = row_of(score, target, valid, 5)
    metric = CrossSectionMetrics([5])
    tensors = (torch.from_numpy(np.asarray(a, np.float32))[..., None] for a in (score, target))
    metric.update(*tensors, torch.from_numpy(valid)[..., None], torch.arange(len(score)))
    values = metric.compute()
    for name in ("rank_ic", "ic", "icir", "rank_icir", "sharpe", "sharpe_annual"):
        assert row.figures[name].value == pytest.approx(values[name].item(), rel=1e-4), name


def test_errors_are_newey_west_with_horizon_minus_one_lags() -> None:
    score, target, valid = market()
    days = score_days(score, target, valid)[0].counted()
    row = row_of(score, target, valid, 5)
    figures = row.figures
    assert figures["rank_ic"].error == mean_error(days["spearman"], 4)
    assert figures["ic"].error == mean_error(days["pearson"], 4)
    assert figures["sharpe"].error == ratio_error(days["decile_spread"], 4)
    assert figures["sharpe_annual"].error == pytest.approx(figures["sharpe"].error * np.sqrt(252 / 5))
    assert row.days == 150 and row.horizon == 5 and row.lag == 0


def test_scorers_stand_side_by_side_at_both_lags() -> None:
    score, target, valid = market()
    delayed = np.roll(target, 1, axis=1)
    rows = summarise_scorers({"network": score, "worse": -score}, table_of(1, target, valid, delayed))
    assert [(r.scorer, r.lag) for r in rows] == [("network", 0), ("network", 1), ("worse", 0), ("worse", 1)]
    rank_ic = [row.figures["rank_ic"].value for row in rows]
    assert rank_ic[0] == pytest.approx(-rank_ic[2]) and rank_ic[0] > 0.2 > abs(rank_ic[1])


def test_constant_scores_are_nan_and_unknown_days_are_not_counted() -> None:
    score, target, valid = market()
    row = row_of(np.ones_like(score), target, valid, 1)
    assert np.isnan(list(row.figures.values())).all() and row.days == 0
    unknown = target.copy()
    unknown[100:] = np.nan
    row = row_of(score, unknown, valid, 1)
    first = row_of(score[:100], target[:100], valid[:100], 1)
    assert row == first and row.days == 100
    assert np.isnan(row_of(score[:0], target[:0], valid[:0], 1).figures["rank_ic"].value)


def test_more_than_five_per_cent_of_lost_days_make_a_scorer_nan() -> None:
    score, target, valid = market(days=100)
    score[:5] = 1.0
    assert row_of(score, target, valid, 1).days == 95
    score[5] = np.nan
    assert np.isnan(row_of(score, target, valid, 1).figures["rank_ic"].value)


def test_days_of_too_few_known_targets_are_left_out_and_counted() -> None:
    score, target, valid = market(days=60)
    thin = np.zeros(60, dtype=bool)
    thin[[3, 17, 40]] = True
    target[thin, 4:] = np.nan
    row = row_of(score, target, valid, 5, 20)
    without = row_of(score[~thin], target[~thin], valid[~thin], 5)
    assert row.thin_days == 3 and row.days == 57
    assert replace(row, thin_days=0) == without
    assert row_of(score, target, valid, 5).figures != row.figures


def test_arrays_that_cannot_be_written_are_measured_too() -> None:
    arrays = [np.asarray(a, dtype=a.dtype if a.dtype == bool else np.float32) for a in market()]
    free = score_days(*arrays)[0].statistics["spearman"]
    for array in arrays:
        array.flags.writeable = False
    np.testing.assert_array_equal(score_days(*arrays)[0].statistics["spearman"], free)


def test_a_predictions_file_is_measured_with_its_oracle(predictions: Path) -> None:
    rows = summarise_predictions(predictions, split="test")
    assert [(r.scorer, r.horizon, r.lag) for r in rows] == [
        (s, h, lag) for h in (1, 5) for s in ("network", "oracle") for lag in (0, 1)
    ]
    table = read_horizon(predictions, 5, "test")
    days = score_days(table.columns["score"], table.columns["target"], table.present)[0].counted()
    rank_ic = [row.figures["rank_ic"].value for row in rows]
    assert rank_ic[4] == pytest.approx(np.nanmean(days["spearman"])) and rows[4].days == 25
    assert rank_ic[2] > rank_ic[0] > 0.2


def test_a_day_on_which_a_scorer_knows_too_few_stocks_does_not_count_for_it() -> None:
    score, target, valid = market(60, 20)
    score[::2, 4:] = np.nan
    measured = score_days(score, target, valid, min_stocks=10, skip_unscored=True)[0]
    assert np.isfinite(measured.counted()["spearman"]).tolist() == [False, True] * 30
