"""Write a predictions file while the days are scored: every day's universe, targets known or not.

Rows stream to disk day by day, so memory does not grow with the period. The file appears under its name only
when it is whole. What evaluation needs beside the score (targets, context, exposures, regimes) comes from the
cache, not through the network.
"""

from collections.abc import Callable
from contextlib import ExitStack, suppress
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from pyarrow.csv import CSVWriter

from atft.batch import DayBatch, Forecast
from atft.data.cache import DayCache
from atft.errors import InputError
from atft.evaluation.predictions import prediction_rows
from atft.parquet import close_writer, open_writer
from atft.progress import progress_bar
from atft.publish import published


class PredictionWriter(pl.Callback):
    """Write the scores of ``trainer.predict`` to one file.

    Args:
        path: the file; its suffix decides the format: ``.csv`` is CSV without a footer, anything else Parquet.
        cache: where targets, context and codes of the scored days come from.
        split_of: the split that a date lies in.
        digests: strings kept in the file's footer.
        quantiles: levels of the quantile heads, empty without.
    """

    def __init__(
        self,
        path: Path,
        cache: DayCache,
        split_of: Callable[[date], str],
        digests: dict[str, str],
        quantiles: list[float] | None = None,
    ) -> None:
        self.path, self.cache, self.split_of = path, cache, split_of
        self.levels = quantiles or []
        self.metadata = {f"atft.{k}": v for k, v in digests.items()} | {"atft.data": cache.manifest.digest}
        self.rows = self.days = 0
        self._open = ExitStack()
        self._writer: Any = None
        self._beside: Path | None = None
        self._advance: Callable[[], None]

    def on_predict_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.world_size > 1:
            raise InputError("predict writes one file from one device; set trainer.devices to 1")
        self._beside = self._open.enter_context(published(self.path))
        bar = self._open.enter_context(progress_bar())
        task = bar.add_task("scoring days", total=len(trainer.datamodule.predict_days()))  # type: ignore[attr-defined]
        self._advance = partial(bar.advance, task)

    def on_predict_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: DayBatch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        forecast: Forecast = outputs
        score, universe = forecast.score.float().cpu().numpy(), batch.universe.cpu().numpy()
        slots = batch.stock.cpu().numpy()
        quantiles = None if forecast.quantiles is None else forecast.quantiles.float().cpu().numpy()
        for row, day in enumerate(batch.day.tolist()):
            ranked = universe[row]
            if ranked.any():
                levels = None if quantiles is None else quantiles[row, ranked]
                self._append(self._day_rows(day, slots[ranked], score[row, ranked], levels))
                self._advance()

    def on_predict_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if isinstance(self._writer, CSVWriter):
            self._writer.close()
        elif self._writer is not None and self._beside is not None:
            close_writer(self._writer, self._beside)
        self._open.close()

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        if self._writer is not None:
            with suppress(OSError):  # on a full disk the footer cannot be written either
                self._writer.close()
        self._open.__exit__(type(exception), exception, exception.__traceback__)

    def _day_rows(self, day: int, slots: Any, score: Any, levels: Any) -> Any:
        manifest, view = self.cache.manifest, self.cache.day(day)
        by_horizon = {"score": score, "target": view.target[slots]}
        if manifest.delayed:
            by_horizon["target_lag1"] = view.delayed_target[slots]
        if manifest.oracle:
            by_horizon["oracle"] = view.oracle[slots]
        for place, level in enumerate(self.levels):
            by_horizon[f"q{round(100 * level):02d}"] = levels[..., place]
        sector = [manifest.sectors[s] if s >= 0 else None for s in view.sector[slots].tolist()]
        by_stock: dict[str, Any] = {"split": self.split_of(manifest.dates[day]), "fold": 0, "sector": sector}
        if manifest.returns:
            by_stock["return_1d"] = view.return_1d[slots]
        by_stock |= {n: view.context[slots, i] for i, n in enumerate(manifest.context) if n not in by_stock}
        by_stock |= {
            n: view.exposure[slots, i] for i, n in enumerate(manifest.exposures) if n not in by_stock
        }
        regime = self.cache.regime[day]
        by_stock |= {n: float(regime[i]) for i, n in enumerate(manifest.regimes) if n not in by_stock}
        codes = [manifest.codes[s] for s in slots]  # ascending, as the slots are
        return prediction_rows(manifest.dates[day], codes, manifest.horizons, by_horizon, **by_stock)

    def _append(self, table: Any) -> None:
        if self._writer is None:
            kept = {k.encode(): v.encode() for k, v in self.metadata.items()}
            assert self._beside is not None, "predicting has started"
            schema = table.schema.with_metadata(kept)
            if self.path.suffix == ".csv":
                self._writer = CSVWriter(self._beside, schema)
            else:
                self._writer = open_writer(self._beside, schema, compression="zstd")
        self._writer.write_table(table)
        self.rows += len(table)
        self.days += 1
