"""Frozen prices and jumps: what is left out, and that nothing later decides it."""

import re
from dataclasses import replace

import numpy as np
import pytest

from atft.errors import InputError
from atft.features import row_checks
from atft.features.checked_prices import CheckedPrices, nothing_checked
from atft.features.options import FeatureOptions
from atft.features.prices import PriceGrid
from atft.features.row_checks import check_rows
from small_prices import grid_of


def checked(close: list[float] | np.ndarray, **options: object) -> CheckedPrices:
    return check_rows(grid_of(close), FeatureOptions(**options))


def test_clean_prices_pass_on_one_basis_and_build_up_history() -> None:
    prices = checked([10, 11, np.nan, 12])
    assert prices.kept[:, 0].tolist() == [True, True, False, True]
    assert prices.age[:, 0].tolist() == [1, 2, 2, 3]
    assert (prices.factor == 1).all()
    assert set(prices.exclusions.values()) == {0}


def test_a_close_is_frozen_from_the_nth_repetition_until_it_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_checks, "FROZEN_ROWS", 3)
    prices = checked([10, 10, 10, np.nan, 10, 10, 11, 11])
    assert prices.kept[:, 0].tolist() == [True, True, True, False, False, False, True, True]
    assert prices.exclusions["frozen price"] == 2


def test_a_day_on_which_all_prices_change_their_unit_is_named() -> None:
    rng = np.random.default_rng(0)
    close = 50 * np.exp(np.cumsum(0.02 * rng.standard_normal((30, 12)), axis=0))
    assert not check_rows(grid_of(close), FeatureOptions()).notes
    close[20:25] *= 2
    (note,) = check_rows(grid_of(close), FeatureOptions()).notes
    assert note.startswith("WARNING prices of another unit? The median close is ")
    assert re.search(
        r"is [12]\.\d* times \(2015-01-21\), 0\.[45]\d* times \(2015-01-26\) the close before$", note
    )
    print_of_one = close[:20].copy()
    print_of_one[10, 0] *= 1000
    assert not check_rows(grid_of(print_of_one), FeatureOptions()).notes, "one stock is no market"
    few = check_rows(grid_of(close[:, :9]), FeatureOptions()).notes
    assert not any("unit" in note for note in few), "nine stocks are no market"


def test_a_split_costs_one_row_and_the_prices_after_it_are_joined() -> None:
    prices = checked([100, 101, 10.1, 10.2, 10.3])
    assert prices.kept[:, 0].tolist() == [True, True, False, True, True]
    assert prices.exclusions["return beyond the cap"] == 1
    np.testing.assert_allclose(prices.factor[:, 0], [1, 1, 10, 10, 10], rtol=1e-6)
    assert prices.jumps[:, 0].tolist() == [0, 0, 1, 1, 1]


def test_a_bad_print_costs_two_rows_and_leaves_the_basis_as_it_was() -> None:
    prices = checked([10, 1000, 10, 11])
    assert prices.kept[:, 0].tolist() == [True, False, False, True]
    assert prices.exclusions["return beyond the cap"] == 2
    np.testing.assert_allclose(prices.factor[3, 0], 1)


def test_the_cap_is_the_same_up_and_down() -> None:
    assert checked([10, 39, 9.8]).kept.all()
    assert checked([10, 41]).kept[:, 0].tolist() == [True, False]
    assert checked([10, 2.4]).kept[:, 0].tolist() == [True, False]


def test_a_check_set_to_keep_leaves_out_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_checks, "FROZEN_ROWS", 2)
    prices = checked([10, 10, 10, 1000], frozen="keep", jumps="keep")
    assert prices.kept.all()
    assert set(prices.exclusions.values()) == {0}


def test_a_check_set_to_error_names_the_stock_the_day_and_the_way_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(row_checks, "FROZEN_ROWS", 2)
    with pytest.raises(
        InputError, match=r"p\.parquet: s0 has a close unchanged for 2 rows on 2015-01-03; correct"
    ):
        checked([10, 10, 10], frozen="error")
    with pytest.raises(InputError, match=r"s0 has a return beyond 3 on 2015-01-02; .* set jumps to exclude"):
        checked([10, 1000], jumps="error")
    one_of_three = np.array([[10.0, 20, 30], [11, 2000, 31]])
    with pytest.raises(InputError, match=r"s1 has a return beyond 3 on 2015-01-02"):
        check_rows(grid_of(one_of_three), FeatureOptions(jumps="error"))


def test_what_comes_later_takes_no_earlier_row_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_checks, "FROZEN_ROWS", 2)
    rng = np.random.default_rng(0)
    close = np.round(np.exp(np.cumsum(rng.standard_normal((60, 5)), axis=0) + 3), 0) + 1
    whole = checked(close)
    for cut in (1, 17, 40):
        blown = close.copy()
        blown[cut:] *= 1e9
        for other in (checked(close[:cut]), checked(blown)):
            for name in ("kept", "factor", "jumps", "age"):
                assert np.array_equal(getattr(whole, name)[:cut], getattr(other, name)[:cut])


def split_grid(ratio: float = 0.5) -> PriceGrid:
    """Twelve calm stocks; the third is quoted in other units from the forty-first row on, the last is a copy."""
    close = 20 * np.exp(np.cumsum(0.01 * np.random.default_rng(0).standard_normal((120, 12)), axis=0))
    close[40:, 2] *= ratio
    close[:, 11] = close[:, 5]
    return grid_of(close, volume=np.full(close.shape, 1000))


def test_a_split_and_a_copy_are_left_out_and_named() -> None:
    prices = check_rows(split_grid(), FeatureOptions())
    assert np.argwhere(~prices.kept[:, :11]).tolist() == [[40, 2]]
    np.testing.assert_allclose(prices.factor[[39, 40], 2], [1, prices.close[39, 2] / prices.close[40, 2]])
    assert prices.jumps[[39, 40], 2].tolist() == [0, 1]
    assert prices.kept[:, 11].tolist() == [True] * 60 + [False] * 60
    assert prices.exclusions["unadjusted split"] == 1
    assert prices.exclusions["copy of another code"] == 60
    assert prices.notes == (
        "left out, splits that were not adjusted: 1: s2 2015-02-10 x 1/2",
        "left out, codes with the closes of another code: 1: s11 = s5 from 2015-03-02",
    )


def test_splits_and_copies_are_kept_adjusted_or_an_error_where_asked() -> None:
    prices = check_rows(split_grid(), FeatureOptions(splits="keep", copies="keep"))
    assert prices.kept.all()
    assert [note.split(",")[0] for note in prices.notes] == ["kept", "kept"]
    prices = check_rows(split_grid(), FeatureOptions(splits="adjust"))
    assert prices.kept[:, 2].all()
    assert (prices.factor == 1).all()
    np.testing.assert_allclose(prices.close, split_grid(ratio=1.0).close, rtol=1e-6)
    for option, said in (
        (
            "splits",
            r"not adjusted: 1: s2 2015-02-10 x 1/2; correct them or set splits to exclude, adjust or keep",
        ),
        (
            "copies",
            r"another code: 1: s11 = s5 from 2015-03-02; correct them or set copies to exclude or keep",
        ),
    ):
        with pytest.raises(InputError, match=said):
            check_rows(split_grid(), FeatureOptions(**{option: "error"}))


def test_of_many_findings_three_are_named_in_an_error_and_ten_in_the_report() -> None:
    close = split_grid().close
    family = np.concatenate([close, *[close[:, :1]] * 13], axis=1)
    (_, note) = check_rows(grid_of(family, volume=np.full(family.shape, 1000)), FeatureOptions()).notes
    assert note.endswith("s19 = s0 from 2015-03-02, s20 = s0 from 2015-03-02 and 4 more codes")
    with pytest.raises(InputError, match=r"14: s11 = s5 .*, s13 = s0 \S+ \S+ and 11 more codes; correct"):
        check_rows(grid_of(family), FeatureOptions(copies="error"))


def test_what_later_days_need_of_these_is_carried_on() -> None:
    nan = np.nan
    close = np.array(
        [[10, nan, nan, nan], [11, 7, nan, nan], [12, 8, nan, nan], [nan, 9, 5, nan], [nan, nan, 6, nan]]
    )
    whole = check_rows(grid_of(close), FeatureOptions()).carried
    early = check_rows(grid_of(close[:3]), FeatureOptions()).carried
    assert early.first_row.tolist() == [0, 1, -1, -1]
    np.testing.assert_array_equal(early.read_close, [12, 8, nan, nan])
    # The days after the third alone, as where the first days are not in memory.
    later, none = replace(grid_of(close[3:]), start=3), nothing_checked(4)
    moved = check_rows(later, FeatureOptions(), none._replace(carried=early)).carried
    for carried in (whole, moved):
        assert carried.first_row.tolist() == [0, 1, 3, -1]
        np.testing.assert_array_equal(carried.read_close, [12, 9, 6, nan])
        np.testing.assert_array_equal(carried.close, [12, 9, 6, nan])


def test_the_close_as_it_was_read_is_carried_on_where_splits_are_adjusted() -> None:
    carried = check_rows(split_grid(), FeatureOptions(splits="adjust")).carried
    np.testing.assert_array_equal(carried.read_close, split_grid().close[-1])
    assert carried.close[2] == pytest.approx(2 * carried.read_close[2])


def test_a_split_beyond_the_cap_is_counted_once_as_a_split() -> None:
    for splits, counts in (("exclude", (1, 0)), ("keep", (0, 1))):
        prices = check_rows(split_grid(0.1), FeatureOptions(splits=splits))
        names = ("unadjusted split", "return beyond the cap")
        assert tuple(prices.exclusions[name] for name in names) == counts
        assert not prices.kept[40, 2]
