"""The bound of an honest mean RankIC: a tenth at a day, growing with the root of the horizon, a quarter at most."""

import pytest

from atft.evaluation.plausible_ic import plausible_ic


@pytest.mark.parametrize(("horizon", "limit"), [(1, 0.1), (4, 0.2), (6, 0.1 * 6**0.5), (7, 0.25), (60, 0.25)])
def test_the_bound_grows_with_the_root_of_the_horizon_up_to_a_quarter(horizon: int, limit: float) -> None:
    assert plausible_ic(horizon) == pytest.approx(limit)
