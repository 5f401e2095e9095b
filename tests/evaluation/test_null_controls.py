"""Null controls: what each is, from which columns, that none reads a later day, and the verdicts."""

import math

import numpy as np
import pytest
from scipy.stats import spearmanr

from atft.evaluation.intervals import Interval
from atft.evaluation.null_controls import (
    CONTROLS,
    control_name,
    control_scores,
    inside_band,
    verdicts,
)
from atft.evaluation.predictions import HorizonScores

CONTROL_COLUMNS = ("return_1d", "momentum_20d", "exposure_volatility", "exposure_size", "traded_value")


def table(days: int = 60, stocks: int = 40, seed: int = 0, **changed: np.ndarray | None) -> HorizonScores:
    """All columns of the controls, filled with noise; ``changed`` replaces some, None takes one away."""
    rng = np.random.default_rng(seed)
    present = rng.random((days, stocks)) < 0.9
    names = ("score", "target", *CONTROL_COLUMNS)
    columns = {
        name: np.where(present, 0.02 * rng.standard_normal((days, stocks)), np.nan).astype(np.float32)
        for name in names
    }
    columns["target"][-5:] = np.nan
    columns = {name: values for name, values in (columns | changed).items() if values is not None}
    dates = np.datetime64("2020-01-01") + np.arange(days)
    return HorizonScores(5, dates, [f"S{i:02d}" for i in range(stocks)], present, columns)


def test_each_control_scores_the_rows_of_the_table_and_no_others() -> None:
    data = table()
    scores, absent = control_scores(data)
    assert tuple(scores) == CONTROLS and absent == {}
    for name, score in scores.items():
        assert np.isnan(score[~data.present]).all(), name
        known = data.valid() if name == "shuffled labels" else data.present
        np.testing.assert_array_equal(np.isfinite(score), known, err_msg=name)


def test_they_come_from_the_columns_that_know_them() -> None:
    data = table()
    for column in CONTROL_COLUMNS:
        data.columns[column][3:6] = np.nan  # a column of some days is not one of no values
    scores, _ = control_scores(data)
    for name, column, sign in (
        ("reversal", "return_1d", -1),
        ("momentum", "momentum_20d", 1),
        ("low volatility", "exposure_volatility", -1),
        ("size", "exposure_size", 1),
    ):
        np.testing.assert_array_equal(scores[name], sign * data.columns[column], err_msg=name)


def test_they_fall_back_on_past_returns_and_traded_value() -> None:
    data = table(momentum_20d=None, exposure_volatility=None, exposure_size=None)
    scores, absent = control_scores(data)
    assert absent == {}
    np.testing.assert_array_equal(scores["size"], data.columns["traded_value"])
    returns = data.columns["return_1d"].astype(np.float64)
    for day, stock in ((9, 0), (30, 3), (59, 7)):
        window = returns[max(0, day - 19) : day + 1, stock]
        known = window[np.isfinite(window)]
        enough = data.present[day, stock] and len(known) >= 10
        expected = (known.sum(), -known.std(ddof=1)) if enough else (math.nan, math.nan)
        got = (scores["momentum"][day, stock], scores["low volatility"][day, stock])
        assert got == pytest.approx(expected, nan_ok=True)
    assert np.isnan(scores["momentum"][:9]).all()


def test_what_a_file_lacks_is_absent_with_the_reason() -> None:
    bare = table(**dict.fromkeys(CONTROL_COLUMNS))
    scores, absent = control_scores(bare)
    assert tuple(scores) == CONTROLS[:2]
    assert absent["momentum"] == "no values in column momentum_20d or return_1d"
    assert absent["reversal"] == "no values in column return_1d"
    empty = table(return_1d=np.full((60, 40), np.nan, np.float32))
    assert set(control_scores(empty)[1]) == {"reversal"}


@pytest.mark.parametrize("without", [(), ("momentum_20d", "exposure_volatility", "exposure_size")])
def test_no_control_reads_a_later_day(without: tuple[str, ...]) -> None:
    data, noise = table(**dict.fromkeys(without)), np.random.default_rng(9)
    later = {
        name: np.where(np.arange(60)[:, None] > 30, 1e9 * noise.standard_normal(values.shape), values).astype(
            np.float32
        )
        for name, values in data.columns.items()
    }
    changed = HorizonScores(5, data.dates, data.codes, data.present, later)
    before, after = control_scores(data)[0], control_scores(changed)[0]
    for name in CONTROLS:
        np.testing.assert_array_equal(before[name][:31], after[name][:31], err_msg=name)
    assert not np.array_equal(before["reversal"], after["reversal"], equal_nan=True)


def test_shuffled_labels_keep_the_days_scores_and_know_nothing() -> None:
    data = table(days=200)
    shuffled = control_scores(data)[0]["shuffled labels"]
    valid = data.valid()
    for day in range(0, 195, 40):
        np.testing.assert_array_equal(
            np.sort(shuffled[day, valid[day]]), np.sort(data.columns["score"][day, valid[day]])
        )
    perfect = table(days=200, score=table(days=200).columns["target"])
    score = control_scores(perfect)[0]["shuffled labels"]
    ics = [
        spearmanr(score[d, valid[d]], perfect.columns["target"][d, valid[d]]).statistic for d in range(195)
    ]
    assert abs(np.mean(ics)) < 3 / math.sqrt(195 * 35)


def test_a_seed_gives_the_same_random_scores() -> None:
    data = table()
    for name in ("random", "shuffled labels"):
        first, again, other = (control_scores(data, seed)[0][name] for seed in (1, 1, 2))
        np.testing.assert_array_equal(first, again)
        assert not np.array_equal(first, other, equal_nan=True)


def test_a_control_beside_a_file_of_its_name_has_another_name() -> None:
    assert control_name("reversal", ["net", "reversal"]) == "control: reversal"
    assert control_name("reversal", ["net"]) == "reversal"


def test_a_figure_inside_the_band_and_an_implausible_ic_are_said() -> None:
    band = (-0.002, 0.002)
    assert inside_band(0.0019, band) and inside_band(-0.002, band) and not inside_band(math.nan, band)
    assert not inside_band(0.0021, band) and not inside_band(-0.01, band)
    assert verdicts(Interval(0.04), band, 1, 0.05) == []
    assert verdicts(Interval(0.001), band, 1) == [
        "RankIC +0.0010 is inside the band of random scores, -0.0020 .. +0.0020"
    ]
    suspect = "RankIC -0.1690 is beyond ±0.10, which no honest score reaches: suspect a bug or a leak first"
    assert verdicts(Interval(-0.169), band, 1, 0.2) == [suspect]
    assert len(verdicts(Interval(0.15), (-0.3, 0.3), 1, 0.2)) == 1, "so much is chance on few stocks"
    suspect = "IC +0.1200 is beyond ±0.10, which no honest score reaches: suspect a bug or a leak first"
    assert verdicts(Interval(0.09), band, 1, 0.12) == [suspect]
    assert verdicts(Interval(0.09), band, 5, 0.12) == [] and "±0.22" in verdicts(Interval(0.23), band, 5)[0]
    assert verdicts(Interval(math.nan), band, 1) == [], "a constant score is no random one"


def test_what_a_score_that_never_changes_reaches_by_chance_is_no_suspect_and_said_where_its_interval_has_0() -> (
    None
):
    slow = (
        "RankIC +0.2800 is beyond the band of random scores, but no interval excludes 0: scores that never change "
        "reach -0.3000 .. +0.3000 by chance, since targets overlap"
    )
    for ends in ((), (-0.1, 0.5)):
        assert verdicts(Interval(0.28, *ends), (-0.075, 0.075), 16, 0.3) == [slow]
    assert verdicts(Interval(0.28, 0.1, 0.4), (-0.075, 0.075), 16, 0.3) == []
    assert verdicts(Interval(-0.28, -0.4, -0.1), (-0.075, 0.075), 16, 0.3) == []
    assert "suspect a bug" in verdicts(Interval(0.31), (-0.075, 0.075), 16)[0]
    assert verdicts(Interval(0.07), (-0.06, 0.06), 1) == [], "returns of one day do not overlap"


@pytest.mark.parametrize("horizon", [5, 20])
def test_noise_that_never_changes_stays_inside_the_wider_band(horizon: int) -> None:
    rng, stocks, days, beyond = np.random.default_rng(4), 12, 100, []
    for _ in range(300):
        returns = rng.standard_normal((days + horizon - 1, stocks))
        target = np.lib.stride_tricks.sliding_window_view(returns, horizon, axis=0).sum(axis=-1)
        rank = target.argsort(axis=1).argsort(axis=1) - (stocks - 1) / 2
        score = rng.permutation(stocks) - (stocks - 1) / 2
        mean = float((rank @ score).mean() / (score @ score))
        end = 1.96 / math.sqrt(days * (stocks - 1))
        sentences = verdicts(Interval(mean), (-end, end), horizon)
        beyond.append([not sentences or "suspect" in sentences[0], abs(mean) > end])
    outside_slow, outside_random = np.mean(beyond, axis=0)
    assert outside_slow < 0.07 and outside_random > 0.3
