"""Write a predictions file while the days are scored: every day's universe, targets known or not.

Rows stream to disk day by day, so memory does not grow with the period. What evaluation needs beside the score
(targets, context, exposures, regimes) comes from the cache, not through the network.
"""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch

from atft.batch import DayBatch, Forecast
from atft.data.cache import DayCache
from atft.data.records import spread
from atft.errors import InputError
from atft.evaluation.predictions import FILE_FORMAT, prediction_rows
from atft.files.parquet import table_file
from atft.metrics.interval_ends import calibrated_intervals, level_pairs, quantile_column
from atft.process.progress import Progress

ENDS = ("low", "high")
"""Columns of an interval: ``interval_low80`` and ``interval_high80``."""


class PredictionWriter(pl.Callback):
    """Write the scores of ``trainer.predict`` to one file, which appears under its name once it is whole.

    Args:
        path: its suffix decides the format: ``.csv`` is CSV without a footer, anything else Parquet.
        cache: where targets, context and codes of the scored days come from.
        split_of: the split that a date is in.
        run: columns with one value in the whole file: fold, seed, causal.
        digests: strings kept in the file's footer.
        levels: of the quantile heads, empty without.
    """

    def __init__(
        self,
        path: Path,
        cache: DayCache,
        split_of: Callable[[date], str],
        run: Mapping[str, Any],
        digests: dict[str, str],
        levels: list[float],
    ) -> None:
        self.path, self.cache, self.split_of, self.levels = path, cache, split_of, levels
        self.run = dict(run)
        self.metadata = {f"atft.{k}": v for k, v in digests.items()} | {"atft.data": cache.manifest.digest}
        self._open = ExitStack()
        self._append: Callable[[Any], None]
        self._advance: Callable[[], None]

    def on_predict_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.world_size > 1:
            raise InputError("predict writes one file from one device; set trainer.devices to 1")
        append = self._open.enter_context(table_file(self.path, **FILE_FORMAT))
        days = len(trainer.datamodule.predict_days())  # type: ignore[attr-defined]
        self._advance = self._open.enter_context(Progress("scoring days", days)).advance
        self._append = lambda table: append(table.replace_schema_metadata(self.metadata), None)

    def on_predict_batch_end(
        self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: DayBatch, *_: Any
    ) -> None:
        forecast: Forecast = outputs
        score, universe = forecast.score.float().cpu().numpy(), batch.universe.cpu().numpy()
        stocks = batch.stock.cpu().numpy()
        by_level = self._quantiles(forecast, batch, pl_module)
        for row, day in enumerate(batch.day.tolist()):
            ranked = universe[row]
            if ranked.any():
                quantiles = {name: values[row, ranked] for name, values in by_level.items()}
                of_day = {"split": self.split_of(self.cache.manifest.dates[day]), **self.run}
                scores = score[row, ranked]
                self._append(day_rows(self.cache, day, stocks[ranked], scores, quantiles, **of_day))
                self._advance()

    def on_predict_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._open.close()

    def on_exception(self, trainer: pl.Trainer, pl_module: Any, exception: BaseException) -> None:
        self._open.__exit__(type(exception), exception, exception.__traceback__)

    def _quantiles(self, forecast: Forecast, batch: DayBatch, task: Any) -> dict[str, Any]:
        """Columns ``[days, stocks, horizons]`` of quantiles, of intervals and of what these are compared with."""
        if forecast.quantiles is None:
            return {}
        quantiles, pairs = forecast.quantiles.float(), level_pairs(self.levels)
        columns = {quantile_column(level): quantiles[..., i] for i, level in enumerate(self.levels)}
        if task.interval_widths and pairs:
            ends = calibrated_intervals(quantiles, task.interval_widths, pairs)
            # Too few validation days leave an end unknown, not infinite.
            ends = ends.where(ends.isfinite(), torch.nan)
            for i, pair in enumerate(pairs):
                columns |= {f"interval_{end}{pair.percent}": ends[..., i, j] for j, end in enumerate(ENDS)}
        columns["interval_target"] = task.objective.compared(batch)
        return {name: values.cpu().numpy() for name, values in columns.items()}


def day_rows(
    cache: DayCache,
    day: int,
    stocks: Any,
    score: Any,
    quantiles: Mapping[str, Any] | None = None,
    **of_day: Any,
) -> Any:
    """Lay out a scored day as rows of a predictions file, with the targets and the context that its cache has.

    Args:
        day: its index in the cache.
        stocks: int ``[stocks]``, ascending indices of the cache.
        score: ``[stocks, horizons]``; higher is better.
        quantiles: by their columns' names, the same shape.
        of_day: one value for all rows, by column: split, fold, seed, causal.
    """
    manifest, view = cache.manifest, cache.day(day)
    row, present = view.rows_of(stocks)

    def known(name: str) -> Any:
        return spread(getattr(view, name), row, present)

    by_horizon = {"score": score, "target": known("target")}
    if manifest.delayed:
        by_horizon["target_lag1"] = known("delayed_target")
    if manifest.oracle:
        by_horizon["oracle"] = known("oracle")
    by_horizon |= quantiles or {}
    sector = [manifest.sectors[s] if s >= 0 else None for s in known("sector").tolist()]
    by_stock: dict[str, Any] = {**of_day, "sector": sector}
    if manifest.returns:
        by_stock["return_1d"] = known("return_1d")
    for names, values in (
        (manifest.context, known("context").T),
        (manifest.exposures, known("exposure").T),
        (manifest.regimes, cache.regime[day].tolist()),
    ):
        for name, value in zip(names, values, strict=True):
            by_stock.setdefault(name, value)
    codes = [cache.codes[s] for s in stocks]
    return prediction_rows(manifest.dates[day], codes, manifest.horizons, by_horizon, **by_stock)
