"""How far a program's results are from its network's, on days that the network scores.

The score of an ensemble is made of its members' ranks, which a difference in the last bit can exchange: two stocks
whose scores tie within rounding then swap places, and the score moves by a step. So members are compared, and the
scores of those stocks alone whose members' ranks are the same.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from atft.cross_section import average_ranks
from atft.errors import InputError
from atft.export.one_day import MIN_STOCKS
from atft.tasks.day_data import DayData

TOLERANCE = 1e-5
"""Largest difference of a result; results are of the size of 1."""


class ResultDifference(NamedTuple):
    """Of a program's results and its network's, on one day."""

    largest: float
    """NaN where a result is no number."""
    scores: int
    """Stocks times horizons."""
    exchanged: int
    """Scores left out: those of stocks that have another rank in a member of an ensemble."""


def difference_of(results: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> ResultDifference:
    """Compare a program's results with its network's of the same day, of which every stock is in the universe."""
    score, apart = expected["score"], []
    same = torch.ones_like(score, dtype=torch.bool)
    if "members" in expected:
        of_program, of_network = (
            average_ranks(members.movedim(0, -1), torch.ones_like(members.movedim(0, -1), dtype=torch.bool))
            for members in (results["members"], expected["members"])
        )
        same = (of_program == of_network).movedim(-1, 0).all(-1)
    for name, value in expected.items():
        difference = (results[name] - value).abs()
        apart.append(difference[same] if name == "score" else difference.flatten())
    return ResultDifference(float(torch.cat(apart).max()), score.numel(), int((~same).sum()))


def days_to_compare(data: DayData, count: int, seed: int) -> list[int]:
    """Draw days among those that ``predict`` scores and that have enough stocks; all where there are fewer."""
    rows, days = np.array(data.open_cache().manifest.universe_rows), data.predict_days()
    enough = days[rows[days] >= MIN_STOCKS]
    if not len(enough):
        raise InputError(
            f"export: no day to score has {MIN_STOCKS} stocks or more; name other days: data.predict"
        )
    drawn: list[int] = np.random.default_rng(seed).permutation(enough)[:count].tolist()
    return drawn
