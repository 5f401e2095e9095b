"""Gaps that were filled backwards are accused, gaps filled forwards and ties of the column itself are not."""

import numpy as np
import polars as pl
import pytest
from scipy.stats import binom, norm, rankdata

from atft.probes.fills import fill_suspect, interpolation_suspect, mean_fill_suspect
from atft.probes.finding import FALSE_ALARM, Suspect
from atft.probes.rank_correlations import scaled_ranks, shift_days

DAYS, STOCKS = 200, 40
RNG = np.random.default_rng(0)
RETURNS = RNG.standard_normal((DAYS, STOCKS))
WALK = np.cumsum(RETURNS, axis=0)
HERE = np.ones((DAYS, STOCKS), dtype=bool)
NEXT = scaled_ranks(shift_days(RETURNS, 1, np.nan), HERE)
HOLES = RNG.random((DAYS, STOCKS)) < 0.15
HOLES[0] = False


def filled(values: np.ndarray, forward: bool) -> np.ndarray:
    frame = pl.DataFrame(np.where(HOLES, np.nan, values)).fill_nan(None)
    return frame.select(pl.all().forward_fill() if forward else pl.all().backward_fill()).to_numpy()


@pytest.mark.parametrize(
    ("values", "text"), [(WALK, "runs of equal values"), (RETURNS, "equal the next day's")]
)
def test_a_back_filled_column_is_accused_and_a_forward_filled_one_is_not(
    values: np.ndarray, text: str
) -> None:
    suspect = fill_suspect("x", filled(values, forward=False), NEXT, HERE, 100)
    assert suspect is not None and text in suspect.evidence
    assert fill_suspect("x", filled(values, forward=True), NEXT, HERE, 100) is None
    assert fill_suspect("x", values, NEXT, HERE, 100) is None


def test_a_warm_up_filled_backwards_is_accused_and_one_filled_with_zero_is_not() -> None:
    mean = np.array([WALK[max(0, t - 19) : t + 1].mean(axis=0) for t in range(DAYS)])
    back, zero = mean.copy(), mean.copy()
    back[:19], zero[:19] = mean[19], 0
    suspect = fill_suspect("x", back, NEXT, HERE, 100)
    assert suspect is not None and "begin with 20 equal values" in suspect.evidence
    assert fill_suspect("x", zero, NEXT, HERE, 100) is None


def test_ties_of_bounded_columns_and_constants_of_short_lives_are_not_accused() -> None:
    up = np.array([(RETURNS[max(0, t - 4) : t + 1] > 0).mean(axis=0) for t in range(DAYS)])
    high = np.array([WALK[t] - WALK[max(0, t - 19) : t + 1].max(axis=0) for t in range(DAYS)])
    constant, short = np.broadcast_to(RNG.random(STOCKS), WALK.shape), HERE.copy()
    short[80:, :20] = False
    for values in (up, high, np.clip(RETURNS, -1, 1)):
        assert fill_suspect("x", values, NEXT, HERE, 100) is None
    assert fill_suspect("x", np.where(short, constant, np.nan), NEXT, short, 100) is None


def with_runs(after: int, before: int) -> np.ndarray:
    """A run of two equal values a stock, nearer to the value after it in the first ``after`` stocks."""
    stocks = after + before
    table = np.random.default_rng(1).random((12, stocks)) + 10 * np.arange(stocks)
    near_after = np.arange(stocks) < after
    table[5] = table[6] = table[4] + np.where(near_after, 2.0, 0.5)
    table[7] = table[6] + np.where(near_after, 0.5, 2.0)
    return table


def suspect_of(rows: np.ndarray, columns: int = 1, next_ranks: float = 0.0) -> Suspect | None:
    return fill_suspect("x", rows, np.full(rows.shape, next_ranks), np.ones(rows.shape, dtype=bool), columns)


def test_runs_are_accused_where_a_coin_would_hardly_ever_fall_so_often_on_the_side_after() -> None:
    for columns in (1, 100):
        for after in range(20, 41):
            accused = suspect_of(with_runs(after, 40 - after), columns) is not None
            assert accused == (binom.sf(after - 1, 40, 0.5) <= FALSE_ALARM / columns), (columns, after)
    assert suspect_of(with_runs(29, 0)) is None and suspect_of(with_runs(30, 0)) is not None


def test_runs_of_a_column_whose_values_repeat_on_more_than_a_fifth_of_the_days_say_nothing() -> None:
    rows = with_runs(40, 0)
    rows[11] = rows[10]
    assert suspect_of(rows) is not None
    rows[9] = rows[10]
    assert suspect_of(rows) is None


def test_runs_of_one_value_between_two_known_and_unequal_distances_alone_are_counted() -> None:
    rows = np.concatenate([with_runs(40, 0), with_runs(0, 4) + 1000], axis=1)
    rows[1, 40], rows[0, 41] = rows[0, 40], rows[1, 41]  # no value before
    rows[10, 42] = rows[11, 42]  # none after
    rows[7, :3], rows[4, 3:5] = np.nan, np.nan
    rows[4, 5], rows[7, 5] = rows[5, 5] - 2.0, rows[5, 5] + 2.0
    # Two stocks share a value: a bound, or a constant.
    rows[5:7, 6] = rows[5:7, 7]
    # The second and the last but one value have a value on either side.
    rows[1:3, 43], rows[9:11, 43] = rows[0, 43] + 9, rows[11, 43] + 9
    rows[3, 43], rows[8, 43] = rows[1, 43] + 1, rows[10, 43] - 99
    suspect = suspect_of(rows)
    assert suspect is not None and suspect.evidence.startswith("34 of 38 runs of equal values are nearer")


def with_warm_ups(begins: int, inside: int, length: int = 4) -> np.ndarray:
    """A hundred stocks of which some begin with equal values; ``inside`` values repeat later."""
    rng = np.random.default_rng(2)
    rows = rng.random((60, 100))
    rows[:length, :begins] = rows[0, :begins]
    again = rng.choice(2500, inside, replace=False)
    day, stock = 11 + 2 * (again // 100), again % 100
    rows[day, stock] = rows[day - 1, stock]
    # Five stocks whose first value is unknown.
    rows[0, 95:] = np.nan
    return rows


def test_warm_ups_are_accused_where_runs_of_three_are_that_rare_later() -> None:
    here = np.ones((80, 100), dtype=bool)
    here[:20] = False
    for columns in (1, 100):
        for begins in range(8, 22):
            listed_late = np.full(here.shape, 7.0)
            listed_late[20:] = with_warm_ups(begins, 1000)
            suspect = fill_suspect("x", listed_late, np.zeros(here.shape), here, columns)
            chance = binom.sf(begins - 1, 95, (1000 / (59 * 100 - 5)) ** 2)
            expected = begins >= 10 and chance <= FALSE_ALARM / columns
            assert (suspect is not None) == expected, (columns, begins)
    assert suspect is not None and suspect.evidence.startswith("21 of 95 stocks begin with 4 equal values")
    for length, accused in ((2, False), (3, True), (29, True), (30, False)):
        assert (suspect_of(with_warm_ups(40, 0, length)) is not None) == accused, length
    assert suspect_of(with_warm_ups(90, 1170)) is not None
    assert suspect_of(with_warm_ups(90, 1190)) is None, "a fifth of all values repeat"


def test_a_constant_that_most_stocks_begin_with_is_no_filled_warm_up() -> None:
    rows = with_warm_ups(40, 0)
    rows[:4, :22] = 0.5
    assert suspect_of(rows) is None
    rows[:4, 21] = 0.25
    assert suspect_of(rows) is not None


@pytest.mark.parametrize("sign", [1, -1])
def test_repeated_values_that_rank_with_the_next_return_are_accused_beyond_an_honest_columns_ic(
    sign: int,
) -> None:
    rng = np.random.default_rng(3)
    for pairs, columns, size in (
        (100, 1, 0.0),
        (30, 1, 1.0),
        (30, 10**6, 1.0),
        (90, 1, 2.0),
        (15, 1, 0.0),
        (14, 1, 0.0),
    ):
        rows, following = rng.random((12, pairs)), np.zeros((12, pairs))
        rows[2] = rows[3] = rows[1]
        noise = rng.standard_normal((2, pairs))
        following[1:3] = sign * (rankdata(rows[1]) / pairs - 0.503) * 12**0.5 + size * noise
        following[0], following[3] = 3.0, -3.0  # of values that are not the next day's
        ranks = rankdata(rows[1:3].ravel(), "ordinal")
        correlation = abs(np.corrcoef(ranks, following[1:3].ravel())[0, 1])
        values = 2 * pairs
        expected = values >= 30 and correlation - norm.isf(FALSE_ALARM / columns / 2) / values**0.5 > 0.25
        suspect = fill_suspect("x", rows, following, np.ones(rows.shape, dtype=bool), columns)
        text = f"{values} values equal the next day's"
        assert (suspect is not None and suspect.evidence.startswith(text)) == expected


def test_values_that_agree_by_chance_say_nothing_of_gaps() -> None:
    rows = np.random.default_rng(4).integers(0, 40, (200, 60)).astype(float)
    ranks = scaled_ranks(rows, np.ones(rows.shape, dtype=bool))
    assert fill_suspect("x", rows, ranks, np.ones(rows.shape, dtype=bool), 1) is None


def interpolated(values: np.ndarray, holes: np.ndarray) -> np.ndarray:
    frame = pl.DataFrame(np.where(holes, np.nan, values)).fill_nan(None)
    return frame.select(pl.all().interpolate()).to_numpy().astype(np.float32)


@pytest.mark.parametrize("values", [RETURNS, WALK, np.exp(WALK / 10)], ids=["noise", "walk", "level"])
def test_gaps_filled_by_interpolation_are_accused_and_the_column_itself_is_not(values: np.ndarray) -> None:
    suspect = interpolation_suspect("x", interpolated(values, HOLES), RETURNS, HERE)
    assert suspect is not None and "of 40 stocks are exactly between" in suspect.evidence
    assert interpolation_suspect("x", values.astype(np.float32), RETURNS, HERE) is None
    assert interpolation_suspect("x", filled(values, forward=True), RETURNS, HERE) is None
    assert interpolation_suspect("x", interpolated(values, HOLES), np.full(HERE.shape, np.nan), HERE) is None


def test_ten_stocks_and_a_fifth_of_all_must_have_two_values_exactly_between_others_thirty_in_all() -> None:
    for stocks, each, accused in (
        (9, 4, False),
        (10, 3, True),
        (10, 2, False),
        (30, 1, False),
        (15, 2, True),
    ):
        holes = np.zeros((DAYS, STOCKS), dtype=bool)
        holes[10 : 10 + 10 * each : 10, :stocks] = True
        suspect = interpolation_suspect("x", interpolated(RETURNS, holes), RETURNS, HERE)
        assert (suspect is not None) == accused, (stocks, each)
        assert suspect is None or suspect.evidence.startswith(f"{stocks * each} values of {stocks} stocks")
    some = np.tile(interpolated(RETURNS, holes), 2)
    some[:, STOCKS:] = np.random.default_rng(5).standard_normal((DAYS, STOCKS))
    moves = np.random.default_rng(6).standard_normal(some.shape)
    for count, accused in ((75, True), (76, False)):
        present = np.ones((DAYS, count), dtype=bool)
        assert (interpolation_suspect("x", some[:, :count], moves[:, :count], present) is not None) == accused


@pytest.mark.parametrize("ticks", [2, 8])
def test_honest_straight_lines_are_not_taken_for_interpolation(ticks: int) -> None:
    rng, days, stocks = np.random.default_rng(7), 3000, 20
    moves = np.where(rng.random((days, stocks)) < 0.3, 0, rng.integers(-ticks, ticks + 1, (days, stocks)))
    traded = 1000 + np.cumsum(moves, axis=0)
    # Prices adjusted for a dividend each quarter: a tick is another number in each.
    quarter = np.arange(days)[:, None] // 63
    adjusted = traded * 0.01 * (0.98 ** rng.random((1, stocks))) ** quarter
    log_return = np.where(moves == 0, 0, np.diff(np.log(adjusted), axis=0, prepend=np.nan))
    age = np.arange(days)[:, None] + 7.5 * np.arange(stocks)
    a_month = adjusted[np.arange(days) // 21 * 21]
    honest = {
        "price": adjusted,
        "mean of prices": pl.DataFrame(adjusted).select(pl.all().rolling_mean(20)).to_numpy(),
        "mean of a few prices": pl.DataFrame(adjusted).select(pl.all().rolling_mean(3)).to_numpy(),
        "mean of what is renewed monthly": pl.DataFrame(a_month).select(pl.all().rolling_mean(63)).to_numpy(),
        "age": age,
        "age of a few rows": np.where(np.arange(days)[:, None] % 20 < 5, age, rng.random(age.shape)),
        "ticks": moves,
        "position": traded,
    }
    here = np.ones(adjusted.shape, dtype=bool)
    for name, values in honest.items():
        assert interpolation_suspect("x", values.astype(np.float32), log_return, here) is None, name


def test_columns_that_are_straight_by_nature_and_gaps_of_two_rows_carried_forward_are_not_accused() -> None:
    steps = np.random.default_rng(8).standard_normal((DAYS, STOCKS))[np.arange(DAYS) // 21 * 21]
    mean = pl.DataFrame(steps).select(pl.all().rolling_mean(63)).to_numpy()
    carried = RETURNS.copy()
    for row in range(10, DAYS, 20):
        carried[row : row + 2] = carried[row - 1]
    for values in (mean, carried):
        assert interpolation_suspect("x", values.astype(np.float32), RETURNS, HERE) is None


def mean_evidence(values: np.ndarray) -> str | None:
    """What is said of gaps that were filled with a mean."""
    values = values.astype(np.float32)
    suspect = mean_fill_suspect("x", values, values.ravel(), np.arange(DAYS).repeat(STOCKS))
    return suspect and suspect.evidence


def test_gaps_filled_with_a_mean_of_all_days_are_accused() -> None:
    level = 3 + WALK + np.arange(DAYS)[:, None] / 10
    known = np.where(HOLES, np.nan, level)
    text = mean_evidence(np.where(HOLES, np.nanmean(known), level))
    assert text == f"{HOLES.sum():,} values are its mean over the whole file: gaps were filled with it"
    text = mean_evidence(np.where(HOLES, np.nanmean(known, axis=0), level))
    assert text is not None and text.endswith(
        f"of {STOCKS} stocks are the stock's mean over all days: gaps were filled with it"
    )


def test_gaps_filled_with_what_the_day_knows_and_days_that_are_scaled_by_themselves_are_not_accused() -> None:
    level = 3 + WALK + np.arange(DAYS)[:, None] / 10
    known = np.where(HOLES, np.nan, level)
    so_far = np.nancumsum(known, axis=0) / np.cumsum(~HOLES, axis=0)
    z = (known - np.nanmean(known, axis=1, keepdims=True)) / np.nanstd(known, axis=1, keepdims=True)
    ranks = rankdata(level[:, 1:], axis=1) / 40
    honest = [
        level,
        np.where(HOLES, so_far, level),
        np.where(HOLES, 0, level),
        np.where(HOLES, np.nanmean(known, axis=1, keepdims=True), level),
        np.where(HOLES, 0, z),
        np.column_stack([ranks, ranks[:, 19]]),
        np.arange(DAYS)[:, None] % 5 + 0 * level,
        np.sign(RETURNS),
        # Rounded to so coarse numbers that some are the mean by chance.
        3000 + np.random.default_rng(9).standard_normal(RETURNS.shape),
    ]
    for number, values in enumerate(honest):
        assert mean_evidence(values) is None, number
