"""The ranking task: steps of several blocks, one evaluation path, checkpoints that carry what they need."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch

from atft.batch import DayBatch
from atft.cross_section import zscore
from atft.errors import InputError
from atft.losses.objective import ObjectiveOptions
from atft.metrics.prediction_intervals import conformal_width
from atft.nn.atft_gat_fan import ATFTGATFAN
from atft.optim.schedules import WarmupCosine
from atft.tasks.ranking import RankingTask
from small_task import IN_MEMORY, fit
from small_task import small_task as task

pytestmark = IN_MEMORY


def test_a_step_of_two_blocks_equals_one_step_of_their_days(
    make_batch: Callable[..., DayBatch], tmp_path: Path
) -> None:
    first, second = make_batch(seed=1), make_batch(seed=2)
    half = torch.full((3,), 1 / 6)
    blocks = [first._replace(weight=half, closes_step=False), second._replace(weight=half)]
    stepped = task()
    fit(stepped, blocks, tmp_path)
    by_hand = task()
    by_hand.train()
    values = torch.cat([by_hand.objective(by_hand(block), block).loss for block in blocks])
    values.mean().backward()
    optimizer = torch.optim.SGD([p for p in by_hand.parameters() if p.requires_grad], lr=0.1)
    optimizer.step()
    for (name, ours), theirs in zip(stepped.named_parameters(), by_hand.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-5, msg=name)


def test_only_a_closing_block_applies_gradients(make_batch: Callable[..., DayBatch], tmp_path: Path) -> None:
    blocks = [make_batch(seed=s)._replace(closes_step=s in (2, 5)) for s in range(6)]
    assert fit(task(), blocks, tmp_path).global_step == 2


def test_a_step_is_clipped_to_the_norm_that_was_asked_for(
    make_batch: Callable[..., DayBatch], tmp_path: Path
) -> None:
    clipped = task(gradient_clip=1e-3, optimizer=partial(torch.optim.SGD, lr=1.0))
    before = torch.cat([p.detach().clone().ravel() for p in clipped.parameters()])
    fit(clipped, [make_batch()], tmp_path)
    after = torch.cat([p.detach().ravel() for p in clipped.parameters()])
    assert 0.5e-3 < float((after - before).norm()) < 1.01e-3


def test_the_schedule_moves_with_the_steps_inside_an_epoch(
    make_batch: Callable[..., DayBatch], tmp_path: Path
) -> None:
    rates: list[float] = []

    class Watch(pl.Callback):
        def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
            rates.append(trainer.optimizers[0].param_groups[0]["lr"])

    scheduled = task(scheduler=partial(WarmupCosine, warmup_epochs=1.0))
    fit(scheduled, [make_batch(seed=s) for s in range(4)], tmp_path, Watch(), max_epochs=2)
    assert rates[:4] == sorted(rates[:4]) and rates[0] < rates[3] and rates[7] < rates[4] <= 0.1


def test_every_term_and_metric_is_logged_under_its_split(
    make_batch: Callable[..., DayBatch], tmp_path: Path
) -> None:
    blocks = [make_batch(seed=s)._replace(day=torch.arange(3 * s, 3 * s + 3)) for s in range(3)]
    module = task(objective=ObjectiveOptions())
    run = fit(module, blocks, tmp_path, val_blocks=blocks)
    logged = set(run.callback_metrics)
    terms = {f"train/{kind}/{t}" for kind in ("term", "gradient_share") for t in ObjectiveOptions().terms}
    assert terms | {"train/loss", "train/rank_ic", "val/rank_ic", "val/rank_ic_5d", "val/scale"} <= logged


def test_scores_stay_the_same_when_they_are_asked_for_twice(make_batch: Callable[..., DayBatch]) -> None:
    scorer = task(network=partial(ATFTGATFAN, hidden_size=8, dropout=0.5, gat_dropout=0.5)).eval()
    with torch.no_grad():
        assert torch.equal(scorer(make_batch()).score, scorer(make_batch()).score)


def test_a_checkpoint_of_other_features_is_an_error() -> None:
    checkpoint: dict[str, Any] = {}
    task(features=["a", "b"]).on_save_checkpoint(checkpoint)
    with pytest.raises(InputError, match=r"missing \['b'\]"):
        task(features=["a", "c"]).on_load_checkpoint(checkpoint)


@pytest.mark.usefixtures("types_unchecked")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"objective": {"terms": {"ic": 1}}}, "model.objective must be an ObjectiveOptions, got {'terms'"),
        ({"members": "2"}, "model.members must be a whole number, got '2'"),
        ({"gradient_clip": "1"}, "model.gradient_clip must be a number or null, got '1'"),
    ],
)
def test_an_argument_of_another_type_is_one_line(change: Any, message: str) -> None:
    with pytest.raises(InputError) as caught:
        task(**change)
    assert str(caught.value).startswith(message)


@pytest.mark.usefixtures("types_unchecked")
def test_a_task_for_what_is_no_day_data_is_an_error() -> None:
    network: Any = partial(ATFTGATFAN, hidden_size=8)
    with pytest.raises(InputError, match=r"RankingTask\.for_data: data must be a DayData, got a partial"):
        RankingTask.for_data(network, network)


def test_a_task_without_features_is_an_error() -> None:
    with pytest.raises(InputError, match=r"data\.panel\.path"):
        task(features=[])


def test_quantile_heads_are_trained_by_pinball(make_batch: Callable[..., DayBatch], tmp_path: Path) -> None:
    network = partial(ATFTGATFAN, hidden_size=8, gat_layers=1, quantiles=[0.1, 0.5, 0.9])
    trained = task(network=network, objective=ObjectiveOptions(terms={"ic": 1.0, "pinball": 1.0}))
    before = [p.detach().clone() for p in trained.network.heads.quantile.parameters()]
    fit(trained, [make_batch()], tmp_path)
    after = list(trained.network.heads.quantile.parameters())
    assert all(not torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_intervals_are_calibrated_on_the_validation_of_the_weights_that_a_checkpoint_holds(
    make_batch: Callable[..., DayBatch], tmp_path: Path
) -> None:
    network = partial(ATFTGATFAN, hidden_size=8, gat_layers=1, quantiles=[0.1, 0.5, 0.9])
    objective = ObjectiveOptions(terms={"ic": 1.0, "pinball": 1.0}, target="zscore")
    trained, batch = task(network=network, objective=objective), make_batch(days=8)
    fit(trained, [make_batch()], tmp_path, val_blocks=[batch])
    with torch.no_grad():
        quantiles = trained.network.eval()(batch).quantiles
    # What the heads predict is the transformed return: an oracle without the task's own layout.
    score = torch.full(batch.target.shape, torch.nan)
    for i in range(2):
        valid = batch.valid[..., i]
        y = zscore(torch.where(valid, batch.target[..., i], 0), valid)
        score[..., i] = torch.maximum(quantiles[..., i, 0] - y, y - quantiles[..., i, 2])
    day = batch.day[:, None].expand(batch.valid.shape[:2])
    expected = {
        h: [conformal_width(score[..., i][v := batch.valid[..., i]], day[v], 0.8)]
        for i, h in enumerate((1, 5))
    }
    assert trained.interval_widths == expected
    checkpoint: dict[str, Any] = {}
    trained.on_save_checkpoint(checkpoint)
    checkpoint["state_dict"] = trained.state_dict()
    again = task(network=network, objective=objective)
    again.on_load_checkpoint(checkpoint)
    assert again.interval_widths == expected
    assert not task().interval_widths
