"""Statistics of the rows over which they stand are accused; those of earlier rows, and codes, are not."""

import numpy as np
import pytest
from scipy.stats import chi2, linregress

from atft.probes.finding import FALSE_ALARM
from atft.probes.own_outcomes import is_one_number, level_suspect, levels_of, stretch_suspect

DAYS, STOCKS, MONTH = 240, 60, 20
RNG = np.random.default_rng(0)
MARKET = 0.01 * RNG.standard_normal(DAYS)
BETA, SIZE = RNG.uniform(0.5, 1.5, STOCKS), RNG.uniform(0.01, 0.03, STOCKS)
RETURNS = MARKET[:, None] * BETA + SIZE * RNG.standard_t(4, (DAYS, STOCKS))
MEAN = RETURNS.mean(axis=1)
HERE = np.ones(RETURNS.shape, dtype=bool)
MONTHS = RETURNS.reshape(-1, MONTH, STOCKS)


def on_all_days(values: np.ndarray) -> np.ndarray:
    """A number of each stock, on all days."""
    return np.broadcast_to(values, RETURNS.shape).astype(np.float32)


def on_days_of_month(values: np.ndarray) -> np.ndarray:
    """A number of each month and stock, on the days of the month."""
    return values.repeat(MONTH, axis=0).astype(np.float32)


def betas(returns: np.ndarray, market: np.ndarray) -> np.ndarray:
    """Slope of each stock's returns on the market's."""
    x = market - market.mean()
    slope: np.ndarray = x @ returns / (x @ x)
    return slope


def evidence(values: np.ndarray, present: np.ndarray = HERE) -> str | None:
    """What is said of a column."""
    returns = np.where(present, RETURNS, np.nan)
    values = np.where(present, values, np.nan)
    suspect = stretch_suspect("x", values, returns, np.nanmean(returns, axis=1), present, 200)
    return suspect and suspect.evidence


WHOLE = {
    "mean return": on_all_days(RETURNS.mean(axis=0)),
    "volatility": on_all_days(16 * RETURNS.std(axis=0)),
    "beta": on_all_days(betas(RETURNS, MEAN)),
}


@pytest.mark.parametrize("what", WHOLE)
def test_a_statistic_of_all_days_is_accused(what: str) -> None:
    text = evidence(WHOLE[what])
    assert text is not None and text.startswith(
        f"it is the {what} of the rows over which it stays the same, to 0.0%"
    )
    assert "in 60 cases" in text


def test_a_month_s_statistic_on_each_of_its_days_is_accused_and_that_of_the_month_before_is_not() -> None:
    for statistic in (MONTHS.mean(axis=1), MONTHS.std(axis=1)):
        text = evidence(on_days_of_month(statistic))
        assert text is not None and "in 720 cases" in text
        before = np.roll(statistic, 1, axis=0)
        before[0] = np.nan
        assert evidence(on_days_of_month(before)) is None


def test_what_is_true_of_a_stock_and_what_earlier_days_say_is_not_accused() -> None:
    half = DAYS // 2
    honest = [
        on_all_days(BETA),
        on_all_days(SIZE),
        on_all_days(RETURNS[:half].mean(axis=0)),
        on_all_days(RETURNS[: 3 * half // 2].std(axis=0)),
        on_all_days(betas(RETURNS[:half], MEAN[:half])),
        on_all_days(np.arange(STOCKS) % 11),
        np.cumsum(RETURNS, axis=0).astype(np.float32),
    ]
    for number, values in enumerate(honest):
        assert evidence(values) is None, number


def test_stocks_that_are_listed_late_and_days_without_a_row_change_nothing() -> None:
    present = RNG.random(RETURNS.shape) < 0.95
    present[:100, ::3] = False
    std = np.nanstd(np.where(present, RETURNS, np.nan), axis=0)
    assert evidence(on_all_days(std), present) is not None


def estimate(what: str, y: np.ndarray, x: np.ndarray) -> tuple[float, float]:
    """A statistic of some rows and its standard error, as textbooks have them."""
    n, std = len(y), y.std(ddof=1)
    if what == "mean return":
        return y.mean(), std / n**0.5
    if what == "volatility":
        return std, ((y - y.mean()) ** 2).std(ddof=1) / (2 * std * n**0.5)
    line = linregress(x, y)
    return line.slope, line.stderr * ((n - 2) / n) ** 0.5


@pytest.mark.parametrize(("what", "length"), [("mean return", 5), ("volatility", 5), ("beta", 60)])
def test_the_distance_from_the_line_is_that_of_a_weighted_fit_over_the_sampling_error(
    what: str, length: int
) -> None:
    stretches = RETURNS.reshape(-1, length, STOCKS)[:, :, :20]
    market = MEAN.reshape(-1, length)
    each = [[estimate(what, s[:, i], m) for i in range(20)] for s, m in zip(stretches, market, strict=True)]
    statistic, error = np.moveaxis(np.array(each), -1, 0)
    noisy = statistic + 0.1 * error * np.random.default_rng(1).standard_normal(error.shape)
    value = 3 - 2 * noisy.astype(np.float32)
    x, y, weight = value.ravel().astype(float), statistic.ravel(), 1 / error.ravel()
    slope, level = np.polyfit(x, y, 1, w=weight)
    off = np.sqrt(((weight * (y - slope * x - level)) ** 2).sum() / (len(x) - 2))
    suspect = stretch_suspect("x", value.repeat(length, axis=0), RETURNS[:, :20], MEAN, HERE[:, :20], 1)
    assert suspect is not None and f"it is the {what} of" in suspect.evidence
    assert f"in {len(x):,} cases" in suspect.evidence
    said = float(suspect.evidence.partition(", to ")[2].partition("%")[0])
    assert said == pytest.approx(100 * off, abs=0.06)
    four = HERE[:, :20] & (np.arange(DAYS)[:, None] % length != 0)
    missing = np.where(four, value.repeat(length, axis=0), np.nan)
    suspect = stretch_suspect("x", missing, RETURNS[:, :20], MEAN, four, 1)
    assert suspect is None or what not in suspect.evidence, "a row fewer than are asked for"


def test_few_levels_are_accused_where_chance_would_hardly_ever_bring_them_so_near_to_the_line() -> None:
    rng = np.random.default_rng(3)
    level = np.arange(500) % 5
    target = rng.standard_normal(500)
    mean = np.array([target[level == one].mean() for one in range(5)])
    error = np.array([target[level == one].std(ddof=1) for one in range(5)]) / 10
    accused = []
    for scale in np.geomspace(1e-3, 0.1, 40):
        values = (mean + scale * error * np.array([1, -1, 1, -1, 1])).astype(np.float32)
        slope, begin = np.polyfit(values, mean, 1, w=1 / error)
        chance = chi2.cdf((((mean - slope * values - begin) / error) ** 2).sum(), 3)
        text = levels_text(values[level], target)
        assert text is None or chance <= FALSE_ALARM / 200
        assert text is not None or chance > FALSE_ALARM / 200 / 4
        accused.append(text is not None)
    assert 5 < sum(accused) < 35
    # Two levels of enough rows are always on a line.
    rare = np.arange(500) % 2 + 2 * (np.arange(500) % 100 < 2)
    assert levels_text(rare.astype(float), target) is None


def levels_text(values: np.ndarray, target: np.ndarray) -> str | None:
    levels = levels_of("x", values.astype(np.float32).ravel())
    suspect = levels and level_suspect(levels, "target_1d", target.ravel(), 200)
    return suspect and suspect.evidence


@pytest.mark.parametrize("many", [5, 12])
def test_a_code_that_is_replaced_by_its_mean_label_is_accused_and_the_code_is_not(many: int) -> None:
    code = on_all_days(np.arange(STOCKS) % many).astype(int)
    target = np.where(RNG.random(RETURNS.shape) < 0.02, np.nan, RETURNS)
    means = np.array([np.nanmean(target[code == one]) for one in range(many)])
    early = np.array([np.nanmean(target[:120][code[:120] == one]) for one in range(many)])
    text = levels_text(means[code], target)
    assert text is not None and text.startswith(
        f"its {many} values are the mean target_1d of the rows that have them"
    )
    assert levels_text(code, target) is None and levels_text(early[code], target) is None
    assert levels_text(np.where(code == 0, np.nan, 100 * means[code] + 3), target) is not None


def test_columns_of_three_values_and_of_many_are_not_grouped() -> None:
    assert levels_of("x", RNG.integers(3, size=5000).astype(np.float32)) is None
    assert levels_of("x", RNG.random(5000).astype(np.float32)) is None
    four = levels_of("x", RNG.integers(4, size=5000).astype(np.float32))
    assert four is not None and len(four.values) == 4
    assert levels_of("x", np.full(5000, np.nan, dtype=np.float32)) is None


def test_one_number_a_stock_is_another_for_most_and_never_changes() -> None:
    assert is_one_number(on_all_days(BETA)) and not is_one_number(on_all_days(np.arange(STOCKS) % 11))
    changes = on_all_days(BETA).copy()
    changes[5, 5] += 1
    assert not is_one_number(changes)
