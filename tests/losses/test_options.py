"""Options of the objective: what cannot work is refused in one line, horizon weights become shares."""

import pytest

from atft.errors import InputError
from atft.losses.options import ObjectiveOptions, horizon_shares


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"terms": {"hubr": 1.0}}, r"no term 'hubr'; did you mean 'huber'"),
        ({"terms": {"ic": -1.0}}, r"objective.terms.ic must be a number >= 0, got -1.0"),
        ({"terms": {"ic": float("nan")}}, r"objective.terms.ic must be a number >= 0, got nan"),
        ({"terms": {"ic": 0.0}}, r"at least one term a weight above 0"),
        ({"terms": {}}, r"at least one term a weight above 0"),
        ({"target": "rank"}, r"objective.target 'rank' is not known"),
        ({"temperature": 0.0}, r"objective.temperature must be a number above 0, got 0.0"),
        ({"terms": {"rank_ic": 1.0, "spearman": 1.0}}, r"spearman is another name of rank_ic; keep one"),
        ({"scale_floor": 0.0}, r"objective.scale_floor must be a number above 0, got 0.0"),
        ({"ranknet_pairs": 0}, r"objective.ranknet_pairs must be at least 1, got 0"),
        ({"listnet_top": 1.5}, r"objective.listnet_top must be a share of at most 1, got 1.5"),
        (
            {"gradient_shares": {"hubr": 0.5, "ic": 0.5}},
            r"gradient_shares: 'hubr' is no term of objective.terms; did you mean 'huber'",
        ),
        ({"ndcg_grades": 0.0}, r"objective.ndcg_grades must be a number above 0, got 0.0"),
        ({"exposure_ridge": 0.0}, r"objective.exposure_ridge must be a number above 0, got 0.0"),
        ({"recency_half_life_days": -1.0}, r"recency_half_life_days must be a number >= 0 or null, got -1.0"),
        (
            {"regime_weights": {"regime_a": float("inf")}},
            r"objective.regime_weights.regime_a must be a number",
        ),
        ({"anchors": 1}, r"objective.anchors must be at least 2, got 1"),
    ],
)
def test_options_that_cannot_work_are_refused_in_one_line(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ObjectiveOptions(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1.0], r"one weight for each of the horizons \[1, 5\], got 1"),
        ({1: 1.0}, r"must name each of the horizons \[1, 5\], got \[1\]"),
        ({1: 1.0, 5: 1.0, 9: 1.0}, r"must name each of the horizons"),
        ([-1.0, 2.0], r"must be >= 0 and not all 0"),
        ([0.0, 0.0], r"must be >= 0 and not all 0"),
    ],
)
def test_horizon_weights_that_do_not_fit_are_refused(
    weights: dict[int, float] | list[float], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        horizon_shares(weights, (1, 5))


def test_horizon_weights_become_shares_of_one_in_either_spelling() -> None:
    assert horizon_shares(None, (1, 5)) == [0.5, 0.5]
    assert horizon_shares([1.0, 3.0], (1, 5)) == horizon_shares({5: 3.0, 1: 1.0}, (1, 5)) == [0.25, 0.75]
