"""Scaling with statistics of all days leaves a trace; scaling with past days, or within each day, leaves none."""

import numpy as np
import pytest
from scipy.stats import rankdata

from atft.probes.finding import FALSE_ALARM, Suspect
from atft.probes.whole_period import (
    are_ranks,
    centred_suspect,
    file_scaling_suspect,
    has_unit_range,
    is_robust_scaled,
    range_suspect,
    stock_scaling_suspect,
)

DAYS, STOCKS = 200, 30
WALK = 100 * np.exp(np.cumsum(0.02 * np.random.default_rng(0).standard_normal((DAYS, STOCKS)), axis=0))
HERE = np.ones((DAYS, STOCKS), dtype=bool)
ORDER = np.argsort(np.argsort(WALK.ravel())).reshape(WALK.shape)
SCALED = {
    "the maximum": WALK / WALK.max(axis=0),
    "the maximum and the minimum": (WALK - WALK.min(axis=0)) / np.ptp(WALK, axis=0),
    "the mean and the standard deviation": (WALK - WALK.mean(axis=0)) / WALK.std(axis=0, ddof=1),
    "the mean over": WALK / WALK.mean(axis=0),
    "over the whole file": (WALK - WALK.mean()) / WALK.std(),
    "the median and the interquartile range": (WALK - np.median(WALK, axis=0))
    / np.subtract(*np.percentile(WALK, [75, 25], axis=0)),
    "interquartile range 1 over the whole file": (WALK - np.median(WALK))
    / np.subtract(*np.percentile(WALK, [75, 25])),
    "ranks over all dates": (ORDER + 1) / ORDER.size,
    "the stock's days": np.argsort(np.argsort(WALK, axis=0), axis=0) + 0.0,
}


def in_file(values: np.ndarray, columns: int) -> Suspect | None:
    """Probe a table of days and stocks as a whole column."""
    day = np.arange(len(values)).repeat(values.shape[1])
    return file_scaling_suspect("x", values.ravel(), day, columns)


def scaling_suspect(values: np.ndarray, columns: int = 100) -> Suspect | None:
    """Probe a table of days and stocks, each with a row on each day, both ways."""
    return in_file(values, columns) or stock_scaling_suspect("x", values, HERE[:, : values.shape[1]])


@pytest.mark.parametrize("text", SCALED)
def test_whole_period_scaling_is_accused_with_its_statistic(text: str) -> None:
    suspect = scaling_suspect(SCALED[text].astype(np.float32))
    assert suspect is not None
    assert text in suspect.evidence or text == "the stock's days"


def test_honest_columns_are_not_accused() -> None:
    rng = np.random.default_rng(1)
    high = np.maximum.accumulate(WALK, axis=0)
    by_day = (WALK - WALK.mean(axis=1, keepdims=True)) / WALK.std(axis=1, keepdims=True)
    low, middle, high = np.percentile(WALK, [25, 50, 75], axis=1, keepdims=True)
    place = np.argsort(np.argsort(WALK, axis=1), axis=1) / STOCKS
    age = np.arange(DAYS)[:, None] + 7.0 * np.arange(STOCKS)
    wave = np.sin(2 * np.pi * (np.arange(DAYS)[:, None] / 20 + rng.random(STOCKS))) + rng.normal(
        size=WALK.shape
    )
    honest = [
        WALK,
        WALK / high,
        by_day,
        (WALK - middle) / (high - low),
        place,
        age,
        wave,
        rng.random(WALK.shape),
        rng.normal(size=WALK.shape),
    ]
    honest += [
        np.sign(wave),
        np.diff(wave, axis=0, prepend=0),
        rng.integers(0, 5, WALK.shape),
        np.zeros(WALK.shape),
    ]
    for number, values in enumerate(honest):
        assert scaling_suspect(values.astype(np.float32)) is None, number


def test_ranks_and_their_normal_quantiles_are_known_from_uniform_noise() -> None:
    from scipy.special import ndtri

    ranks = (np.random.default_rng(0).permutation(5000) + 0.5) / 5000
    assert are_ranks(ranks) == "ranks" and are_ranks(ndtri(ranks)) == "normal quantiles of ranks"
    assert are_ranks(np.random.default_rng(0).random(5000)) == ""


def test_ranks_are_known_among_more_values_than_are_compared_first() -> None:
    from scipy.special import ndtri

    rng = np.random.default_rng(0)
    ranks = (rng.permutation(50_000) + 0.5) / 50_000
    assert are_ranks(ranks) == "ranks" and are_ranks(ndtri(ranks)) == "normal quantiles of ranks"
    # Half of the values are one, as of a column with a usual value.
    ties = rankdata(np.where(rng.random(50_000) < 0.5, 0, rng.standard_normal(50_000)))
    assert are_ranks(ties) == "ranks"
    # Amounts and a few zeros: as normal quantiles all amounts are the highest, to the rounding of a number.
    for n in (5000, 50_000):
        assert are_ranks(np.where(rng.random(n) < 0.01, 0, np.exp(rng.normal(12, 2, n)))) == ""
    assert are_ranks(rng.random(50_000)) == are_ranks(rng.standard_normal(50_000)) == ""


def test_a_unit_range_in_one_column_proves_nothing_and_in_many_does() -> None:
    unit = (WALK - WALK.min()) / np.ptp(WALK)
    assert has_unit_range(unit) and not has_unit_range(WALK) and not has_unit_range(np.clip(2 * unit, 0, 1))
    assert range_suspect(["a"], 10) is None
    suspect = range_suspect(list("abcdef"), 20)
    assert suspect is not None and suspect.name == "a and 5 more columns"


def lengths(stocks: int) -> np.ndarray:
    """Stocks that are listed one after another: 60 to 200 days of each."""
    present = np.ones((DAYS, stocks), dtype=bool)
    for stock, begins in enumerate(np.linspace(0, DAYS - 60, stocks).astype(int)):
        present[:begins, stock] = False
    return present


@pytest.mark.parametrize(("stocks", "least"), [(30, 10), (50, 10), (60, 12)])
def test_ten_stocks_and_a_fifth_of_all_must_be_alike(stocks: int, least: int) -> None:
    present = lengths(stocks)
    noise = np.where(present, np.random.default_rng(2).standard_normal((DAYS, stocks)), np.nan)
    moments = {
        "the mean": noise - np.nanmean(noise, axis=0),
        "the standard deviation": 3 + noise / np.nanstd(noise, axis=0),
        "the standard deviation ": 3 + noise / np.nanstd(noise, axis=0, ddof=1),
        "the maximum": noise / np.nanmax(noise, axis=0),
        "the minimum": noise / -np.nanmin(noise, axis=0),
    }
    for what, scaled in moments.items():
        for alike in (least - 1, least):
            values = noise * (1 + 0.1 * np.arange(stocks)) + 0.3 * np.arange(stocks)
            values[:, :alike] = scaled[:, :alike]
            suspect = stock_scaling_suspect("x", values, present)
            assert (suspect is not None) == (alike == least), what
        text = f"{what.strip()} over all days is the same for {least} of {stocks} stocks"
        assert suspect is not None and suspect.evidence == text


def test_statistics_count_as_one_within_a_thousandth_of_their_standard_error() -> None:
    noise = np.random.default_rng(3).standard_normal((DAYS, 30))
    noise = (noise - noise.mean(axis=0)) / noise.std(axis=0)
    apart, place = 1 + 0.001 * np.arange(30), np.linspace(-1, 1, 30)
    # Spread evenly over as many thousandths to either side, ten of thirty are within two of them or not.
    for thousandths, accused in ((2.5, True), (4.0, False)):
        offset = 1e-3 * thousandths * place / DAYS**0.5
        means = 5 + noise * apart + offset
        deviations = noise * (1 + offset / 2**0.5) + np.arange(30)
        for what, values in {"the mean": means, "the standard deviation": deviations}.items():
            suspect = stock_scaling_suspect("x", values, HERE)
            assert (suspect is not None and suspect.evidence.startswith(what)) == accused, (what, thousandths)


def test_ranks_over_a_stocks_own_days_are_accused_and_counts_and_short_histories_are_not() -> None:
    present = lengths(30)
    rng = np.random.default_rng(4)
    count = present.sum(axis=0)
    ranks = np.full(present.shape, np.nan)
    for stock in range(30):
        ranks[-count[stock] :, stock] = rng.permutation(count[stock]) + 100.0 * stock
    others = np.where(present, rng.random(present.shape) + np.arange(30), np.nan)
    for alike in (9, 10):
        values = np.where(np.arange(30) < alike, ranks, others)
        suspect = stock_scaling_suspect("x", values, present)
        assert (suspect is not None) == (alike == 10)
    assert suspect is not None
    assert suspect.evidence == "the values of 10 of 30 stocks are ranks over all of the stock's days"
    for sign in (1, -1):  # days since the stock was listed, or until its contract ends
        age = sign * np.where(present, np.cumsum(present, axis=0) + 7.0 * np.arange(30) ** 2, np.nan)
        assert stock_scaling_suspect("x", age, present) is None
    # A value that was lost after the scaling: such stocks are not asked.
    lost = np.where(np.arange(30) < 10, ranks, others)
    lost[-1, 0] = np.nan
    assert stock_scaling_suspect("x", lost, present) is None
    assert stock_scaling_suspect("x", ranks[-59:], present[-59:]) is None, "fifty-nine days"


def test_ranks_with_ties_are_ranks_to_less_than_one_place() -> None:
    rng = np.random.default_rng(5)
    ties = rankdata(rng.integers(0, 3000, 5000))
    assert are_ranks(ties) == "ranks" and are_ranks(-ties / 7 + 3) == "ranks"
    assert are_ranks(np.delete(np.sort(ties), range(2500, 2506))) == ""
    assert are_ranks(rankdata(rng.integers(0, 3000, 5000), "dense")) == "" and are_ranks(np.ones(50)) == ""


def test_a_whole_column_of_mean_0_and_deviation_1_is_accused_at_the_level_of_all_columns() -> None:
    noise = np.random.default_rng(6).standard_normal((DAYS, STOCKS)) + 0.5 * np.arange(DAYS)[:, None] / DAYS
    unit = (noise - noise.mean()) / noise.std()
    n = unit.size
    for columns in (1, 100):
        # The chance that both are within c / sqrt(n) is about 0.9 c^2.
        tolerance = (FALSE_ALARM / columns / 0.9 / n) ** 0.5
        for part, accused in ((0.9, True), (1.1, False)):
            for values in (unit + part * tolerance, unit * (1 + part * tolerance)):
                suspect = in_file(values, columns)
                assert (suspect is not None) == accused, (columns, part)
    sample = unit * ((n - 1) / n) ** 0.5
    assert in_file(sample, 100) is not None, "by n - 1"
    few = unit[:, :5] - unit[:, :5].mean()
    few /= few.std()
    assert in_file(few, 1) is not None
    few = few[1:] - few[1:].mean()
    assert in_file(few / few.std(), 1) is None, "fewer than a thousand values"


def test_quartiles_are_those_of_scaling_however_quantiles_between_two_values_are_taken() -> None:
    rng = np.random.default_rng(9)
    for n in (1001, 1002, 1003, 30_000):
        values = rng.gamma(2, size=n)
        for method in ("linear", "nearest", "lower", "higher", "midpoint"):
            low, middle, high = np.percentile(values, [25, 50, 75], method=method)
            assert is_robust_scaled((values - middle) / (high - low), 1e-6), (n, method)
        scaled = (values - middle) / (high - low)
        assert not is_robust_scaled(scaled + 0.05, 1e-3) and not is_robust_scaled(1.05 * scaled, 1e-3)


def test_a_file_of_days_scaled_by_their_own_quartiles_is_not_accused_whatever_its_quartiles_are() -> None:
    rng = np.random.default_rng(10)
    skewed = rng.gamma(2, size=(200, 31)) * (1 + rng.random((200, 1)))
    low, middle, high = np.percentile(skewed, [25, 50, 75], axis=1, keepdims=True)
    by_day = (skewed - middle) / (high - low)
    # The median of all is that of each day, and the quartiles are made to be those of scaling.
    by_day /= np.subtract(*np.percentile(by_day, [75, 25]))
    assert is_robust_scaled(by_day.ravel(), 1e-6) and in_file(by_day, 1) is None
    shifted = by_day + np.sin(np.arange(200))[:, None]
    shifted = (shifted - np.median(shifted)) / np.subtract(*np.percentile(shifted, [75, 25]))
    suspect = in_file(shifted, 1)
    assert suspect is not None and suspect.evidence.startswith("median 0 and interquartile range 1")


def test_a_median_that_a_stock_often_has_proves_nothing() -> None:
    rng = np.random.default_rng(11)
    apart = (1 + 0.1 * np.arange(STOCKS)) * rng.standard_normal((DAYS, STOCKS))
    idle = np.where(rng.random((DAYS, STOCKS)) < 0.1, 0.0, apart)  # days on which prices stay where they are
    assert (np.median(idle, axis=0) == 0).sum() >= 10
    assert stock_scaling_suspect("x", idle, HERE) is None
    suspect = stock_scaling_suspect("x", apart - np.median(apart, axis=0), HERE)
    assert (
        suspect is not None and suspect.evidence == "the median over all days is the same for 30 of 30 stocks"
    )


def test_a_unit_range_is_two_ends_that_are_each_reached_once() -> None:
    unit = np.random.default_rng(7).random((DAYS, 5))
    unit[3, 1], unit[9, 4] = 0.0, 1.0
    assert has_unit_range(unit) and has_unit_range(2 * unit - 1)
    assert not has_unit_range(unit[1:]) and not has_unit_range(unit * 2) and not has_unit_range(unit - 1)
    for end in (0.0, 1.0):
        again = unit.copy()
        again[5, 0] = end
        assert not has_unit_range(again)
    assert range_suspect(list("abcde"), 25) is not None and range_suspect(list("abcd"), 4) is None
    assert range_suspect(list("abcde"), 26) is None


def test_a_column_without_the_mean_of_all_days_is_accused_and_signs_and_days_around_0_are_not() -> None:
    day = np.arange(DAYS).repeat(STOCKS)
    trend = WALK + np.arange(DAYS)[:, None]
    line = np.polyval(np.polyfit(trend.ravel(), trend.ravel() ** 2, 1), trend)
    for values in (trend - trend.mean(), trend**2 - line):
        suspect = centred_suspect("x", values.astype(np.float32).ravel(), day, 100)
        assert suspect is not None and "the mean of all days was subtracted" in suspect.evidence
    noise = np.random.default_rng(12).normal(size=WALK.shape)
    for honest in (np.sign(trend - np.median(trend)), noise, WALK - WALK.mean(axis=1, keepdims=True)):
        assert centred_suspect("x", honest.astype(np.float32).ravel(), day, 100) is None


def test_as_many_ones_as_minus_ones_are_not_a_scaled_column() -> None:
    signs = np.where(np.random.default_rng(13).permutation(WALK.size) < WALK.size / 2, -1.0, 1.0)
    assert in_file(signs.reshape(WALK.shape), 100) is None
