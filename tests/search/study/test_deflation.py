import numpy as np
import pytest

from atft.search.study.deflation import deflate, expected_maximum


@pytest.mark.parametrize("count", [5, 20, 100, 1000])
def test_the_expected_maximum_is_that_of_simulated_normal_values(count: int) -> None:
    simulated = np.random.default_rng(0).standard_normal((4000, count)).max(1).mean()
    assert expected_maximum(count) == pytest.approx(simulated, rel=0.05)


def test_one_value_is_the_largest_of_itself() -> None:
    assert expected_maximum(1) == 0


def test_of_equally_good_trials_nothing_is_left_but_their_mean() -> None:
    rng = np.random.default_rng(1)
    left = []
    for _ in range(300):
        values = (0.05 + 0.01 * rng.standard_normal(20)).tolist()
        found = deflate(values, 20, maximize=True)
        assert found is not None
        left.append(found.best - found.luck)
    assert np.mean(left) == pytest.approx(0.05, abs=0.001)
    assert found.expected >= np.mean(values)


@pytest.mark.parametrize(("differ", "worth"), [(0, (0.0, 1.9, 0.1)), (1, (1.3, 2.7, 0.2))])
def test_what_the_best_of_twenty_trials_is_worth_is_between_its_value_and_what_is_left(
    differ: float, worth: tuple[float, float, float]
) -> None:
    # The figures of docs/sweep.md: the best trial's true value, its value, what is left.
    rng, found = np.random.default_rng(3), []
    for _ in range(2000):
        truth = differ * rng.standard_normal(20)
        values = truth + rng.standard_normal(20)
        deflated = deflate(values.tolist(), 20, maximize=True)
        assert deflated is not None
        found.append((truth[values.argmax()], deflated.best, deflated.expected))
    assert np.mean(found, axis=0) == pytest.approx(worth, abs=0.06)


def test_one_trial_far_above_the_others_keeps_most_of_its_lead() -> None:
    found = deflate([0.010, 0.011, 0.009, 0.010, 0.050], 5, maximize=True)
    assert found is not None and 0.02 < found.expected < 0.05


def test_pruned_trials_had_their_chance_too() -> None:
    few, many = (deflate([0.01, 0.02, 0.03], n, maximize=True) for n in (3, 30))
    assert few is not None and many is not None and many.luck > few.luck


@pytest.mark.parametrize("kept", [7, 15])
@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_of_equally_good_trials_the_pruned_ones_leave_no_more_than_their_mean(
    kept: int, noise: float
) -> None:
    rng = np.random.default_rng(1)
    left = []
    for _ in range(500):
        values = rng.standard_normal(30)
        # What pruning sees is a part of what each would have ended with.
        early = values + noise * rng.standard_normal(30)
        completed = values[np.argsort(early)[-kept:]].tolist()
        found = deflate(completed, 30, maximize=True)
        assert found is not None and found.best == max(completed)
        left.append(found.expected)
    assert -0.6 < np.mean(left) < 0.15


def test_where_lower_is_better_the_luck_is_added() -> None:
    up, down = deflate([1.0, 2.0, 4.0], 3, maximize=True), deflate([-1.0, -2.0, -4.0], 3, maximize=False)
    assert up is not None and down is not None
    assert down == (-up.best, up.luck, -up.expected)
    up, down = (deflate([x, 2 * x, 4 * x], 9, maximize=x > 0) for x in (1.0, -1.0))
    assert up is not None and down is not None
    assert down == pytest.approx((-up.best, up.luck, -up.expected))


def test_fewer_than_two_complete_trials_have_no_spread() -> None:
    assert deflate([], 3, maximize=True) is None
    assert deflate([0.1], 3, maximize=True) is None
