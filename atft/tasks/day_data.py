"""The day data: panel -> cache -> day batches of the three splits, as a LightningDataModule.

``prepare_data`` (once a machine) simulates a market where the config asks for one and builds the cache.
"""

from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import lightning.pytorch as pl
import numpy as np
import torch
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor

from atft.batch import DayBatch
from atft.data.blocks import DayBlocks
from atft.data.build import CacheOptions, build_cache
from atft.data.cache import DayCache, shared_cache
from atft.data.day_checks import check_training_days, days_to_score, fold_days_to_score, history_lines
from atft.data.fold_dates import FoldDates
from atft.data.graph import GraphOptions
from atft.data.loader import BlockLoader, InOrder, LoaderOptions
from atft.data.purge import PurgedSplit, RowPurge, purged_split
from atft.data.residency import PanelMemory
from atft.data.scaling import training_scaling
from atft.data.split import Days, Split, SplitOptions, count_folds, period_name, resolve_split
from atft.errors import InputError
from atft.network import Scaling
from atft.option_types import as_in_config, check_arguments
from atft.panel import PanelSchema, feature_names, match
from atft.tasks.loader_parts import block_sampler, panel_memory
from atft.tasks.panel_source import PanelOptions, check_excludes, column_names, panel_path


class DayData(pl.LightningDataModule):
    """Day batches of one panel, split by calendar date.

    Args:
        panel: where the panel comes from and which column plays which role.
        split: dates of training, validation and test, the embargo between them, and folds.
        cache: folder of the memory-mapped cache, and which features it holds ranked or z-scored.
        graph: how a day's neighbours are chosen; null for no graph.
        loader: lookback, blocks and worker processes.
        predict: dates [from, to] that ``predict`` scores; null: from the first validation day to the end, or the
            validation and test days of the fold.
        horizons: trading days ahead; taken from ``model.horizons``.
        seed: seed of the order of the blocks, written into predictions; taken from ``seed_everything``.
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
        options = {"panel": panel, "split": split, "loader": loader, "cache": cache, "graph": graph}
        check_arguments(DayData, {**options, "horizons": horizons, "seed": seed})
        self.panel, self.split_options, self.loader_options = panel, split, loader
        self.cache_options = cache or CacheOptions()
        self.graph_options, self.predict_dates = graph, as_in_config(predict)
        self.horizons = [1, 5, 10, 20] if horizons is None else as_in_config(horizons)
        self.seed: int = as_in_config(seed)
        self.trained_fold: FoldDates | None = None  # of the checkpoint that scores
        self._cache: DayCache | None = None
        self._memory: PanelMemory | None = None

    @classmethod
    def from_cache(
        cls, folder: str | Path, split: SplitOptions, loader: LoaderOptions, **options: Any
    ) -> Self:
        """Open the day data of a cache that is there, without its panel.

        Args:
            folder: of the cache, as ``data.open_cache().path`` or ``python -m atft cache`` names it.
            split: as for the class.
            loader: as for the class.
            options: ``predict`` and ``seed``.

        Raises:
            InputError: there is no cache, or it is damaged.
        """
        cache = DayCache(Path(folder).resolve()).open()
        manifest = cache.manifest
        data = cls(
            PanelOptions(schema=PanelSchema(**manifest.schema)),
            split,
            loader,
            CacheOptions(**{**manifest.options, "dir": str(cache.path.parent)}),
            None if manifest.graph is None else GraphOptions(**manifest.graph),
            horizons=list(manifest.horizons),
            **options,
        )
        data._cache = cache
        return data

    def columns(self) -> tuple[str, ...]:
        """Names of the panel's columns, from its footer; of a cache without a panel, those that it was made of."""
        if self._cache is None or self.panel.path is not None or self.panel.simulate is not None:
            return column_names(self.panel)
        m = self._cache.manifest
        sector = [str(self.panel.schema.sector)] if m.sectors else []
        # A column may have several roles.
        return tuple(dict.fromkeys((*m.features, *m.exposures, *m.regimes, *m.context, *sector)))

    @property
    def features(self) -> list[str]:
        """Names of the features that a network reads, in the panel's order."""
        return list(feature_names(self.panel.schema, self.columns(), self.panel.path or "panel"))

    @property
    def regimes(self) -> list[str]:
        """Names of the market-wide columns, in the panel's order."""
        return list(match(self.panel.schema.regime, self.columns()))

    @property
    def exposures(self) -> list[str]:
        """Names of the exposures, in the panel's order."""
        return list(match(self.panel.schema.exposures, self.columns()))

    def prepare_data(self) -> None:
        """Simulate the market and build the cache where they are missing.

        Raises:
            InputError: panel, cache or split cannot be used; before a run has left any trace.
        """
        self.open_cache()
        if self.trainer is not None and self.trainer.state.fn == TrainerFn.FITTING:
            self.prepare_training()

    def prepare_training(self) -> None:
        """Check the days of the split, and compute what the network needs of them.

        Raises:
            InputError: panel, cache or split cannot be used, or the training days cannot train.
        """
        check_excludes(self.panel)
        check_training_days(self.open_cache(), self.split, self._purged.labels)
        self.scaling()

    def open_cache(self, append_only: bool = False) -> DayCache:
        """The panel's cache, built first where it is missing; of a former one the unchanged days are kept.

        Raises:
            InputError: the panel or its cache cannot be used; with ``append_only``, also where no former one is.
        """
        if self._cache is None:
            panel = panel_path(self.panel, self.cache_options.dir)
            options = self.cache_options, self.graph_options
            path = build_cache(panel, self.panel.schema, self.horizons, *options, append_only=append_only)
            self._cache = shared_cache(path.resolve())
        return self._cache

    @property
    def digest(self) -> str:
        """The cache's digest: everything that the batches depend on."""
        return self.open_cache().manifest.digest

    @cached_property
    def split(self) -> Split:
        """Day indices of training, validation and test, purged and embargoed, of the fold where there is one."""
        return self._purged.split

    @cached_property
    def _purged(self) -> PurgedSplit:
        options = self.split_options
        return purged_split(self.open_cache(), self.split_by(options), options.embargo_days)

    def split_by(self, options: SplitOptions) -> Split:
        """The split by other options, no single label purged; raises InputError for a period without a day."""
        cache, lookback = self.open_cache(), self.loader_options.lookback
        m, labels = cache.manifest, cache.known_labels
        return resolve_split(m.dates, options, m.longest_label_days, lookback, m.universe_rows, labels)

    @cached_property
    def row_purge(self) -> RowPurge | None:
        """Labels that do not count by their own ends; None where the panel has no role ``label_end``."""
        return self._purged.rows

    def fold_count(self) -> int:
        """Count the folds of ``data.split.folds``, 0 without it; raises InputError where they cannot be made."""
        if self.split_options.folds is None:
            return 0
        m, lookback = self.open_cache().manifest, self.loader_options.lookback
        return count_folds(m.dates, self.split_options, m.longest_label_days, lookback)

    def predict_days(self) -> Days:
        """Days that ``predict`` scores: see the argument ``predict``.

        Raises:
            InputError: no day of the panel in that period has enough history.
        """
        return self._to_predict()[0]

    def lines_of(self, period: str) -> list[str]:
        """Lines on what the calendar left out or inserted, and on days that lack history or a known feature."""
        none = np.empty(0, dtype=np.int64)
        days, short = self._to_predict() if period == "predict" else (getattr(self.split, period), none)
        cache = self.open_cache()
        return [*cache.manifest.calendar, *history_lines(cache, days, short, self.loader_options.lookback)]

    @property
    def fold_dates(self) -> FoldDates | None:
        """Dates of the fold that trained: of the checkpoint that scores, else of this split; None without one."""
        if self.trained_fold is None and self.split_options.fold is not None:
            dates = self.open_cache().manifest.dates
            return FoldDates.of_days(self.split_options.fold, self.split.whole, dates)
        return self.trained_fold

    def _to_predict(self) -> tuple[Days, Days]:
        cache, lookback = self.open_cache(), self.loader_options.lookback
        if self.predict_dates is None and (fold := self.fold_dates) is not None:
            return fold_days_to_score(cache, fold, lookback)
        first, last = self.split_options.val[0], cache.manifest.dates[-1].isoformat()
        asked = [first, max(first, last)] if self.predict_dates is None else self.predict_dates
        return days_to_score(cache, "data.predict", asked, lookback)

    def split_of(self, day: date) -> str:
        """Name of the period that a date is in; see `atft.data.split.period_name`."""
        if (fold := self.fold_dates) is not None:
            return fold.period_of(day)
        manifest = self.open_cache().manifest
        return period_name(manifest.dates, self.split_options, manifest.longest_label_days, day)

    def run_columns(self) -> dict[str, int | bool]:
        """Columns of a predictions file that have one value: fold (0 without folds), seed and causal."""
        fold = self.fold_dates
        return {"fold": fold.fold if fold else 0, "seed": self.seed, "causal": fold is None or fold.causal}

    def epoch_days(self) -> dict[str, Days]:
        """Days that an epoch trains on and validates on."""
        return {"train": self.split.train, "val": self.split.val}

    def planned(self) -> dict[str, tuple[int, int]]:
        """Days and rows of one epoch, per split."""
        rows = np.array(self.open_cache().manifest.universe_rows, dtype=np.int64)
        return {name: (len(days), int(rows[days].sum())) for name, days in self.epoch_days().items()}

    def scaling(self) -> Scaling:
        """Median, interquartile range (0 and 1 where the cache scaled) and quantiles of the training days."""
        return training_scaling(self.open_cache(), self.split.train)

    def training_days(self) -> tuple[Tensor, Tensor, tuple[str, ...]]:
        """Training days on the calendar, their market-wide columns ``[days, regimes]``, and the columns' names."""
        cache, days = self.open_cache(), self.split.train
        return torch.from_numpy(days), torch.from_numpy(cache.regime[days]), cache.manifest.regimes

    def block_of_day(self, day: int) -> DayBatch:
        """Read the block of one day of the calendar, with all stocks of its universe."""
        return DayBlocks(self.open_cache(), self.loader_options.lookback).one_day(day)

    def train_dataloader(self) -> BlockLoader:
        """Blocks of training days in a new order each epoch, grouped into optimiser steps."""
        return self._loader(self.epoch_days()["train"], train=True)

    def val_dataloader(self) -> BlockLoader:
        """Every validation day once, in order."""
        return self._loader(self.split.val)

    def test_dataloader(self) -> BlockLoader:
        """Every test day once, in order; raises InputError where the config has no test period."""
        if not len(self.split.test):
            raise InputError("test needs data.split.test: [from, to]")
        return self._loader(self.split.test)

    def predict_dataloader(self) -> InOrder:
        """Every day to score once, in order, in a block of its own.

        In a block of several days it would be rounded in another way: scores would depend on the first day.
        """
        return InOrder(self._loader(self.predict_days(), block_days=1))

    def _loader(self, days: Days, train: bool = False, block_days: int | None = None) -> BlockLoader:
        # Labels are not asked for where days are predicted, one in a block.
        min_stocks, purge = (0, None) if block_days else (self.split.min_stocks, self.row_purge)
        options, trainer = self.loader_options, self.trainer
        sampler = block_sampler(self.open_cache(), days, options, self.seed, trainer, train, block_days)
        blocks = DayBlocks(self.open_cache(), options.lookback, min_stocks, purge)
        self._memory = panel_memory(self._memory, days, blocks, options.residency, trainer, self.epoch_days)
        return BlockLoader(blocks, sampler, options.num_workers, self._memory)

    def teardown(self, stage: str) -> None:
        """Free the panel that is in device memory."""
        if self._memory is not None:
            self._memory.panel.release()
            self._memory = None
