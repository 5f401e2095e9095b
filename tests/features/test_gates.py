"""Frozen prices and jumps: what is left out, and that nothing later decides it."""

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from atft.errors import InputError
from atft.features.gates import Tape, pass_gates
from atft.features.options import FeatureOptions
from atft.features.prices import PriceGrid


def grid_of(close: list[float] | np.ndarray) -> PriceGrid:
    prices = np.asarray(close, dtype=np.float32).reshape(len(close), -1)
    calendar = [date(2015, 1, 1) + timedelta(days=i) for i in range(len(prices))]
    codes = [f"s{i}" for i in range(prices.shape[1])]
    sector = np.full(prices.shape, -1, dtype=np.int32)
    return PriceGrid(calendar, codes, prices, prices, prices, prices, prices, sector, [])


def gate(close: list[float] | np.ndarray, **options: object) -> tuple[Tape, dict[str, int]]:
    exclusions: dict[str, int] = {}
    return pass_gates(grid_of(close), FeatureOptions(**options), Path("p.parquet"), exclusions), exclusions


def test_clean_prices_pass_on_one_basis_and_build_up_history() -> None:
    tape, exclusions = gate([10, 11, np.nan, 12])
    assert tape.kept[:, 0].tolist() == [True, True, False, True]
    assert tape.history[:, 0].tolist() == [1, 2, 2, 3]
    assert (tape.factor == 1).all()
    assert set(exclusions.values()) == {0}


def test_a_close_is_frozen_from_the_nth_repetition_until_it_moves() -> None:
    tape, exclusions = gate([10, 10, 10, np.nan, 10, 10, 11, 11], frozen_days=3)
    assert tape.kept[:, 0].tolist() == [True, True, True, False, False, False, True, True]
    assert exclusions["frozen price"] == 2


def test_a_split_costs_one_row_and_the_prices_after_it_are_joined() -> None:
    tape, exclusions = gate([100, 101, 10.1, 10.2, 10.3])
    assert tape.kept[:, 0].tolist() == [True, True, False, True, True]
    assert exclusions["return beyond the cap"] == 1
    np.testing.assert_allclose(tape.factor[:, 0], [1, 1, 10, 10, 10], rtol=1e-6)
    assert tape.jumps[:, 0].tolist() == [0, 0, 1, 1, 1]


def test_a_bad_print_costs_two_rows_and_leaves_the_basis_as_it_was() -> None:
    tape, exclusions = gate([10, 1000, 10, 11])
    assert tape.kept[:, 0].tolist() == [True, False, False, True]
    assert exclusions["return beyond the cap"] == 2
    np.testing.assert_allclose(tape.factor[3, 0], 1)


def test_the_cap_is_the_same_up_and_down() -> None:
    assert gate([10, 39, 9.8])[0].kept.all()
    assert gate([10, 41])[0].kept[:, 0].tolist() == [True, False]
    assert gate([10, 2.4])[0].kept[:, 0].tolist() == [True, False]


def test_a_gate_set_to_keep_leaves_out_nothing() -> None:
    tape, exclusions = gate([10, 10, 10, 1000], frozen_days=2, frozen="keep", jumps="keep")
    assert tape.kept.all()
    assert set(exclusions.values()) == {0}


def test_a_gate_set_to_error_names_the_stock_the_day_and_the_way_out() -> None:
    with pytest.raises(
        InputError, match=r"p\.parquet: s0 has a close unchanged for 2 rows on 2015-01-03; correct"
    ):
        gate([10, 10, 10], frozen_days=2, frozen="error")
    with pytest.raises(InputError, match=r"s0 has a return beyond 3 on 2015-01-02; .* set jumps to exclude"):
        gate([10, 1000], jumps="error")


def test_what_comes_later_takes_no_earlier_row_away() -> None:
    rng = np.random.default_rng(0)
    close = np.round(np.exp(np.cumsum(rng.standard_normal((60, 5)), axis=0) + 3), 0) + 1
    whole = gate(close, frozen_days=2)[0]
    for cut in (1, 17, 40):
        blown = close.copy()
        blown[cut:] *= 1e9
        for other in (gate(close[:cut], frozen_days=2)[0], gate(blown, frozen_days=2)[0]):
            for name in ("kept", "factor", "jumps", "history"):
                assert np.array_equal(getattr(whole, name)[:cut], getattr(other, name)[:cut])
