"""The day data: panel -> cache -> day batches of the three splits, as a LightningDataModule.

Decides when files are made: ``prepare_data`` (once a machine) simulates a market where the config asks for one
and builds the cache that its digest names; ``setup`` only opens it. Nothing is built while a config is parsed:
feature names come from the Parquet footer, or from the market's options.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import cast

import lightning.pytorch as pl
import numpy as np
import torch
from lightning.pytorch.loops.progress import _ProcessedTracker
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor

from atft.batch import DayBatch
from atft.data.block_plan import BlockSampler
from atft.data.blocks import DayBlocks
from atft.data.build import CacheOptions, build_cache
from atft.data.cache import DayCache
from atft.data.graph import GraphOptions
from atft.data.loader import BlockLoader, LoaderOptions, make_loader
from atft.data.opened import OpenedCaches
from atft.data.split import Days, Split, SplitOptions, resolve_split
from atft.errors import InputError
from atft.market.options import MarketOptions, market_columns, market_digest
from atft.market.write import write_market
from atft.panel import PanelSchema, day_index, footer_names, match


@dataclass(frozen=True)
class PanelOptions:
    """Where the panel comes from: a file of one's own, or a simulated market.

    Args:
        path: a Parquet file, a folder of them, or a glob.
        simulate: options of a simulated market, instead of a path.
        schema: which column plays which role.
    """

    path: str | None = None
    simulate: MarketOptions | None = None
    schema: PanelSchema = field(default_factory=PanelSchema)


def panel_features(panel: PanelOptions) -> list[str]:
    """Names of the features that the network will read, from the footer or the market's options.

    Raises:
        InputError: neither or both sources are given, nothing is at the path, or no column is a feature.
    """
    names = _column_names(panel)
    found = [n for n in match(panel.schema.features, names) if n not in match(panel.schema.exclude, names)]
    if not found:
        raise InputError(f"{panel.path or 'simulated market'}: no column matches {panel.schema.features}")
    return found


def _column_names(panel: PanelOptions) -> tuple[str, ...]:
    if (panel.path is None) == (panel.simulate is None):
        raise InputError("data.panel needs either path (a panel file) or simulate (options of a market)")
    if panel.simulate is not None:
        return market_columns(panel.simulate)
    return footer_names(str(panel.path))


class InOrder:
    """A loader as a plain iterable: Lightning rebuilds the DataLoaders it predicts with, this one it leaves."""

    def __init__(self, loader: BlockLoader) -> None:
        self.loader = loader

    def __iter__(self) -> Iterator[DayBatch]:
        return iter(self.loader)


class DayData(pl.LightningDataModule):
    """Day batches of one panel, split by calendar date.

    Args:
        panel: where the panel comes from and which column plays which role.
        split: dates of training, validation and test, and the embargo between them.
        cache: where the memory-mapped cache lies, and which features it holds ranked or z-scored.
        graph: how a day's neighbours are chosen; null for no graph.
        loader: lookback, blocks and worker processes.
        predict: dates [from, to] that ``predict`` scores; null: from the first validation day to the end.
        horizons: trading days ahead; taken from ``model.network.horizons``.
        seed: of the order of the blocks; taken from ``seed_everything``.
    """

    def __init__(
        self,
        panel: PanelOptions,
        split: SplitOptions,
        loader: LoaderOptions,
        cache: CacheOptions | None = None,
        graph: GraphOptions | None = None,
        predict: list[str] | None = None,
        horizons: list[int] | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.panel, self.split_options, self.loader_options = panel, split, loader
        self.cache_options = cache or CacheOptions()
        self.graph_options, self.predict_dates = graph, predict
        self.horizons = list(horizons or [1, 5, 10, 20])
        self.seed = seed
        self.opened = OpenedCaches()
        """Replaced by one that several runs of a process share."""
        self._cache: DayCache | None = None
        self._split: Split | None = None
        self._statistics: tuple[Tensor, Tensor] | None = None

    # -- files

    def prepare_data(self) -> None:
        """Simulate the market and build the cache where they are missing.

        Raises:
            InputError: panel, cache or split cannot be used; before a run has left any trace.
        """
        self.open_cache()
        if self.trainer is not None and self.trainer.state.fn == TrainerFn.FITTING:
            self.robust_statistics()

    def open_cache(self) -> DayCache:
        """The panel's cache, built first where it is missing.

        Raises:
            InputError: the panel or the cache that is there cannot be used.
        """
        if self._cache is None:
            path = self._panel_path()
            built = build_cache(
                path, self.panel.schema, self.horizons, self.cache_options, self.graph_options
            )
            self._cache = self.opened.cache(built)
        return self._cache

    def _panel_path(self) -> str:
        if self.panel.simulate is None:
            return str(self.panel.path)
        path = Path(self.cache_options.dir) / f"market-{market_digest(self.panel.simulate)}.parquet"
        if not path.exists():
            write_market(path, self.panel.simulate)
        return str(path)

    @property
    def digest(self) -> str:
        """The cache's digest: everything that the batches depend on."""
        return self.open_cache().manifest.digest

    # -- days

    @property
    def split(self) -> Split:
        """Day indices of training, validation and test, purged and embargoed."""
        if self._split is None:
            held = self.open_cache().manifest
            self._split = resolve_split(
                held.dates,
                self.split_options,
                held.longest_label_days,
                self.loader_options.lookback,
                held.universe_rows,
            )
        return self._split

    def predict_days(self) -> Days:
        """Days that ``predict`` scores: those asked for, else from the first validation date to the end.

        Raises:
            InputError: no day of the panel lies there with enough history.
        """
        held = self.open_cache().manifest
        first, last = self.predict_dates or [self.split_options.val[0], held.dates[-1].isoformat()]
        start = day_index(held.dates, date.fromisoformat(first), "from")
        stop = day_index(held.dates, date.fromisoformat(last), "to")
        start = max(start, self.loader_options.lookback - 1)
        days = np.arange(start, stop + 1, dtype=np.int64)
        days = days[np.array(held.universe_rows, dtype=np.int64)[days] > 0] if len(days) else days
        if not len(days):
            raise InputError(
                f"predict: no day from {first} to {last} with {self.loader_options.lookback} days of history; "
                f"the panel runs {held.dates[0]} to {held.dates[-1]}; set data.predict"
            )
        return days

    def split_of(self, day: date) -> str:
        """Name of the period that a date lies in: train, val, test, gap, or live outside of all.

        ``gap`` days lie within a period's dates but belong to nobody: purged, embargoed, or short of history.
        """
        periods = {"train": self.split_options.train, "val": self.split_options.val}
        if self.split_options.test:
            periods["test"] = self.split_options.test
        inside = [n for n, (a, b) in periods.items() if date.fromisoformat(a) <= day <= date.fromisoformat(b)]
        if not inside:
            return "live"
        held = {"train": self.split.train, "val": self.split.val, "test": self.split.test}[inside[0]]
        dates = self.open_cache().manifest.dates
        return inside[0] if len(held) and dates[held[0]] <= day <= dates[held[-1]] else "gap"

    def planned(self) -> dict[str, tuple[int, int]]:
        """Days and rows of one epoch, per split."""
        rows = np.array(self.open_cache().manifest.universe_rows, dtype=np.int64)
        days = {"train": self.split.train, "val": self.split.val}
        return {name: (len(index), int(rows[index].sum())) for name, index in days.items()}

    def robust_statistics(self) -> tuple[Tensor, Tensor]:
        """Median and interquartile range of the training days, per feature; 0 and 1 where the cache scaled."""
        if self._statistics is None:
            median, iqr = self.opened.robust_statistics(self.open_cache(), self.split.train)
            self._statistics = torch.from_numpy(median), torch.from_numpy(iqr)
        return self._statistics

    def training_days(self) -> tuple[Tensor, Tensor, tuple[str, ...]]:
        """Training days on the calendar, their market-wide columns ``[days, regimes]``, and the columns' names."""
        cache, days = self.open_cache(), self.split.train
        return torch.from_numpy(days), torch.from_numpy(cache.regime[days]), cache.manifest.regimes

    # -- loaders

    def train_dataloader(self) -> BlockLoader:
        """Blocks of training days in a new order each epoch, grouped into optimiser steps."""
        return self._loader(self.split.train, train=True)

    def val_dataloader(self) -> BlockLoader:
        """Every validation day once, in order."""
        return self._loader(self.split.val)

    def test_dataloader(self) -> BlockLoader:
        """Every test day once, in order.

        Raises:
            InputError: the config has no test period.
        """
        if not len(self.split.test):
            raise InputError("test needs data.split.test: [from, to]")
        return self._loader(self.split.test)

    def predict_dataloader(self) -> "InOrder":
        """Every day to score once, in order and by itself.

        Together with other days it would be a tensor of another shape, which rounds in another way: its scores
        would depend on where the days asked for begin.
        """
        return InOrder(self._loader(self.predict_days(), block_days=1))

    def _loader(self, days: Days, train: bool = False, block_days: int | None = None) -> BlockLoader:
        trainer, options = self.trainer, self.loader_options
        limit = trainer.limit_train_batches if train and trainer is not None else None
        sampler = BlockSampler(
            days,
            self.open_cache().manifest.universe_rows,
            block_days or options.block_days,
            options.batch_size,
            seed=self.seed,
            rank=trainer.global_rank if trainer else 0,
            world_size=trainer.world_size if trainer else 1,
            shuffle=train,
            # Planned here and not cut off by the trainer: the last block of a limited epoch closes its step too.
            limit=limit if isinstance(limit, int) else None,
        )
        if train and trainer is not None:
            # Lightning asks for the first block before it tells the epoch, which a resumed run does not begin at.
            sampler.set_epoch(cast(_ProcessedTracker, trainer.fit_loop.epoch_progress.current).processed)
        return make_loader(DayBlocks(self.open_cache(), options.lookback), sampler, options)
