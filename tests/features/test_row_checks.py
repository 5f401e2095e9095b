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


def split_grid(ratio: float = 0.5) -> PriceGrid:
    """Twelve calm stocks; the third is quoted in other units from the forty-first row on, the last is a copy."""
    close = 20 * np.exp(np.cumsum(0.01 * np.random.default_rng(0).standard_normal((120, 12)), axis=0))
    close[40:, 2] *= ratio
    close[:, 11] = close[:, 5]
    calendar = [date(2015, 1, 1) + timedelta(days=i) for i in range(120)]
    kept = {n: close.astype(np.float32) for n in ("open", "high", "low", "close")}
    volume = np.full(close.shape, 1000, dtype=np.float32)
    sector = np.full(close.shape, -1, dtype=np.int32)
    return PriceGrid(calendar, [f"s{i}" for i in range(12)], volume=volume, sector=sector, sectors=[], **kept)


def test_a_split_and_a_copy_are_left_out_and_named() -> None:
    grid, exclusions = split_grid(), {}
    tape = pass_gates(grid, FeatureOptions(), Path("p.parquet"), exclusions)
    assert np.argwhere(~tape.kept[:, :11]).tolist() == [[40, 2]]
    np.testing.assert_allclose(tape.factor[[39, 40], 2], [1, grid.close[39, 2] / grid.close[40, 2]])
    assert tape.jumps[[39, 40], 2].tolist() == [0, 1]
    assert tape.kept[:, 11].tolist() == [True] * 60 + [False] * 60
    assert exclusions["unadjusted split"] == 1
    assert exclusions["copy of another code"] == 60
    assert tape.notes == (
        "left out, splits that were not adjusted: 1: s2 2015-02-10 1/2",
        "left out, codes with the closes of another code: 1: s11 = s5 from 2015-03-02",
    )


def test_splits_and_copies_are_kept_adjusted_or_an_error_where_asked() -> None:
    tape = pass_gates(split_grid(), FeatureOptions(splits="keep", copies="keep"), Path("p.parquet"), {})
    assert tape.kept.all()
    assert [note.split(",")[0] for note in tape.notes] == ["kept", "kept"]
    grid = split_grid()
    tape = pass_gates(grid, FeatureOptions(splits="adjust"), Path("p.parquet"), {})
    assert tape.kept[:, 2].all()
    assert (tape.factor == 1).all()
    np.testing.assert_allclose(grid.close, split_grid(ratio=1.0).close, rtol=1e-6)
    for option, said in (
        (
            "splits",
            r"not adjusted: 1: s2 2015-02-10 1/2; correct them or set splits to exclude, adjust or keep",
        ),
        (
            "copies",
            r"another code: 1: s11 = s5 from 2015-03-02; correct them or set copies to exclude or keep",
        ),
    ):
        with pytest.raises(InputError, match=said):
            pass_gates(split_grid(), FeatureOptions(**{option: "error"}), Path("p.parquet"), {})


def test_a_split_beyond_the_cap_is_counted_once_as_a_split() -> None:
    exclusions: dict[str, int] = {}
    tape = pass_gates(split_grid(0.1), FeatureOptions(), Path("p.parquet"), exclusions)
    assert (exclusions["unadjusted split"], exclusions["return beyond the cap"]) == (1, 0)
    assert not tape.kept[40, 2]
    pass_gates(split_grid(0.1), FeatureOptions(splits="keep"), Path("p.parquet"), exclusions)
    assert (exclusions["unadjusted split"], exclusions["return beyond the cap"]) == (0, 1)
