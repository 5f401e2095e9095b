"""Options of the objective: what cannot work is an error of one line, horizon weights become shares."""

import pytest

from atft.errors import InputError
from atft.losses.options import ObjectiveOptions, horizon_shares
from atft.losses.terms import options_of


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"terms": {"hubr": 1.0}}, r"no term 'hubr'; did you mean 'huber'"),
        ({"terms": {"ic": -1.0}}, r"model.objective.terms.ic must be a number >= 0, got -1.0"),
        ({"terms": {"ic": float("nan")}}, r"model.objective.terms.ic must be a number >= 0, got nan"),
        ({"terms": {"ic": 0.0}}, r"at least one term a weight above 0"),
        ({"terms": {}}, r"at least one term a weight above 0"),
        ({"target": "ranks"}, r"model.objective.target 'ranks' is not known"),
        (
            {"terms": {"ndcg": {"weight": 1.0, "temperature": 0.0}}},
            r"terms.ndcg.temperature must be above 0, got 0.0",
        ),
        ({"terms": {"rank_ic": 1.0, "spearman": 1.0}}, r"spearman is another name of rank_ic; keep one"),
        (
            {"terms": {"scale_floor": {"weight": 1.0, "floor": 0.0}}},
            r"terms.scale_floor.floor must be above 0, got 0.0",
        ),
        (
            {"terms": {"ranknet": {"weight": 1.0, "pairs": 1.5}}},
            r"terms.ranknet.pairs must be a whole number, got 1.5",
        ),
        (
            {"terms": {"listnet": {"weight": 1.0, "top": 1.5}}},
            r"terms.listnet.top must be above 0 and at most 1, got 1.5",
        ),
        (
            {"gradient_shares": {"hubr": 0.5, "ic": 0.5}},
            r"gradient_shares: 'hubr' is no term of model.objective.terms; did you mean 'huber'",
        ),
        (
            {"terms": {"sharpe": {"weight": 1.0, "half_life_days": 0.0}}},
            r"sharpe.half_life_days must be above 0, got 0.0",
        ),
        (
            {"terms": {"ic": {"weight": 1.0, "delta": 1.0}}},
            r"terms.ic.delta: the term has no such option; known: weight",
        ),
        ({"recency_half_life_days": -1.0}, r"recency_half_life_days must be a number >= 0 or null, got -1.0"),
        (
            {"regime_weights": {"regime_a": float("inf")}},
            r"model.objective.regime_weights.regime_a must be -5 to 5, got inf",
        ),
        (
            {"terms": {"rank_ic": {"weight": 1.0, "anchors": 1}}},
            r"terms.rank_ic.anchors must be at least 2, got 1",
        ),
        ({"terms": {"huber": {"delta": 2.0}}}, r"terms.huber needs a weight beside delta"),
        ({"terms": {"huber": {"weight": 1.0, "dleta": 2.0}}}, r"terms.huber.dleta: .*; did you mean 'delta'"),
    ],
)
def test_options_that_cannot_work_are_errors_of_one_line(options: dict[str, object], message: str) -> None:
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
def test_horizon_weights_that_do_not_fit_are_errors(
    weights: dict[int, float] | list[float], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        horizon_shares(weights, (1, 5))


def test_horizon_weights_become_shares_of_one_in_either_spelling() -> None:
    assert horizon_shares(None, (1, 5)) == [0.5, 0.5]
    assert horizon_shares([1.0, 3.0], (1, 5)) == horizon_shares({5: 3.0, 1: 1.0}, (1, 5)) == [0.25, 0.75]


def test_a_term_is_weighed_alone_or_with_its_options() -> None:
    options = ObjectiveOptions(terms={"ic": 0.3, "ndcg": {"weight": 0.1, "temperature": 0.2}})
    assert options.weights == {"ic": 0.3, "ndcg": 0.1}
    assert options_of("ndcg", options.terms["ndcg"]) == {"anchors": 200, "temperature": 0.2, "grades": 5.0}
    assert options_of("ic", 0.3) == {} and options_of("sharpe", 1.0) == {"half_life_days": 250.0}
