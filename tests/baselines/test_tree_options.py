"""Settings of the trees: what LightGBM is called with, and labels of each objective."""

from typing import Any

import numpy as np
import pytest

from atft.baselines.tree_options import GRADES, TreeOptions
from atft.errors import InputError
from tests.support.stock_days import planted_days


def test_grades_are_of_equal_size_in_the_order_of_the_day_and_unknown_where_the_target_is() -> None:
    days = planted_days(days=1, stocks=20 * GRADES)
    ranks = days.ranks()
    grades = TreeOptions(objective="lambdarank").labels(ranks)
    known = np.isfinite(days.target)
    assert (np.isfinite(grades) == known).all()
    for horizon in range(2):
        rows = known[:, horizon]
        counts = np.bincount(grades[rows, horizon].astype(int))
        assert len(counts) == GRADES and counts.max() - counts.min() <= 1
        assert (np.diff(grades[rows, horizon][np.argsort(days.target[rows, horizon])]) >= 0).all()


def test_rank_normal_labels_are_the_normal_quantiles_of_the_ranks() -> None:
    from scipy.stats import norm

    ranks = planted_days().ranks()
    labels = TreeOptions(label="rank_normal").labels(ranks)
    np.testing.assert_allclose(labels, norm.ppf(ranks.astype(np.float64) + 0.5), rtol=1e-5, atol=1e-6)
    assert TreeOptions().labels(ranks) is ranks


def test_huber_bends_at_one_standard_deviation_of_the_label() -> None:
    ranks = planted_days(days=1, stocks=4000).ranks()[:, 0]
    for label in ("rank", "rank_normal"):
        options = TreeOptions(objective="huber", label=label)  # type: ignore[arg-type]
        assert options.parameters()["alpha"] == pytest.approx(np.nanstd(options.labels(ranks)), rel=0.01)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"objective": "l3"},
            "lightgbm.objective must be one of regression, huber, lambdarank, rank_xendcg, got 'l3'",
        ),
        ({"num_leaves": 1}, "lightgbm.num_leaves is out of range, got 1"),
        ({"trees": 0}, "lightgbm.trees is out of range, got 0"),
        ({"learning_rate": float("nan")}, "lightgbm.learning_rate is out of range, got nan"),
        ({"feature_fraction": 0.0}, "lightgbm.feature_fraction is out of range, got 0.0"),
        ({"objective": "lambdarank", "label": "rank_normal"}, "rank_normal is not read by lambdarank"),
    ],
)
def test_a_value_out_of_range_is_one_line(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as error:
        TreeOptions(**values)
    assert message in str(error.value)
