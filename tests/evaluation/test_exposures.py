"""Exposures of a score, and what is left of it without them, against least squares day by day."""

import numpy as np
import pytest
from scipy.stats import rankdata, spearmanr

from atft.evaluation.exposures import exposure_series


def tables() -> tuple[np.ndarray, np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    rng = np.random.default_rng(0)
    size, beta, noise, target = rng.standard_normal((4, 40, 80))
    target = target + 0.3 * noise
    counts = rng.random(size.shape) < 0.9
    return (noise + size + 0.5 * beta).astype(np.float32), target, counts, {"size": size, "beta": beta}


def test_exposures_and_the_neutral_rank_ic_equal_least_squares() -> None:
    score, target, counts, exposures = tables()
    found, neutral = exposure_series(score, target, counts, exposures)
    for day in range(0, 40, 9):
        use = counts[day]
        columns = [rankdata(values[day, use]) for values in exposures.values()]
        for name, values in exposures.items():
            expected = spearmanr(score[day, use], values[day, use]).statistic
            assert found[name][day] == pytest.approx(expected, abs=1e-9)
        design = np.column_stack([np.ones(use.sum()), *columns])
        ranks = rankdata(score[day, use])
        residual = ranks - design @ np.linalg.lstsq(design, ranks, rcond=None)[0]
        assert neutral[day] == pytest.approx(spearmanr(residual, target[day, use]).statistic, abs=1e-4)


def test_a_copied_exposure_and_an_unknown_value_change_little() -> None:
    score, target, counts, exposures = tables()
    _, neutral = exposure_series(score, target, counts, exposures)
    _, copied = exposure_series(score, target, counts, exposures | {"copy": exposures["size"]})
    np.testing.assert_allclose(copied, neutral, atol=1e-6)
    size = exposures["size"].copy()
    size[0, :5] = np.nan
    found, holes = exposure_series(score, target, counts, exposures | {"size": size})
    use = counts[0] & np.isfinite(size[0])
    assert found["size"][0] == pytest.approx(spearmanr(score[0, use], size[0, use]).statistic, abs=1e-9)
    assert abs(holes[0] - neutral[0]) < 0.1 and holes[1] == pytest.approx(neutral[1])


def test_a_day_on_which_no_exposure_is_known_has_no_neutral_rank_ic() -> None:
    score, target, counts, exposures = tables()
    _, neutral = exposure_series(score, target, counts, exposures)
    unknown = {name: values.copy() for name, values in exposures.items()}
    for values in unknown.values():
        values[10:] = np.nan
    unknown["size"][30:] = exposures["size"][30:]
    _, found = exposure_series(score, target, counts, unknown)
    _, size_alone = exposure_series(score, target, counts, {"size": exposures["size"]})
    np.testing.assert_array_equal(found[:10], neutral[:10])
    assert np.isnan(found[10:30]).all(), "all of the score is left, and nothing of it is neutral"
    np.testing.assert_allclose(found[30:], size_alone[30:], atol=1e-12)


def test_a_score_that_is_an_exposure_leaves_nothing() -> None:
    _, target, counts, exposures = tables()
    _, neutral = exposure_series(exposures["size"], target, counts, exposures)
    assert np.isnan(neutral).all()
