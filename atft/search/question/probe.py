"""What a configuration builds, and what one step of it does, without a panel: on noise of the right shape.

`one_step` takes a step as the training task would, on 2 days of 32 stocks. `evidence` is what differs when a key
does something: scores, loss and trained weights after a step, and what only acts later (learning rates of the
whole run, the plan of an epoch, guards, the data's options). It is blind to what a key merely leaves behind in an
options object, and to how modules happened to be initialised, so a dropout of a block that is off changes nothing.
"""

import hashlib
import math
import zlib
from collections.abc import Iterable
from copy import copy
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import torch
from lightning.fabric.utilities import move_data_to_device
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from torch import Tensor

from atft.batch import EDGE_FEATURES, DayBatch
from atft.callbacks.guards.spike import SpikeGuard
from atft.commands.parser_errors import parser_errors
from atft.data.block_plan import BlockSampler
from atft.errors import InputError
from atft.optim.schedules import Schedule

if TYPE_CHECKING:
    from atft.commands.ranking_cli import RankingCLI

DAYS, STOCKS = 2, 32
WINDOW_DAYS = 20
CALENDAR_DAYS = 64
ROWS_PER_DAY = (30, 300, 4000)
"""Sizes of market on which two batch sizes are compared."""
TRAINER = ("max_epochs", "max_steps", "limit_train_batches", "limit_val_batches", "check_val_every_n_epoch")


def rebuild(cli: "RankingCLI", config: dict[str, Any]) -> "RankingCLI":
    """Build another configuration with the parser that is there: a third of the time of a new command line.

    Args:
        cli: any built one; it stays as it is.
        config: the nested configuration.

    Raises:
        InputError: a key or value that is not accepted.
    """
    again = copy(cli)
    with parser_errors("fit"):
        again.parse_arguments(cli.parser, config)
        again.instantiate_classes()
    return again


def noise_batch(cli: "RankingCLI") -> DayBatch:
    """A block of noise that the built network takes: its features, horizons and a few neighbours.

    The network has no size that depends on the window, so a long lookback is cut short.
    """
    task, data = cli.model, cli.datamodule
    options = task.network.options
    window = min(data.loader_options.lookback, WINDOW_DAYS)
    span, horizons = window + DAYS - 1, len(options.horizons)
    rng = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=rng)

    nodes = torch.arange(DAYS * STOCKS)
    neighbours = min(8, data.graph_options.k) if data.graph_options is not None else 0
    first = nodes // STOCKS * STOCKS
    sources = [first + (nodes - first + 1 + i) % STOCKS for i in range(neighbours)]
    edge_index = (
        torch.stack([torch.cat(sources), nodes.repeat(neighbours)]) if sources else nodes.new_empty(2, 0)
    )
    return DayBatch(
        features=normal(span, STOCKS, len(task.features)),
        observed=torch.ones(span, STOCKS, dtype=torch.bool),
        universe=torch.ones(DAYS, STOCKS, dtype=torch.bool),
        target=0.02 * normal(DAYS, STOCKS, horizons),
        valid=torch.ones(DAYS, STOCKS, horizons, dtype=torch.bool),
        edge_index=edge_index,
        edge_attr=normal(edge_index.shape[1], len(EDGE_FEATURES)),
        stock=torch.arange(STOCKS),
        day=torch.arange(CALENDAR_DAYS - DAYS, CALENDAR_DAYS),
        sector=torch.arange(STOCKS).remainder(4).expand(DAYS, -1).contiguous(),
        exposure=normal(DAYS, STOCKS, 2),
        regime=normal(DAYS, len(task.objective.options.regime_weights)),
        weight=torch.full((DAYS,), 1 / DAYS),
        closes_step=True,
    )


def one_step(cli: "RankingCLI", device: torch.device | None = None) -> tuple[Tensor, Tensor]:
    """Take one optimiser step on noise; the scores and the loss before it.

    Args:
        cli: freshly built.
        device: where; the CPU by default, which repeats bit for bit.

    Raises:
        InputError: the loss or a gradient is not finite.
    """
    device = device or torch.device("cpu")
    task = cli.model.to(device).train()
    batch = move_data_to_device(noise_batch(cli), device)
    features = batch.features.shape[-1]
    task.network.set_scaling(torch.zeros(features), torch.ones(features))
    names = list(task.objective.options.regime_weights)
    rng = torch.Generator().manual_seed(1)
    regime = torch.randn(CALENDAR_DAYS, len(names), generator=rng)
    task.objective.day_weights.fit(torch.arange(CALENDAR_DAYS), regime, names)
    optimizer, _ = task.build_optimizer(cli.trainer.max_epochs or 1)
    torch.manual_seed(2)  # dropout draws from here
    forecast = task(batch)
    loss = (batch.weight * task.objective(forecast, batch).loss).sum()
    loss.backward()
    trained = [p for p in task.parameters() if p.grad is not None]
    norm = torch.nn.utils.clip_grad_norm_(trained, task.gradient_clip or math.inf)
    if not (loss.isfinite() and norm.isfinite()):
        raise InputError(
            f"one step on noise gives a loss of {float(loss.detach()):g} and a gradient of {float(norm):g}"
        )
    optimizer.step()
    return forecast.score.detach(), loss.detach()


def evidence(cli: "RankingCLI") -> dict[str, Any]:
    """Everything by which two configurations can differ in what they train; takes a step, so pass a new one."""
    task = cli.model
    _same_start(task)
    scores, loss = one_step(cli)
    weights = [p for p in task.parameters() if p.requires_grad]
    optimizer, schedule = task.build_optimizer(cli.trainer.max_epochs or 1)
    callbacks: list[Any] = cli.trainer.callbacks  # type: ignore[attr-defined]
    groups = [{k: str(v) for k, v in g.items() if k != "params"} for g in optimizer.param_groups]
    return {
        "step": _digest([scores, loss, *weights]),
        "optimizer": (type(optimizer).__name__, groups),
        "rates": _rates(schedule, cli.trainer.max_epochs or 1),
        "clip": task.gradient_clip,
        "trainer": [getattr(cli.trainer, name) for name in TRAINER],
        "precision": type(cli.trainer.precision_plugin).__name__ + str(cli.trainer.precision),
        "callbacks": [(type(c).__name__, _numbers(c) if _acts(c) else None) for c in callbacks],
        "plan": _plan(cli),
        "data": _data(cli),
    }


def _same_start(task: torch.nn.Module) -> None:
    """Give each parameter a start that depends on its name and shape alone, not on what was built before it."""
    with torch.no_grad():
        for name, parameter in task.named_parameters():
            rng = torch.Generator().manual_seed(zlib.crc32(name.encode()))
            noise = torch.randn(parameter.shape, generator=rng)
            parameter.copy_(noise / max(1, parameter.shape[-1] if parameter.ndim else 1) ** 0.5)


def _digest(tensors: Iterable[Tensor]) -> str:
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(str(tuple(tensor.shape)).encode() + tensor.detach().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _rates(schedule: Any, epochs: int) -> list[float]:
    """Learning rates over the run, four points an epoch where the schedule knows fractions of one."""
    if schedule is None:
        return []
    rates = []
    for quarter in range(4 * epochs):
        if isinstance(schedule, Schedule):
            schedule.advance(quarter / 4)
        elif quarter % 4 == 3:
            schedule.step()
        rates += [float(g["lr"]) for g in schedule.optimizer.param_groups]
    return rates


def _acts(callback: Any) -> bool:
    """Whether a callback bears on training or on which checkpoint is selected; ours else only watch."""
    ours = type(callback).__module__.startswith("atft.")
    return not ours or isinstance(callback, EarlyStopping | ModelCheckpoint | SpikeGuard)


def _numbers(callback: Any) -> dict[str, Any]:
    """The plain numbers among its public attributes."""
    return {k: v for k, v in vars(callback).items() if not k.startswith("_") and isinstance(v, int | float)}


def _plan(cli: "RankingCLI") -> list[Any]:
    loader, seed = cli.datamodule.loader_options, cli.datamodule.seed
    days = list(range(CALENDAR_DAYS))
    return [
        BlockSampler(days, [rows] * CALENDAR_DAYS, loader.block_days, loader.batch_size, seed).plan()
        for rows in ROWS_PER_DAY
    ]


def _data(cli: "RankingCLI") -> list[Any]:
    data = cli.datamodule
    cache = {k: v for k, v in asdict(data.cache_options).items() if k != "dir"}
    read = cli.model.network.options.graph and data.graph_options is not None
    return [
        asdict(data.panel),
        asdict(data.split_options),
        cache,
        asdict(data.graph_options) if read else None,
        data.loader_options.lookback,
    ]
