"""Shares while a run trains: a dead term ends it, balanced weights are logged and survive a resume."""

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from torch.utils.data import DataLoader

from atft.batch import DayBatch
from atft.errors import DeadTerm, InputError
from atft.losses.objective import ObjectiveOptions
from atft.nn.options import NetworkOptions
from atft.tasks.ranking import RankingTask

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*does not have many workers.*",
    "ignore:.*have no `val_dataloader`.*",
    "ignore:.*LeafSpec.*",  # Lightning 2.6 names a torch class that torch renamed
    "ignore:.*Trying to infer the `batch_size`.*",
)
OPTIONS = NetworkOptions(hidden_size=8, gat_layers=1, horizons=[1, 5], dropout=0.0, gat_dropout=0.0)


def task(**changes: Any) -> RankingTask:
    torch.manual_seed(0)
    given: dict[str, Any] = {
        "network": OPTIONS,
        "objective": ObjectiveOptions(terms={"ic": 1.0}),
        "optimizer": partial(torch.optim.SGD, lr=0.1),
        "features": [f"x_{i}" for i in range(5)],
        "gradient_clip": None,
    }
    return RankingTask(**{**given, **changes})


def loader(blocks: Iterable[DayBatch]) -> DataLoader[DayBatch]:
    return DataLoader(list(blocks), batch_size=None, generator=torch.Generator())  # type: ignore[arg-type]


def trainer(folder: Path, **options: Any) -> pl.Trainer:
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    return pl.Trainer(
        accelerator="cpu",
        default_root_dir=folder,
        enable_checkpointing=False,
        **quiet,
        **{"max_epochs": 1, **options},
    )


def test_a_term_that_never_pulls_fails_the_run_with_its_name(
    make_batch: Callable[..., DayBatch], tmp_path: Path
) -> None:
    # A block of one day has no yesterday: its turnover is 0 whatever the scores.
    single = [make_batch(days=1, seed=s) for s in range(2)]
    given = ObjectiveOptions(terms={"ic": 1.0, "turnover": 0.5})
    with pytest.raises(DeadTerm, match=r"objective\.terms\.turnover: .* all of epoch 1"):
        trainer(tmp_path).fit(task(objective=given), loader(single))
    paired = [make_batch(days=2, seed=s) for s in range(2)]
    trainer(tmp_path).fit(task(objective=given), loader(paired))


BALANCED = {
    "objective": ObjectiveOptions(
        terms={"huber": 0.5, "ic": 0.5, "rank_ic": 0.1}, gradient_shares={"huber": 0.3, "ic": 0.7}
    ),
    "shares_every": 1,
}


def test_balanced_weights_are_logged_and_a_resumed_run_goes_on_with_them_bit_for_bit(
    make_batch: Callable[..., DayBatch], tmp_path: Path
) -> None:
    blocks = [make_batch(seed=s, stocks=30) for s in range(3)]
    torch.manual_seed(0)
    whole, halves = task(**BALANCED), task(**BALANCED)
    halves.load_state_dict(whole.state_dict())
    run = trainer(tmp_path, max_epochs=2)
    run.fit(whole, loader(blocks))
    weights = whole.objective.term_weights
    for name, weight in weights.items():
        assert run.callback_metrics[f"train/weight/{name}"].item() == pytest.approx(weight)
    assert weights["rank_ic"] == 0.1 and abs(weights["huber"] - 0.5) > 0.05
    first = trainer(tmp_path, max_epochs=1)
    first.fit(halves, loader(blocks))
    first.save_checkpoint(tmp_path / "half.ckpt", weights_only=False)
    second = task(**BALANCED)
    trainer(tmp_path, max_epochs=2).fit(second, loader(blocks), ckpt_path=tmp_path / "half.ckpt")
    assert second.objective.term_weights == weights
    for name, value in whole.state_dict().items():
        assert torch.equal(second.state_dict()[name], value), name
    fixed = task(objective=ObjectiveOptions(terms={"ic": 1.0}))
    fixed.on_load_checkpoint(torch.load(tmp_path / "half.ckpt"))
    assert fixed.objective.term_weights == {"ic": 1.0}, (
        "balanced terms of another objective are none of its own"
    )


def test_balancing_without_measuring_is_refused() -> None:
    with pytest.raises(InputError, match=r"shares_every must be above 0 where objective.gradient_shares"):
        task(**{**BALANCED, "shares_every": 0})
