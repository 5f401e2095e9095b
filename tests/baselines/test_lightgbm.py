"""Boosted trees: those of LightGBM called directly on the same rows, the same bits for any number of threads."""

from collections.abc import Iterator

import numpy as np
import pytest

from atft.baselines import lightgbm as module
from atft.baselines.lightgbm import FIXED, PATIENCE, Trees, bin_days, fit_binned, fit_trees
from atft.baselines.stock_days import StockDays
from atft.baselines.tree_options import RANKING, TreeOptions
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


def test_bins_that_are_read_once_give_the_bits_of_a_fit_with_each_setting(trees: Trees) -> None:
    days, unseen = (planted_days(), planted_days(days=10, seed=1)), matrix(planted_days(days=3, seed=2))
    binned = bin_days(*days, {**FIXED, "seed": 3, "feature_pre_filter": False})
    for options in (TreeOptions(num_leaves=7, lambda_l2=5.0, min_data_in_leaf=4), TreeOptions()):
        direct = fit_trees(*days, seed=3, options=options).score(unseen)
        np.testing.assert_array_equal(fit_binned(binned, options, seed=3).score(unseen), direct)
    np.testing.assert_array_equal(direct, trees.score(unseen))


@pytest.mark.parametrize("objective", RANKING)
def test_a_ranking_objective_orders_days_some_of_which_are_empty_or_unknown(objective: str) -> None:
    full = planted_days()
    sizes = np.array([0, *full.sizes[:10], 0, *full.sizes[10:], 0])
    target = full.target.copy()
    target[full.rows(4)] = np.nan
    kept = np.flatnonzero(sizes)
    days = StockDays(sizes, target, lambda place: full.read(int(np.searchsorted(kept, place))))
    options = TreeOptions(objective=objective)  # type: ignore[arg-type]
    fitted, unseen = fit_trees(days, days, options=options), planted_days(days=10, seed=5)
    assert unseen.rank_ic(fitted.score(matrix(unseen)))[0] > 0.4
    assert fitted.facts()["settings"]["objective"] == objective


def test_a_smaller_rate_has_as_many_more_trees() -> None:
    days = planted_days(), planted_days(days=10, seed=1)
    slow = fit_trees(*days, options=TreeOptions(learning_rate=0.025))
    assert 60 < max(slow.facts()["trees"]) <= 120


def test_a_fixed_number_of_trees_does_not_read_the_validation_days() -> None:
    train, noise = planted_days(), planted_days(days=10, seed=1)
    noise = StockDays(noise.sizes, -noise.target, noise.read)
    options, unseen = TreeOptions(trees=7), matrix(planted_days(days=3, seed=2))
    fixed = fit_trees(train, noise, options=options)
    assert fixed.facts()["trees"] == [7, 7]
    other = fit_trees(train, planted_days(days=10, seed=1), options=options)
    np.testing.assert_array_equal(fixed.score(unseen), other.score(unseen))
