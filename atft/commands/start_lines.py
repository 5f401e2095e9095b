"""What a training run prints when it starts: data, length, device, where it writes and how to watch it."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from lightning.pytorch import Trainer
from lightning.pytorch.loggers import TensorBoardLogger

from atft.callbacks.guards.early_stopping import EarlyStopping
from atft.callbacks.record.run_checkpoint import find_checkpoint
from atft.commands.resume import LAST
from atft.errors import counted, first_of
from atft.process.cores import core_count
from atft.runs.run_directory import version_number

if TYPE_CHECKING:
    from atft.commands.ranking_cli import RankingCLI
    from atft.data.split import Days


def start_lines(cli: "RankingCLI", periods: "Mapping[str, Days] | None" = None) -> list[str]:
    """One line each of panel, days, fold, training, directory and command that watches it; the cache is built.

    ``periods`` are the days that the run reads, by the name of their use; None for those of the split.
    """
    data, trainer = cli.datamodule, cli.trainer
    manifest, market = data.open_cache().manifest, data.panel.simulate
    source = data.panel.path if market is None else f"simulated market (seed {market.seed})"
    if periods is None:
        periods = {name: getattr(data.split, name) for name in ("train", "val", "test")}
    days = [
        f"{name} {len(period):,} ({sum(manifest.universe_rows[d] for d in period):,} stock-days)"
        for name, period in periods.items()
        if len(period)
    ]
    data.trainer = trainer  # its limits count in the plan
    loader = data.train_dataloader()
    steps = sum(block.closes_step for block in loader.plan.plan())
    epochs = counted(trainer.max_epochs, "epoch") if trainer.max_epochs >= 0 else "epochs without a limit"
    count = f"{trainer.world_size} x " if trainer.world_size > 1 else ""
    device = f"{count}{trainer.strategy.root_device.type}"
    lines = {
        "panel": f"{source}, {len(manifest.codes):,} stocks, "
        f"{manifest.dates[0]} to {manifest.dates[-1]}, {len(cli.model.features)} features",
        "days": ", ".join(days),
        "fold": data.split.fold.removeprefix("fold "),
        "training": f"{epochs} of about {counted(steps, 'step')} on {device}, {trainer.precision}",
        "cores": _cores(trainer),
        "memory": loader.memory.text() if loader.memory else "",
        "weights": _weights(cli),
        "from": _from(cli),
        "run": str(cli.directory),
        "watch": _watch(cli),
    }
    return [f"{name:<10}{text}" for name, text in lines.items() if text]


def _cores(trainer: Trainer) -> str:
    """That a machine without a GPU has fewer cores than processes, each of which waits for the others at a step."""
    processes, cores = trainer.num_devices, core_count()
    if trainer.strategy.root_device.type != "cpu" or processes <= cores:
        return ""
    return f"{processes} processes share {counted(cores, 'core')}; start at most one a core"


def _weights(cli: "RankingCLI") -> str:
    """Which weights are scored and what may end training early, where they are the last epoch's."""
    checkpoint, epochs = find_checkpoint(cli.trainer), cli.trainer.max_epochs
    if checkpoint is None or checkpoint.select == "best":
        return ""
    rules = [
        f"training stops early only where {callback.monitor} is worse than its best by over half of it for "
        f"{counted(callback.patience, 'epoch')}"
        for callback in cli.trainer.callbacks
        if isinstance(callback, EarlyStopping) and (epochs < 0 or callback.patience + 1 < epochs)
    ]
    return "; ".join(["the last epoch's are scored", *rules])


def _from(cli: "RankingCLI") -> str | None:
    """The file that training goes on from or begins with, and later versions that ``last`` passes over."""
    resumed: str | None = cli.record.receipt.resumed_from
    if resumed is None or cli.config.ckpt_path != "last":
        return resumed or cli.config.init_from
    first, own = (version_number(folder) for folder in (Path(resumed).parent, cli.directory))
    later = {version_number(folder): folder.name for folder in cli.run_root.glob("version_*")}
    passed = [later[number] for number in sorted(later) if first < number < own]
    none = f"; no {LAST} in the later {first_of(passed, 3)}" if passed else ""
    return f"{resumed}{none}"


def _watch(cli: "RankingCLI") -> str:
    """The command that shows the run as it goes."""
    if any(isinstance(logger, TensorBoardLogger) for logger in cli.trainer.loggers):
        return f"tensorboard --logdir {cli.run_root}"
    return f"tail -f {cli.directory / 'run.log'}"
