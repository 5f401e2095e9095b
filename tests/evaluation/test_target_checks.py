"""Targets that are no returns, or that run over more days than the file says, are warned of; others are not."""

import numpy as np
import pytest

from atft.evaluation.target_checks import target_span, target_warnings

DAYS, STOCKS = 400, 60


def overlapping(days: int, apart: int = 1, seed: int = 0) -> np.ndarray:
    """Returns over so many days, of dates so many days apart, with a market; a tenth of the cells is unknown."""
    rng = np.random.default_rng(seed)
    daily = 0.02 * rng.standard_t(4, (DAYS * apart + days, STOCKS))
    daily += 0.02 * rng.standard_normal((len(daily), 1))
    total = np.concatenate([np.zeros((1, STOCKS)), daily.cumsum(axis=0)])
    starts = apart * np.arange(DAYS)
    target = total[starts + days] - total[starts]
    return np.where(rng.random(target.shape) < 0.1, np.nan, target).astype(np.float32)


def everything(target: np.ndarray) -> np.ndarray:
    return np.isfinite(target)


@pytest.mark.parametrize("days", [1, 2, 5, 10, 20])
def test_the_span_of_overlapping_returns_is_read_off_their_neighbours(days: int) -> None:
    target = overlapping(days)
    assert target_span(target, everything(target)) == pytest.approx(days, rel=0.2)
    assert target_warnings(target, everything(target), days) == []


def test_returns_of_more_days_than_the_horizon_are_warned_of() -> None:
    for days, horizon in ((2, 1), (5, 1), (20, 5), (20, 8)):
        target = overlapping(days)
        (text,) = target_warnings(target, everything(target), horizon)
        said = "1 day" if horizon == 1 else f"{horizon} days"
        assert f"not over {said}: t and figures a year are too large; state the horizon" in text
    target = overlapping(5)
    (text,) = target_warnings(target, everything(target), 1)
    assert text.startswith(
        "targets of neighbouring days are as alike as overlapping returns over about 5 days, "
    )


def test_returns_whose_dates_are_as_far_apart_do_not_overlap() -> None:
    target = overlapping(5, apart=5)
    assert target_warnings(target, everything(target), 1) == []
    four_eras = overlapping(20, apart=5)
    assert target_warnings(four_eras, everything(four_eras), 4) == []
    assert target_warnings(four_eras, everything(four_eras), 1) != []


def test_only_rows_that_count_are_read_and_of_few_days_or_stocks_nothing_is_said() -> None:
    target = overlapping(5)
    counts = everything(target)
    counts[:, 30:] = False
    other = np.where(counts, target, np.random.default_rng(1).standard_normal(target.shape)).astype(
        np.float32
    )
    assert target_span(other, counts) == target_span(target, counts)
    assert np.isnan(target_span(target[:10], everything(target[:10])))
    assert np.isnan(target_span(target[:, :9], everything(target[:, :9])))
    assert target_warnings(target[:10], everything(target[:10]), 1) == []
    constant = np.ones((40, 30), dtype=np.float32)
    assert np.isnan(target_span(constant, everything(constant)))


def test_a_target_that_never_changes_has_no_end_and_does_not_divide_by_zero() -> None:
    same = np.tile(overlapping(1)[:1], (40, 1))
    assert target_span(same, everything(same)) == pytest.approx(1e6)


def test_targets_in_per_cent_are_warned_of_and_a_total_loss_is_not() -> None:
    target = np.full((1, 20), -1.0, dtype=np.float32)
    assert target_warnings(target, everything(target), 1) == []
    target[0, 3] = -2.5
    (text,) = target_warnings(target, everything(target), 1)
    assert text.startswith("target falls to -2.5, no return as a fraction")
    counts = everything(target)
    counts[0, 3] = False
    assert target_warnings(target, counts, 1) == []


def test_targets_that_were_ranked_or_scaled_day_by_day_are_warned_of_and_returns_are_not() -> None:
    target = overlapping(1)
    days, known = target.astype(np.float64), np.isfinite(target)
    place = np.where(known, np.nan_to_num(days, nan=np.inf).argsort(axis=1).argsort(axis=1), np.nan)
    share = place / (known.sum(axis=1, keepdims=True) - 1) - 0.5
    mean, deviation = np.nanmean(days, axis=1, keepdims=True), np.nanstd(days, axis=1, keepdims=True)
    z_score = (days - mean) / deviation
    for scaled in (
        share,
        z_score,
        z_score * (1 - 1 / known.sum(axis=1, keepdims=True)) ** 0.5,
        0.02 * z_score,
    ):
        (text,) = target_warnings(scaled.astype(np.float32), known, 1)
        assert text.startswith("targets have the same standard deviation on every day")
    volatility = 0.02 * np.random.default_rng(0).lognormal(0, 0.05, (DAYS, 1))
    for honest in (days, days - mean, volatility * z_score):
        assert target_warnings(honest.astype(np.float32), known, 1) == []
    assert target_warnings(z_score[:5].astype(np.float32), known[:5], 1)[0].startswith("target falls to")
