"""Prices of which no stock leaves are named, on enough stocks and years to know; a market's are not."""

import re
from pathlib import Path

import numpy as np
import pytest

from atft.features.build import PanelReport
from atft.features.options import FeatureOptions
from atft.features.row_checks import check_rows
from atft.features.survivors import leavers, survivors_text, too_few_leave
from small_prices import grid_of

STOCKS, YEARS = 200, 4
DAYS = 250 * YEARS


def market(share_a_year: float) -> np.ndarray:
    """Rows of stocks of which a share leaves each year; a tenth was listed halfway."""
    rng = np.random.default_rng(0)
    ends = DAYS * rng.exponential(1 / (YEARS * max(share_a_year, 1e-9)), STOCKS)
    day = np.arange(DAYS)[:, None]
    here: np.ndarray = (day < ends) & (day >= np.where(np.arange(STOCKS) % 10 == 0, DAYS // 2, 0))
    return here


def test_a_market_that_loses_two_per_cent_a_year_is_fine_and_a_list_of_survivors_is_not() -> None:
    assert not too_few_leave(market(0.02), YEARS) and not too_few_leave(market(0.08), YEARS)
    assert too_few_leave(market(0), YEARS) and too_few_leave(market(0.002), YEARS)


def test_of_few_stocks_or_days_nothing_is_said() -> None:
    here = market(0)
    assert not too_few_leave(here[:, :70], YEARS)
    assert not too_few_leave(here[:250], 1)


def test_a_stock_leaves_once_it_has_had_rows_and_none_on_the_last_days() -> None:
    here = np.ones((100, 4), dtype=bool)
    here[:, 0] = np.arange(100) < 89
    here[:, 1] = np.arange(100) < 91
    here[:, 2] = np.arange(100) < 59
    assert leavers(here).tolist() == [True, False, False, False]


@pytest.mark.parametrize(
    ("gone", "said"), [(0, "no stock of 500 leaves"), (1, "1 stock of 500 leaves"), (3, "3 stocks")]
)
def test_the_sentence_counts_in_english(gone: int, said: str) -> None:
    assert re.match(rf"{said}.* before the end in 9\.5 years: ", survivors_text(gone, 500, 9.5))


def test_prices_of_survivors_alone_are_a_warning_of_the_report() -> None:
    close = np.exp(np.random.default_rng(0).normal(0, 0.02, (1000, 110)).cumsum(axis=0))
    options = FeatureOptions(min_history_days=1, min_traded_value=0)

    def warnings(close: np.ndarray) -> list[str]:
        lines = PanelReport(Path("p.parquet"), check_rows(grid_of(close), options), (), ()).lines()
        return [line for line in lines if line.startswith("WARNING")]

    (line,) = warnings(close)
    assert line.startswith("WARNING survivors? no stock of 110 leaves before the end in ")
    close[500:, :30] = np.nan
    assert warnings(close) == []
