"""Deciles are those that a sort gives, the rolling mean looks back, and both pictures reach TensorBoard."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from atft.callbacks.validation_figures import (
    DECILES,
    ValidationFigures,
    decile_figure,
    decile_sums,
    rank_ic_figure,
    rolling_mean,
)
from atft.errors import InputError


def test_each_decile_has_the_stocks_that_a_sort_gives_it() -> None:
    rng = np.random.default_rng(0)
    score, target = rng.standard_normal((2, 3, 40)), 0.02 * rng.standard_normal((2, 3, 40))
    total, count = decile_sums(
        torch.tensor(score), torch.tensor(target), torch.ones(2, 3, 40, dtype=torch.bool)
    )
    excess = target - target.mean(-1, keepdims=True)
    by_score = np.take_along_axis(excess, score.argsort(-1), -1).reshape(2, 3, DECILES, 4)
    np.testing.assert_allclose(total, by_score.sum((0, 3)), atol=1e-12)
    assert (count == 8).all()


def test_stocks_that_do_not_count_change_nothing() -> None:
    torch.manual_seed(0)
    score, target = torch.randn(1, 1, 30), torch.randn(1, 1, 30)
    valid = torch.arange(30)[None, None] < 20
    alone = decile_sums(score[..., :20], target[..., :20], valid[..., :20])
    with_holes = target.masked_fill(~valid, math.nan)
    torch.testing.assert_close(decile_sums(score, with_holes, valid), alone)
    unscored = score.masked_fill(~valid, math.nan)
    torch.testing.assert_close(decile_sums(unscored, target, torch.ones_like(valid)), alone)


def test_a_day_of_equal_scores_lies_in_one_decile() -> None:
    total, count = decile_sums(
        torch.zeros(1, 1, 20), torch.randn(1, 1, 20), torch.ones(1, 1, 20, dtype=torch.bool)
    )
    assert int((count > 0).sum()) == 1 and float(total.abs().max()) < 1e-6


def test_the_rolling_mean_looks_back_and_skips_days_without_a_value() -> None:
    values = torch.tensor([math.nan, 1.0, 3.0, math.nan, 5.0])
    assert rolling_mean(values, 2).tolist()[1:] == [1.0, 2.0, 3.0, 5.0]
    assert rolling_mean(values, 2)[0].isnan()


def test_every_horizon_has_its_panel() -> None:
    deciles = decile_figure(torch.linspace(-0.01, 0.01, 20).reshape(2, 10), [1, 5])
    daily = rank_ic_figure(torch.zeros(4, 2), list(range(4)), [1, 5])
    for figure in (deciles, daily):
        assert [a.get_title() for a in figure.axes] == ["1 d", "5 d"]
    heights = [bar.get_height() for bar in deciles.axes[0].patches]
    assert heights[0] == pytest.approx(-100) and heights == sorted(heights) and len(heights) == DECILES


def test_a_negative_number_of_epochs_is_refused() -> None:
    with pytest.raises(InputError, match=r"validation_figures.every must be at least 0, got -1"):
        ValidationFigures(every=-1)


def test_a_run_draws_both_pictures_in_the_epochs_that_were_asked_for(
    tiny_run: Any, atft: Callable[..., Any], tmp_path: Path
) -> None:
    asked = ["--trainer.max_epochs", "3", "--validation_figures.every", "2"]
    assert atft("fit", "--config", tiny_run.config, *asked, "--trainer.default_root_dir", tmp_path).code == 0
    events = EventAccumulator(str(tmp_path / "tiny" / "version_0")).Reload()
    for tag in ("figures/return_by_decile", "figures/rank_ic_by_day"):
        images = events.Images(tag)
        assert len(images) == 2 and images[0].width > 400
