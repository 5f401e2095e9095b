"""Boosted trees: those of LightGBM called directly on the same rows, the same bits for any number of threads."""

from collections.abc import Iterator

import numpy as np
import pytest

from atft.baselines import lightgbm as module
from atft.baselines.lightgbm import PATIENCE, Trees, fit_trees
from tests.support.stock_days import matrix, planted_days


@pytest.fixture(scope="module", autouse=True)
def few_trees() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "MAX_TREES", 60)
        patch.setattr(module, "ROWS_PER_THREAD", 100)
        yield


@pytest.fixture(scope="module")
def trees() -> Trees:
    pytest.importorskip("lightgbm", reason="lightgbm is not installed")
    return fit_trees(planted_days(), planted_days(days=10, seed=1), threads=1, seed=3)


def test_scores_are_those_of_lightgbm_called_directly_on_the_same_rows(trees: Trees) -> None:
    import lightgbm

    train, val, unseen = planted_days(), planted_days(days=10, seed=1), matrix(planted_days(days=3, seed=2))
    scores = trees.score(unseen)
    for horizon in range(2):
        sets = []
        for days in (train, val):
            label = days.ranks()[:, horizon]
            known = np.isfinite(label)
            # Bins are those of all rows, as the bins of one horizon are those of the others.
            bins = sets[0] if sets else lightgbm.Dataset(matrix(days), params=trees.settings)
            rows, labels = matrix(days)[known], label[known]
            sets.append(lightgbm.Dataset(rows, labels, reference=bins, params=trees.settings))
        stop = lightgbm.early_stopping(PATIENCE, verbose=False)
        settings = {**trees.settings, "num_threads": 1}
        direct = lightgbm.train(settings, sets[0], 60, [sets[1]], callbacks=[stop])
        assert direct.best_iteration == trees.facts()["trees"][horizon]
        np.testing.assert_array_equal(scores[:, horizon], direct.predict(unseen).astype(np.float32))
        np.testing.assert_array_equal(
            trees.score(unseen, slice(horizon, horizon + 1))[:, 0], scores[:, horizon]
        )


def test_the_bits_do_not_depend_on_the_number_of_threads_but_on_the_seed(trees: Trees) -> None:
    days = planted_days(), planted_days(days=10, seed=1)
    unseen = matrix(planted_days(days=3, seed=2))
    again = fit_trees(*days, threads=2, seed=3)
    assert again.threads == 2 and trees.threads == 1
    np.testing.assert_array_equal(again.score(unseen), trees.score(unseen))
    assert not np.array_equal(fit_trees(*days, seed=4).score(unseen), trees.score(unseen))


def test_it_finds_a_line_and_a_product_on_unseen_days(trees: Trees) -> None:
    unseen = planted_days(days=10, seed=5)
    rank_ic = unseen.rank_ic(trees.score(matrix(unseen)))
    assert rank_ic[0] > 0.4 and rank_ic[1] > 0.2
