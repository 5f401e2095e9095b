"""Null controls: what each is, from which columns, that none reads a later day, and the verdicts."""

import math

import numpy as np
import pytest
from scipy.stats import spearmanr

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
    assert verdicts(0.04, band, 1, 0.05) == []
    assert verdicts(0.001, band, 1) == [
        "RankIC +0.0010 is inside the band of random scores, -0.0020 .. +0.0020"
    ]
    suspect = "RankIC -0.1690 is beyond ±0.10, which no honest score reaches: suspect a bug or a leak first"
    assert verdicts(-0.169, band, 1, 0.2) == [suspect]
    assert len(verdicts(0.15, (-0.3, 0.3), 1, 0.2)) == 1, "so much is chance on few stocks"
    suspect = "IC +0.1200 is beyond ±0.10, which no honest score reaches: suspect a bug or a leak first"
    assert verdicts(0.09, band, 1, 0.12) == [suspect]
    assert verdicts(0.09, band, 5, 0.12) == [] and "±0.22" in verdicts(0.23, band, 5)[0]
    assert verdicts(math.nan, band, 1) == [], "a constant score is no random one"
