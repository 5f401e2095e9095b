"""What a loader takes from the trainer: its device, its rank, where its epoch stands and how far it may go."""

from collections.abc import Callable, Mapping
from typing import cast

import lightning.pytorch as pl
import numpy as np
import torch
from lightning.pytorch.loops.progress import _ProcessedTracker
from lightning.pytorch.trainer.states import TrainerFn

from atft.data.block_plan import BlockSampler
from atft.data.blocks import DayBlocks
from atft.data.cache import DayCache
from atft.data.loader import LoaderOptions
from atft.data.residency import PanelMemory, Residency
from atft.data.resident_panel import ResidentPanel
from atft.data.split import Days


def block_sampler(
    cache: DayCache,
    days: Days,
    options: LoaderOptions,
    seed: int,
    trainer: pl.Trainer | None,
    train: bool,
    block_days: int | None,
) -> BlockSampler:
    """Plan the blocks of some days: in a new order each epoch to train, else every day in order.

    Args:
        cache: of the panel.
        days: calendar indices.
        options: of the loader.
        seed: of the order.
        trainer: whose rank, limits and epoch count; None for one process.
        train: whether the blocks train.
        block_days: most days of a block, instead of that of ``options``.
    """
    limit = trainer.limit_train_batches if train and trainer is not None else None
    sampler = BlockSampler(
        days,
        cache.manifest.universe_rows,
        block_days or options.block_days,
        options.batch_size,
        seed=seed,
        rank=trainer.global_rank if trainer else 0,
        world_size=trainer.world_size if trainer else 1,
        shuffle=train,
        # Planned here, not cut off by the trainer, so that the last block of a limited epoch closes its step.
        limit=limit if isinstance(limit, int) else None,
        join=train and options.joins_days,
    )
    if train and trainer is not None:
        # Lightning reads the first block before it sets the epoch, which is not 0 in a resumed run.
        sampler.set_epoch(cast(_ProcessedTracker, trainer.fit_loop.epoch_progress.current).processed)
    return sampler


def panel_memory(
    former: PanelMemory | None,
    days: Days,
    blocks: DayBlocks,
    residency: Residency,
    trainer: pl.Trainer | None,
    epoch_days: Callable[[], Mapping[str, Days]],
) -> PanelMemory:
    """Say in which memory the panel of some days is; loaders share the ``former`` one where it has them.

    Args:
        former: of the loader before; None for the first.
        days: of the loader.
        blocks: reads them on the host.
        residency: as the user set it.
        trainer: whose device it is; None for a CPU.
        epoch_days: days of each loader of a fit, all of which one panel has.
    """
    device = torch.device("cpu") if trainer is None else trainer.strategy.root_device
    what = blocks.lookback, blocks.min_stocks, blocks.purge, device
    if former is not None and former.panel.serves(days, *what):
        return former
    # None: the run has not begun.
    if trainer is not None and trainer.state.fn in (None, TrainerFn.FITTING):
        fitted = np.concatenate([*epoch_days().values()])
        days = fitted if np.isin(days, fitted).all() else days
    return PanelMemory(ResidentPanel(blocks.cache, days, *what), residency)
