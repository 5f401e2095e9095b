"""What counts as a difference: the largest of all results, but for members that tie within rounding."""

import math

import torch

from atft.export.parity import difference_of


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
