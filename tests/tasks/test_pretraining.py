"""A network learns its features from each other: the loss is what it says, and the heads stay out of it."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from atft.batch import DayBatch
from atft.data.block_plan import block_seed
from atft.errors import InputError
from atft.losses.options import ObjectiveOptions
from atft.nn.atft_gat_fan import ATFTGATFAN
from atft.tasks.hidden_values import day_ranks, hide_values
from atft.tasks.pretraining import Pretraining
from tests.support.small_task import IN_MEMORY, SIZES, fit

MakeBatch = Callable[..., DayBatch]


def small_pretraining(**changes: Any) -> Pretraining:
    """A pretraining of a few weights, with a decoder and plain gradient descent."""
    torch.manual_seed(0)
    options: dict[str, Any] = {
        "network": partial(ATFTGATFAN, **SIZES),
        "objective": ObjectiveOptions(terms={"ic": 1.0}),
        "horizons": [1, 5],
        "optimizer": partial(torch.optim.SGD, lr=0.1),
        "features": [f"x_{i}" for i in range(5)],
    }
    task = Pretraining(**{**options, **changes})
    task.heads, task.decoder = ["heads"], nn.Linear(SIZES["hidden_size"], 5)
    return task


@IN_MEMORY
def test_the_loss_is_the_squared_error_of_the_hidden_ranks_and_explained_its_share(
    make_batch: MakeBatch, tmp_path: Path
) -> None:
    batch = make_batch(stocks=30, missing=0.1)._replace(
        weight=torch.tensor([0.2, 0.3, 0.5]), closes_step=True
    )
    task = small_pretraining(hide_features=0.4, hide_days=0.2, optimizer=partial(torch.optim.SGD, lr=0.0))
    run = fit(task, [batch], tmp_path)
    # The same draws again, and numpy.
    torch.manual_seed(block_seed(0, 0, batch.position))
    ranks, hidden = day_ranks(batch, ["raw"] * 5).numpy(), hide_values(batch, 0.4, 0.2)
    with torch.no_grad():
        predicted = task.decoder(task.network.train().encode(hidden.batch)).numpy()
    loss = 0.0
    for day, weight in enumerate(batch.weight.tolist()):
        counted = hidden.values[day].numpy()
        loss += weight * np.mean((predicted[day][counted] - ranks[day][counted]) ** 2)
    explained = [
        1 - np.sum((predicted - ranks)[which] ** 2) / np.sum(ranks[which] ** 2)
        for which in (
            (hidden.values & ~hidden.rows[..., None]).numpy(),
            (hidden.values & hidden.rows[..., None]).numpy(),
        )
    ]
    metrics = {name: float(value) for name, value in run.callback_metrics.items()}
    assert metrics["train/loss"] == pytest.approx(loss, rel=1e-5)
    assert metrics["train/explained"] == pytest.approx(explained[0], rel=1e-4)
    assert metrics["train/explained_rows"] == pytest.approx(explained[1], rel=1e-4)


@IN_MEMORY
def test_a_step_moves_every_weight_but_those_of_the_heads(make_batch: MakeBatch, tmp_path: Path) -> None:
    task = small_pretraining()
    before = {name: weight.clone() for name, weight in task.named_parameters()}
    batch = make_batch(stocks=30)
    fit(task, [batch._replace(closes_step=True)], tmp_path)
    still = {name for name, weight in task.named_parameters() if torch.equal(weight, before[name])}
    assert still == {name for name in before if name.startswith("network.heads.")}


@IN_MEMORY
def test_a_block_in_which_nothing_is_known_steps_like_any_other(
    make_batch: MakeBatch, tmp_path: Path
) -> None:
    batch = make_batch()._replace(closes_step=True)
    task = small_pretraining()
    nothing = batch._replace(features=torch.full_like(batch.features, torch.nan))
    run = fit(task, [nothing], tmp_path)
    assert float(run.callback_metrics["train/loss"]) == 0 and "train/explained" not in run.callback_metrics
    assert all(parameter.isfinite().all() for parameter in task.parameters())


@IN_MEMORY
def test_chunks_of_a_block_give_its_gradient(make_batch: MakeBatch, tmp_path: Path) -> None:
    """As where memory has run out."""
    batch = make_batch(stocks=20)._replace(closes_step=True)
    ends = []
    for days in (None, 1):
        task = small_pretraining()
        task.training_chunks.days = days
        fit(task, [batch], tmp_path)
        ends.append(torch.cat([p.detach().flatten() for p in task.parameters()]))
    torch.testing.assert_close(ends[0], ends[1], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"hide_features": 0.0}, r"model.hide_features must be from 0.01 to 0.99, got 0.0"),
        ({"hide_features": 1.0}, r"model.hide_features must be from 0.01 to 0.99, got 1.0"),
        ({"hide_days": -0.1}, r"model.hide_days must be from 0 to 0.99, got -0.1"),
        ({"hide_days": float("nan")}, r"model.hide_days must be from 0 to 0.99, got nan"),
    ],
)
def test_a_share_out_of_range_is_an_error(options: dict[str, float], line: str) -> None:
    with pytest.raises(InputError, match=line):
        small_pretraining(**options)
