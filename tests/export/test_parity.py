"""What counts as a difference: the largest of all results, but for members that tie within rounding."""

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from atft.errors import InputError
from atft.export.parity import days_to_compare, difference_of


def test_the_largest_difference_of_all_results_counts() -> None:
    expected = {"score": torch.tensor([[1.0], [2.0]]), "quantiles": torch.zeros(2, 1, 3)}
    assert difference_of(expected, expected) == (0.0, 2, 0)
    found = {**expected, "quantiles": torch.tensor([[[0.0, 0.0, -0.25]], [[0.0, 0.0, 0.0]]])}
    assert difference_of(found, expected).largest == 0.25
    assert math.isnan(difference_of({**expected, "score": torch.full((2, 1), torch.nan)}, expected).largest)


def test_the_score_of_stocks_whose_members_exchange_ranks_is_left_out_and_their_members_count() -> None:
    members = torch.tensor([[[1.0, 5.0]], [[2.0, 6.0]], [[3.0, 6.0 + 1e-6]]])
    expected = {"score": torch.tensor([[-1.0], [0.0], [1.0]]), "members": members}
    # Stocks 1 and 2 tie in member 1 but for rounding, and have swapped places there.
    swapped = members.clone()
    swapped[1, 0, 1] = 6.0 + 2e-6
    found = {"score": torch.tensor([[-1.0], [0.5], [0.5]]), "members": swapped}
    assert difference_of(found, expected).scores == 3 and difference_of(found, expected).exchanged == 2
    assert difference_of(found, expected).largest < 1e-5
    # The first stock has the same ranks, so its score counts; and so do members, whatever their ranks.
    found["score"] = torch.tensor([[-0.9], [0.5], [0.5]])
    assert round(difference_of(found, expected).largest, 5) == 0.1
    assert difference_of({**expected, "members": members + 1}, expected).largest == 1


def test_days_are_drawn_among_those_to_score_that_have_three_stocks() -> None:
    manifest = SimpleNamespace(universe_rows=[9, 2, 3, 0, 5, 40, 8])
    data: Any = SimpleNamespace(
        open_cache=lambda: SimpleNamespace(manifest=manifest), predict_days=lambda: np.array([1, 2, 3, 5, 6])
    )
    assert sorted(days_to_compare(data, 20, 0)) == [2, 5, 6]
    draws = {tuple(days_to_compare(data, 2, seed)) for seed in range(40)}
    assert len(draws) == 6 and days_to_compare(data, 2, 7) == days_to_compare(data, 2, 7)
    manifest.universe_rows = [9, 2, 2, 0, 5, 1, 0]
    with pytest.raises(InputError, match="no day to score has 3 stocks or more; name other days"):
        days_to_compare(data, 20, 0)
