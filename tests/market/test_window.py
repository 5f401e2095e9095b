"""The window's part is a function of yesterday and before, and its future is known."""

import numpy as np

from atft.market.window import expected_memory, fading_memory


def test_the_memory_does_not_contain_today() -> None:
    flow = np.random.default_rng(0).standard_normal((30, 5_000))
    memory = fading_memory(flow, 0.5)
    assert abs(np.corrcoef(memory[20], flow[20])[0, 1]) < 0.05
    changed = flow.copy()
    changed[20:] = 1e9
    np.testing.assert_array_equal(fading_memory(changed, 0.5)[:21], memory[:21])


def test_the_memory_is_a_fading_sum_of_unit_variance() -> None:
    flow = np.random.default_rng(1).standard_normal((30, 5_000))
    memory = fading_memory(flow, 0.5)
    long_way = np.sqrt(0.75) * sum(0.5 ** (lag - 1) * flow[25 - lag] for lag in range(1, 25))
    np.testing.assert_allclose(memory[25], long_way, atol=1e-6)
    assert abs(memory[25].std() - 1) < 0.04


def test_the_expected_sum_is_the_regression_of_the_coming_days_on_all_that_is_known() -> None:
    flow = np.random.default_rng(2).standard_normal((30, 50_000))
    memory = fading_memory(flow, 0.5)
    coming = memory[20:25].sum(0)
    known = np.stack([memory[20], flow[20]], 1)
    weights = np.linalg.lstsq(known, coming, rcond=None)[0]
    fitted = np.linalg.lstsq(known, expected_memory(flow, memory, 0.5, 5)[20], rcond=None)[0]
    np.testing.assert_allclose(weights, fitted, atol=0.03)
    np.testing.assert_allclose(expected_memory(flow, memory, 0.5, 1), memory)
