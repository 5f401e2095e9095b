"""The ridge baseline: against scikit-learn on all rows at once."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.stats
from sklearn.linear_model import Ridge as SklearnRidge

from atft.baselines.ridge import CLIP, fit_ridge, scale_features
from atft.baselines.stock_days import StockDays
from atft.errors import InputError

MEDIAN = np.array([1.0, 0.0, -2.0, 0.0], np.float32)
IQR = np.array([2.0, 1.0, 0.5, 0.0], np.float32)
SLOPE = np.array([[1.0, 0.0], [-0.5, 0.5], [0.0, 1.0], [0.0, 0.0]])


def days(count: int = 20, stocks: int = 60, seed: int = 0) -> StockDays:
    """Features off their scale with holes, two horizons of which one knows fewer labels."""
    rng = np.random.default_rng(seed)
    of_days, targets = [], []
    for d in range(count):
        x = rng.standard_normal((stocks, 4)).astype(np.float32)
        target = (0.02 * (x @ SLOPE + rng.standard_normal((stocks, 2)))).astype(np.float32)
        valid = rng.random((stocks, 2)) < (0.9 if d % 2 else 1.0)
        valid[:, 1] &= d < count - 5
        features = (x * np.where(IQR > 0, IQR, 1) + MEDIAN).astype(np.float32)
        features[rng.random(x.shape) < 0.05] = np.nan
        of_days.append(features)
        targets.append(np.where(valid, target, np.nan).astype(np.float32))
    return StockDays(np.full(count, stocks, dtype=np.int64), np.concatenate(targets), of_days.__getitem__)


@pytest.mark.parametrize("penalty", [1e-3, 0.1, 1.0])
def test_coefficients_equal_scikit_learn_on_all_rows_at_once(penalty: float) -> None:
    fitted = fit_ridge(days(), MEDIAN, IQR, penalty)
    for h in range(2):
        xs, ys = [], []
        for features, target in days():
            use = np.isfinite(target[:, h])
            if use.sum() < 2:
                continue
            x = np.nan_to_num((features[use] - MEDIAN) / np.where(IQR > 0, IQR, 1)).clip(-CLIP, CLIP)
            rank = scipy.stats.rankdata(target[use, h])
            ys.append(scipy.stats.norm.ppf((rank - 0.5) / use.sum()))
            xs.append(x - x.mean(axis=0))
        x, y = np.concatenate(xs).astype(np.float64), np.concatenate(ys)
        oracle = SklearnRidge(alpha=penalty * len(y), fit_intercept=False).fit(x, y)
        np.testing.assert_allclose(fitted.coefficients[:, h], oracle.coef_, atol=1e-5)


def test_it_finds_the_planted_slopes_and_ranks_an_unseen_day() -> None:
    fitted = fit_ridge(days(count=60), MEDIAN, IQR)
    features, target = next(iter(days(seed=9)))
    scores = fitted.score(features)
    assert scores.shape == (60, 2) and np.isfinite(scores).all()
    for h in range(2):
        use = np.isfinite(target[:, h])
        assert scipy.stats.spearmanr(scores[use, h], target[use, h]).statistic > 0.5
        planted = SLOPE[:, h] / np.linalg.norm(SLOPE[:, h])
        found = fitted.coefficients[:, h] / np.linalg.norm(fitted.coefficients[:, h])
        assert planted @ found > 0.97


def test_scaling_is_robust_and_an_unknown_feature_is_the_median() -> None:
    scaled = scale_features(np.array([[3.0, np.nan, 1e6, 2.0]], np.float32), MEDIAN, IQR)
    np.testing.assert_array_equal(scaled, np.array([[1.0, 0.0, CLIP, 2.0]], np.float32))


def test_no_usable_day_raises_in_one_line() -> None:
    unknown = replace(days(count=2), target=np.full((120, 2), np.nan, np.float32))
    for train in (unknown, replace(unknown, sizes=unknown.sizes[:0], target=unknown.target[:0])):
        with pytest.raises(InputError, match="ridge baseline: no training day has two stocks"):
            fit_ridge(train, MEDIAN, IQR)

    one_horizon = replace(unknown, target=np.where([True, False], days(count=2).target, np.nan))
    with pytest.raises(InputError, match="two stocks with known targets at every horizon"):
        fit_ridge(one_horizon, MEDIAN, IQR)
