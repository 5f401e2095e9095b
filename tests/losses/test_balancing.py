"""Balancing: two terms of very different gradients reach the requested shares; impossible shares are errors."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from atft.batch import DayBatch, Forecast
from atft.errors import InputError
from atft.losses.balancing import MAX_STEP_RATIO, MAX_WEIGHT_RATIO, check_requested, rebalanced
from atft.losses.objective import DayObjective, ObjectiveOptions
from gradient_shares import gradient_shares

TERMS = {"huber": 0.5, "ic": 0.5, "scale_floor": 0.1, "rank_ic": 0.0}


@pytest.mark.parametrize(
    ("requested", "message"),
    [
        ({"ick": 0.5, "ic": 0.5}, r"'ick' is no term of model.objective.terms; did you mean 'ic'\?$"),
        (
            {"listnet": 0.5, "ic": 0.5},
            r"'listnet' is no term of model.objective.terms; known: huber, ic, rank_ic",
        ),
        ({"scale_floor": 0.5, "ic": 0.5}, r"scale_floor has no gradient while .* leave it out$"),
        ({"rank_ic": 0.5, "ic": 0.5}, r"rank_ic has the weight 0 .* give it one above 0 to start from$"),
        ({"huber": 0.0, "ic": 0.5}, r"gradient_shares.huber must be a number above 0, got 0.0$"),
        ({"huber": float("nan"), "ic": 0.5}, r"gradient_shares.huber must be a number above 0, got nan$"),
        ({"ic": 1.0}, r"names one term; a share needs at least two$"),
    ],
)
def test_shares_that_cannot_be_reached_are_errors_of_one_line(
    requested: dict[str, float], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        check_requested(requested, TERMS)


def test_two_terms_of_very_different_gradients_reach_the_requested_shares(
    make_batch: Callable[..., DayBatch],
) -> None:
    """Small scores: the gradient of a correlation, growing as they shrink, is a thousand times that of huber."""
    requested = {"huber": 0.3, "ic": 0.7}
    options = ObjectiveOptions(terms={"huber": 0.5, "ic": 0.5, "rank_ic": 0.1}, gradient_shares=requested)
    objective = DayObjective(options, [1, 5])
    torch.manual_seed(0)
    network = nn.Linear(5, 2)
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-6)

    def measured(seed: int) -> dict[str, float]:
        batch = make_batch(days=4, stocks=40, lookback=1, seed=seed)
        forecast = Forecast(1e-3 * network(batch.features.nan_to_num(0)))
        optimizer.zero_grad()
        objective(forecast, batch).loss.mean().backward()
        optimizer.step()
        return gradient_shares(objective, forecast, batch)

    first = measured(0)
    assert first["huber"] < 0.002 * first["ic"]
    for seed in range(1, 21):
        objective.balance(measured(seed))
        assert objective.term_weights["rank_ic"] == 0.1, "not asked for"
        assert objective.term_weights["huber"] + objective.term_weights["ic"] == pytest.approx(1.0)
    later = [measured(seed) for seed in range(30, 36)]
    share = [s["huber"] / (s["huber"] + s["ic"]) for s in later]
    assert sum(share) / len(share) == pytest.approx(0.3, abs=0.05)


def test_without_requested_shares_the_weights_stay() -> None:
    objective = DayObjective(ObjectiveOptions(), [1, 5])
    objective.balance({"huber": 0.9, "ic": 0.05, "rank_ic": 0.04, "sharpe": 0.01})
    assert objective.term_weights == ObjectiveOptions().terms


@pytest.mark.parametrize("unit", [0.01, 1.0, 7.0])
def test_one_measurement_moves_half_of_the_way_on_the_log_scale_and_by_four_times_at_most(
    unit: float,
) -> None:
    weights, requested = {"huber": 0.2, "ic": 0.8}, {"huber": unit, "ic": 3 * unit}

    def ratio(huber: float, ic: float) -> float:
        new = rebalanced(weights, {"ic": ic, "huber": huber, "sharpe": 0.3}, requested, weights)
        assert sum(new.values()) == pytest.approx(1)
        return new["huber"] / new["ic"]

    # A third of the other's share is asked for, four times is measured: twelve times too much.
    assert ratio(0.4, 0.1) == pytest.approx(0.25 / 12**0.5)
    assert ratio(0.25, 0.75) == pytest.approx(0.25)
    assert ratio(1e-9, 0.5) == pytest.approx(0.25 * 4 / 0.75**0.5)


@pytest.mark.parametrize("share", [0.0, float("nan"), float("inf")])
def test_a_measurement_of_zero_or_no_number_moves_nothing(share: float) -> None:
    weights = {"huber": 0.2, "ic": 0.3}
    assert rebalanced(weights, {"huber": share, "ic": 0.5}, {"huber": 1.0, "ic": 1.0}, weights) == weights


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.floats(1e-12, 1.0), min_size=3, max_size=3),
    st.lists(st.floats(1e-3, 1.0), min_size=3, max_size=3),
)
def test_the_sum_stays_the_step_is_bounded_and_the_right_terms_grow(
    gradients: list[float], shares: list[float]
) -> None:
    names = ("huber", "ic", "rank_ic")
    weights = dict(zip(names, (0.1, 0.3, 0.6), strict=True))
    measured, requested = dict(zip(names, gradients, strict=True)), dict(zip(names, shares, strict=True))
    new = rebalanced(weights, measured, requested, weights)
    assert sum(new.values()) == pytest.approx(1.0)
    growth = {n: new[n] / weights[n] for n in names}
    assert max(growth.values()) / min(growth.values()) <= MAX_STEP_RATIO**2 * (1 + 1e-9)
    lack = {n: requested[n] / measured[n] for n in names}
    assert growth[max(lack, key=lack.__getitem__)] == pytest.approx(max(growth.values()))


def test_no_weight_leaves_its_configured_one_without_bound() -> None:
    start = {"huber": 0.5, "ic": 0.5}
    weights = dict(start)
    for _ in range(50):  # what no weight can reach
        weights = rebalanced(weights, {"huber": 1e-9, "ic": 1.0}, {"huber": 1.0, "ic": 1.0}, start)
    assert weights["huber"] / weights["ic"] <= MAX_WEIGHT_RATIO**2
    assert weights["ic"] > 0 and sum(weights.values()) == pytest.approx(1.0)
