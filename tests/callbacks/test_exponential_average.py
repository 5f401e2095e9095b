"""The exponential average: each step's weight by the formula."""

import numpy as np
import pytest

from atft.callbacks.exponential_average import ExponentialAverage
from atft.errors import InputError
from tests.support.stepped_weights import stepped


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.9, 0.995])
@pytest.mark.parametrize("steps", [1, 2, 40])
def test_the_window_grows_with_the_run_up_to_the_decay_and_the_initial_weights_never_count(
    decay: float, steps: int
) -> None:
    values = np.random.default_rng(0).normal(size=steps)
    _, averaged = stepped(ExponentialAverage(decay), values.tolist())
    expected = values[0]
    for step in range(2, steps + 1):
        old = min(decay, (1 + step) / (10 + step))
        expected = old * expected + (1 - old) * values[step - 1]
    assert averaged.first.tolist() == pytest.approx([expected, expected], abs=1e-6)
    assert averaged.second.item() == pytest.approx(-expected, abs=1e-6)


def test_a_long_average_reaches_back_as_far_as_its_decay_says() -> None:
    steps = np.arange(800.0)
    _, averaged = stepped(ExponentialAverage(0.98), steps.tolist())
    assert 799 - averaged.first[0].item() == pytest.approx(0.98 / 0.02, rel=1e-2)


@pytest.mark.parametrize("decay", [-0.1, 1.0, float("nan")])
def test_a_decay_that_forgets_nothing_or_all_is_an_error(decay: float) -> None:
    with pytest.raises(InputError, match=r"^ExponentialAverage.decay must be at least 0 and below 1, got "):
        ExponentialAverage(decay)
