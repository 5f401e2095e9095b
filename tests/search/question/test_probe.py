"""What a configuration builds and what one step of it does, on noise."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from atft.batch import DayBatch
from atft.errors import InputError
from atft.search.question.config import trial_config
from atft.search.question.options import sweep_of
from atft.search.question.probe import evidence, noise_batch, one_step, rebuild


@pytest.fixture(scope="module")
def built(tiny_run: Any) -> Callable[..., Any]:
    """Build the small config with some keys changed: ``built(**{"data.graph": None})``."""
    from atft.commands.train import build

    plain = {"study": "small", "base": str(tiny_run.config), "root": str(tiny_run.folder / "probed")}
    sweep = sweep_of({**plain, "space": {"seed_everything": {"type": "int", "low": 1, "high": 2}}})
    reference = build("fit", trial_config(sweep, {}))

    def make(**fixed: Any) -> Any:
        return rebuild(reference, trial_config(replace(sweep, fixed=fixed), {}))

    return make


@pytest.fixture(scope="module")
def evidence_of(built: Callable[..., Any]) -> Callable[..., dict[str, Any]]:
    """The evidence of a configuration, worked out once for all tests."""
    known: dict[str, dict[str, Any]] = {}

    def work_out(**fixed: Any) -> dict[str, Any]:
        name = repr(fixed)
        if name not in known:
            known[name] = evidence(built(**fixed))
        return known[name]

    return work_out


def test_noise_has_the_shape_of_the_networks_blocks(built: Callable[..., Any]) -> None:
    batch = noise_batch(built())
    assert isinstance(batch, DayBatch)
    assert batch.features.shape == (7, 32, 6) and batch.target.shape == (2, 32, 2) and batch.lookback == 6
    assert batch.rows == 64 and float(batch.weight.sum()) == 1.0
    source, end = batch.edge_index
    assert batch.edge_index.shape == (2, 3 * 64) and bool((source // 32 == end // 32).all())
    assert bool((source != end).all())
    no_graph = noise_batch(built(**{"data.graph": None, "model.network.init_args.graph": "none"}))
    assert no_graph.edge_index.shape == (2, 0)


def test_a_point_is_tried_without_loggers(built: Callable[..., Any], tmp_path: Path) -> None:
    logger = {"class_path": "lightning.pytorch.loggers.CSVLogger", "init_args": {"save_dir": str(tmp_path)}}
    assert built(**{"trainer.logger": logger}).trainer.loggers == []


def test_a_step_moves_the_weights_as_training_would(built: Callable[..., Any]) -> None:
    cli = built()
    before = [p.detach().clone() for p in cli.model.parameters()]
    scores, loss = one_step(cli)
    assert scores.shape == (2, 32, 2) and float(scores.std()) > 0 and bool(loss.isfinite())
    moved = [not torch.equal(a, b) for a, b in zip(before, cli.model.parameters(), strict=True)]
    assert all(moved)


def test_a_loss_that_is_not_finite_is_an_error(built: Callable[..., Any]) -> None:
    cli = built()
    with torch.no_grad():
        next(cli.model.parameters()).fill_(torch.nan)
    with pytest.raises(InputError, match="one step on noise gives a loss of nan"):
        one_step(cli)


def test_another_configuration_is_built_beside_the_first_and_leaves_no_file(
    built: Callable[..., Any], tiny_run: Any
) -> None:
    one, other = built(), built(**{"model.network.init_args.hidden_size": 12})
    sizes = [c.model.network.heads.score.in_features for c in (one, other)]
    assert sizes == [8, 12] and one.trainer is not other.trainer
    assert not (tiny_run.folder / "probed").exists()
    with pytest.raises(InputError, match="hidden_sise"):
        built(**{"model.network.hidden_sise": 12})


def test_the_evidence_of_one_configuration_is_the_same_each_time(built: Callable[..., Any]) -> None:
    assert evidence(built()) == evidence(built())


OFF = {"model.network.init_args.graph": "none", "data.graph": None}
ALIVE: dict[str, tuple[str, Any, dict[str, Any]]] = {
    "learning rate": ("model.optimizer.init_args.lr", 0.02, {}),
    "weight decay": ("model.optimizer.init_args.weight_decay", 0.5, {}),
    "betas": ("model.optimizer.init_args.betas", [0.5, 0.9], {}),
    "optimiser": ("model.optimizer.class_path", "atft.optim.adabelief.AdaBelief", {}),
    "end of the schedule": ("model.scheduler.init_args.eta_min_ratio", 0.3, {}),
    "warm-up": ("model.scheduler.init_args.warmup_epochs", 1.0, {}),
    "clip": ("model.gradient_clip", 0.1, {}),
    "width": ("model.network.init_args.hidden_size", 16, {}),
    "depth": ("model.network.init_args.gat_layers", 3, {}),
    "edges dropped": ("model.network.init_args.gat_dropout", 0.4, {}),
    "dropout": ("model.network.init_args.dropout", 0.4, {}),
    "window norm": ("model.network.init_args.window_norm", "revin", {}),
    "a block": ("model.network.init_args.variable_selection", "none", {}),
    "weight of a term": ("model.objective.terms.sharpe", 0.3, {}),
    "horizon weights": ("model.objective.horizon_weights", [1.0, 3.0], {}),
    "half-life of days": ("model.objective.recency_half_life_days", 20.0, {}),
    "transform of the target": ("model.objective.target", "zscore", {}),
    "stock-days of a step": ("data.loader.batch_size", 200, {}),
    "history": ("data.loader.lookback", 8, {}),
    "neighbours": ("data.graph.k", 5, {}),
    "embargo": ("data.split.embargo_days", 4, {}),
    "ranked features": ("data.cache.rank", ["x_*"], {}),
    "patience": ("early_stopping.patience", 3, {}),
    "precision": ("trainer.precision", "bf16-mixed", {}),
}
IDLE: dict[str, tuple[str, Any, dict[str, Any]]] = {
    "processes that read ahead": ("data.loader.num_workers", 2, {}),
    "a monitor that only watches": ("gradient_monitor.every", 7, {}),
    "the cache's place": ("data.cache.dir", "elsewhere", {}),
    "the depth of a graph that is off": ("model.network.init_args.gat_layers", 3, OFF),
    "edges dropped of a graph that is off": ("model.network.init_args.gat_dropout", 0.4, OFF),
    "neighbours that no block reads": ("data.graph.k", 5, {"model.network.init_args.graph": "none"}),
}


@pytest.mark.parametrize("name", ALIVE)
def test_a_key_that_does_something_is_seen(name: str, evidence_of: Callable[..., Any]) -> None:
    key, value, others = ALIVE[name]
    assert evidence_of(**others) != evidence_of(**others, **{key: value})


@pytest.mark.parametrize("name", IDLE)
def test_a_key_that_changes_nothing_that_is_trained_leaves_no_evidence(
    name: str, evidence_of: Callable[..., Any]
) -> None:
    key, value, others = IDLE[name]
    assert evidence_of(**others) == evidence_of(**others, **{key: value})
