"""The series that families share."""

import numpy as np

from atft.features.history import REACH_DAYS, History


def test_a_return_needs_a_row_yesterday_and_its_parts_add_up(past: History) -> None:
    hole = np.isnan(past.close)
    assert np.isnan(past.return_1d[0]).all()
    assert (np.isnan(past.return_1d[1:]) == (hole[1:] | hole[:-1])).all()
    np.testing.assert_allclose((past.gap + past.intraday)[5:9], past.return_1d[5:9] + 0 * past.gap[5:9])


def test_a_day_without_trades_has_no_log_volume(past: History) -> None:
    assert past.volume[40, 2] == 0
    assert np.isnan(past.log_volume[40, 2])


def test_a_year_of_returns_fits_into_the_reach() -> None:
    assert REACH_DAYS > 250 + 1
