"""Quantiles of the whole file leave exact counts; those of a day, and bounds that were set, leave none."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import rankdata

from atft.probes.file_quantiles import file_quantiles_suspect

DAYS, STOCKS = 200, 100
RNG = np.random.default_rng(0)
WALK = np.cumsum(RNG.standard_normal((DAYS, STOCKS)), axis=0) + 0.1 * np.arange(DAYS)[:, None]
DAY = np.arange(DAYS).repeat(STOCKS)


def evidence(values: np.ndarray, columns: int = 50) -> str | None:
    """What is said of a table of days and stocks, as a whole column."""
    suspect = file_quantiles_suspect("x", values.astype(np.float32).ravel(), DAY, columns)
    return suspect and suspect.evidence


def by_day(function: object) -> np.ndarray:
    """A function of each day's stocks."""
    return np.array([function(row) for row in WALK])  # type: ignore[operator]


@pytest.mark.parametrize("bins", [4, 5, 10, 100])
def test_bins_of_equal_counts_over_the_file_are_accused_and_bins_of_each_day_are_not(bins: int) -> None:
    whole = pd.qcut(WALK.ravel(), bins, labels=False).reshape(WALK.shape)
    rows = f"{WALK.size // bins:,}"
    text = evidence(whole)
    assert text is not None and text.startswith(
        f"its {bins} values stand in equally many rows of the file ({rows}, to "
    )
    assert evidence(-3.5 * whole) == text, "whatever the bins are called"
    assert evidence(by_day(lambda row: pd.qcut(row, min(bins, 50), labels=False))) is None
    # Where rows of days that were cut by themselves are missing, days are not even either, and the file nearly is.
    lost = RNG.random(WALK.shape) < 0.02
    assert (
        evidence(np.where(lost, np.nan, by_day(lambda row: pd.qcut(row, min(bins, 50), labels=False))))
        is None
    )


def test_bins_with_ties_and_unknown_values_are_accused() -> None:
    rough = np.where(RNG.random(WALK.shape) < 0.1, np.nan, WALK.round(3))
    assert evidence(pd.qcut(rough.ravel(), 10, labels=False).reshape(WALK.shape)) is not None


def test_three_bins_are_accused_where_they_are_the_only_column() -> None:
    thirds = pd.qcut(WALK.ravel(), 3, labels=False).reshape(WALK.shape)
    assert evidence(thirds, 1) is not None and evidence(thirds) is None


def test_two_bins_and_random_codes_prove_nothing() -> None:
    assert evidence((np.median(WALK) < WALK) + 0) is None
    for codes in (3, 5, 20):
        assert evidence(RNG.integers(codes, size=WALK.shape)) is None


@pytest.mark.parametrize("method", ["linear", "nearest"])
def test_values_clipped_at_quantiles_of_the_file_are_accused(method: str) -> None:
    low, high = np.quantile(WALK, [0.05, 0.95], method=method)  # type: ignore[call-overload]
    text = evidence(WALK.clip(low, high))
    assert text is not None and text.endswith(
        "of 20,000 rows, which is 5.0%: clipped at quantiles of all days"
    )


def test_values_clipped_at_set_bounds_or_within_days_and_ranks_of_days_are_not_accused() -> None:
    assert evidence(WALK.clip(-10, 20)) is None
    assert evidence(by_day(lambda row: row.clip(*np.quantile(row, [0.05, 0.95])))) is None
    # In a day of a hundred stocks each end of the ranks is one in a hundred, over the file as well.
    assert evidence(by_day(lambda row: rankdata(row) / STOCKS) + 1e-9 * WALK.clip(0, 0), columns=1) is None
    noise = by_day(lambda row: np.where(np.isin(row, (row.min(), row.max())), np.sign(row - row.mean()), 0))
    inner = np.where(noise == 0, RNG.uniform(-0.9, 0.9, WALK.shape), noise)
    assert evidence(inner, columns=1) is None


def test_both_ends_must_have_the_share_to_two_values_and_as_many_as_chance_hardly_ever_gives() -> None:
    ordered = np.sort(WALK.ravel())

    def clipped(below: int, above: int) -> np.ndarray:
        return WALK.clip(ordered[below - 1], ordered[-above])

    for at_end in (1000, 1002):
        assert evidence(clipped(at_end, at_end)) is not None
    for below, above in ((999, 999), (1003, 1003), (1000, 1001), (1000, 4000)):
        assert evidence(clipped(below, above)) is None
    # Seven shares, three counts near each, of up to two thousand: 21 / 2000^2 is 1 in 1000 over 190 columns.
    assert evidence(clipped(1000, 1000), 190) is not None and evidence(clipped(1000, 1000), 191) is None


def test_fewer_values_than_a_thousand_say_nothing() -> None:
    whole = pd.qcut(WALK[::20].ravel(), 10, labels=False).astype(np.float32)
    day = np.arange(10).repeat(STOCKS)
    assert file_quantiles_suspect("x", whole, day, 1) is not None
    whole[0] = np.nan
    assert file_quantiles_suspect("x", whole, day, 1) is None


@pytest.mark.parametrize("period", [4, 5, 8])
def test_a_number_that_counts_up_and_starts_again_for_each_stock_is_not_accused(period: int) -> None:
    offset = np.random.default_rng(1).integers(period, size=STOCKS)
    assert evidence((np.arange(DAYS)[:, None] + offset) % period) is None
