"""Build a configuration and take one training step of it, without a panel: on noise of the right shape.

`one_step` takes a step as the training task would, on 2 days of 32 stocks. `evidence` is what differs when a key
does something: scores, loss and trained weights after a step, and what acts only later (learning rates of the
whole run, guards, the data's options). It does not depend on what a key leaves in an options object, nor on how
modules happened to be initialised, so the dropout of a part that is off changes nothing.
"""

import hashlib
import math
import zlib
from collections.abc import Iterable
from copy import copy
from typing import TYPE_CHECKING, Any

import torch
from lightning.fabric.utilities import move_data_to_device
from torch import Tensor

from atft.batch import EDGE_FEATURES, DayBatch
from atft.commands.parser_errors import parser_errors
from atft.errors import InputError
from atft.files.yaml_text import flat_keys, is_inside
from atft.network import Scaling
from atft.optim.schedules import Schedule

if TYPE_CHECKING:
    from atft.commands.ranking_cli import RankingCLI

DAYS, STOCKS = 2, 32
WINDOW_DAYS = 20
CALENDAR_DAYS = 64
ACTING = (
    *("seed_everything", "model.optimizer", "model.gradient_clip", "data.panel", "data.split", "data.cache"),
    *("data.graph", "data.loader.lookback", "data.loader.block_days", "data.loader.batch_size"),
    *("trainer.max_epochs", "trainer.max_steps", "trainer.limit_train_batches", "trainer.limit_val_batches"),
    *("trainer.check_val_every_n_epoch", "trainer.precision", "trainer.callbacks"),
    *("checkpoint", "early_stopping", "spike_guard"),
)
"""Keys, and sections, whose every change bears on training or on which checkpoint is selected."""


def rebuild(cli: "RankingCLI", config: dict[str, Any]) -> "RankingCLI":
    """Build another configuration with the same parser: a third of the time of a new command line."""
    again = copy(cli)
    # Nothing is logged, and a logger of the user's own may open a database.
    unlogged = {**config, "trainer": {**config.get("trainer", {}), "logger": False}}
    with parser_errors("fit"):
        again.parse_arguments(cli.parser, unlogged)
        again.instantiate_classes()
    return again


def noise_batch(cli: "RankingCLI") -> DayBatch:
    """A block of noise that the built network takes: its features, horizons and a few neighbours.

    The network has no size that depends on the window, so a long lookback is cut short.
    """
    task, data = cli.model, cli.datamodule
    window = min(data.loader_options.lookback, WINDOW_DAYS)
    span, horizons = window + DAYS - 1, len(task.network.horizons)
    rng = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=rng)

    # Neighbours on a ring: stock i of a day reads i + 1, i + 2, ...; nodes are numbered day by day.
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
        regime=normal(DAYS, len(task.regimes)),
        weight=torch.full((DAYS,), 1 / DAYS),
        closes_step=True,
    )


def one_step(cli: "RankingCLI", device: torch.device | None = None) -> tuple[Tensor, Tensor]:
    """Take one optimiser step on noise; the scores and the loss before it, which must be finite."""
    device = device or torch.device("cpu")
    task = cli.model.to(device).train()
    batch = move_data_to_device(noise_batch(cli), device)
    columns = [torch.empty(len(names), device=device) for names in (task.features, task.regimes)]
    pairs = ((torch.zeros_like(c), torch.ones_like(c)) for c in columns)
    task.network.set_scaling(Scaling(*(statistic for pair in pairs for statistic in pair)))
    names = task.regimes
    rng = torch.Generator().manual_seed(1)
    regime = torch.randn(CALENDAR_DAYS, len(names), generator=rng)
    task.objective.day_weights.fit(torch.arange(CALENDAR_DAYS), regime, names)
    optimizer, _ = task.build_optimizer(cli.trainer.max_epochs)
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
    """Everything in which the training of two configurations can differ. Takes a step: pass a run without one."""
    task = cli.model
    reads_graph = "graph" in task.network.reads.values()
    acting = ACTING if reads_graph else [key for key in ACTING if key != "data.graph"]
    settings = {
        key: str(value)
        for key, value in flat_keys(cli.config.as_dict()).items()
        if is_inside(key, acting) and key != "data.cache.dir"
    }
    _same_start(task)
    scores, loss = one_step(cli)
    weights = [p for p in task.parameters() if p.requires_grad]
    _, schedule = task.build_optimizer(cli.trainer.max_epochs)
    return {
        "settings": settings,
        "step": _digest([scores, loss, *weights]),
        "rates": _rates(schedule, cli.trainer.max_epochs),
    }


def _same_start(task: torch.nn.Module) -> None:
    """Initialise each parameter from its name and shape alone, whatever was built before it."""
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
