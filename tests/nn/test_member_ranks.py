"""Votes: a member's scale is of no matter, and scores that collapse are seen."""

from collections.abc import Callable

import numpy as np
import scipy.stats
import torch

from atft.batch import DayBatch
from atft.nn.member_ranks import mean_of_ranks


def test_each_member_has_one_vote_whatever_its_scale() -> None:
    members = torch.tensor([[1.0, 2, 3, 4], [1, 3, 2, 4], [2, 1, 4, 3]]).T[None, :, None]
    universe = torch.ones(1, 4, dtype=torch.bool)
    score = mean_of_ranks(members, universe)
    louder = mean_of_ranks(members * torch.tensor([1.0, 1000, 1e-3]), universe)
    torch.testing.assert_close(louder / louder.std(), score / score.std())


def test_the_score_is_the_mean_rank_in_the_mean_unit_of_the_members(
    make_batch: Callable[..., DayBatch],
) -> None:
    universe = make_batch().universe
    members = torch.randn(*universe.shape, 2, 3, generator=torch.Generator().manual_seed(0))
    members = (members * torch.tensor([1.0, 4.0, 0.5])).mul(3).round()  # some tie
    score = mean_of_ranks(members, universe)
    for day, horizon in np.ndindex(len(universe), 2):
        known = members[day, universe[day], horizon].numpy()
        order = scipy.stats.zscore(scipy.stats.rankdata(known, axis=0).mean(1))
        expected = order * known.std(0).mean()
        np.testing.assert_allclose(score[day, universe[day], horizon], expected, rtol=1e-4, atol=1e-5)
    assert (score[~universe] == 0).all()


def test_collapsed_members_show_in_the_scale_of_the_score(make_batch: Callable[..., DayBatch]) -> None:
    universe = make_batch().universe
    members = torch.randn(*universe.shape, 2, 4)
    small = mean_of_ranks(1e-6 * members, universe)
    assert 0 < small.abs().max() < 1e-5
    assert (mean_of_ranks(torch.full_like(members, 0.3), universe) == 0).all()


def test_a_day_without_stocks_scores_zero() -> None:
    members = torch.randn(2, 5, 1, 3)
    universe = torch.zeros(2, 5, dtype=torch.bool)
    universe[1, 3] = True
    assert (mean_of_ranks(members, universe) == 0).all()
