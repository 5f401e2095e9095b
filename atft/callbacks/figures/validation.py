"""Pictures of a validation that no scalar shows, in TensorBoard's IMAGES and TIME SERIES.

``figures/*`` say how good the order is and what scores look like, ``network/*`` what the network looked at; a
part of the network that is off has none. While the blocks pass, sums stay on the device and no score is kept.
Cost of a validation: the sums of each block, one more pass for four of its blocks, and about a tenth of a second
to draw each figure.
"""

from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor
from torch.utils.hooks import RemovableHandle

from atft.batch import DayBatch, Forecast
from atft.callbacks.figures.distribution import (
    calibration_figure,
    calibration_sums,
    distribution_figure,
    distribution_sums,
)
from atft.callbacks.figures.explanation import (
    attention_figure,
    attention_sums,
    graph_figure,
    graph_sums,
    selection_figure,
    selection_sums,
)
from atft.callbacks.figures.ranking import decile_figure, decile_sums, rank_ic_figure, spread_figure
from atft.errors import InputError

EXPLAINED_BLOCKS = 4


class ValidationFigures(pl.Callback):
    """Draw the figures of a validation into TensorBoard.

    ``figures/return_by_decile``, ``rank_ic_by_day``, ``cumulative_spread``, ``distributions`` and, with quantile
    heads, ``quantile_calibration``; ``network/selection_weights``, ``attention_over_lookback`` and ``graph``. On
    several devices they are of all days.

    Args:
        every: epochs between two drawings; 0 draws none.

    Raises:
        InputError: ``every`` is negative.
    """

    def __init__(self, every: int = 1) -> None:
        if every < 0:
            raise InputError(f"validation_figures.every must be at least 0, got {every}")
        self.every = every
        self._sums: dict[str, Tensor] = {}
        self._per_day: dict[str, Tensor] = {}
        self._blocks = 0
        self._stride = 1  # blocks from one that is explained to the next
        self._transform: Any = None
        self._hook: RemovableHandle | None = None

    def on_validation_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        drawn = any(isinstance(logger, TensorBoardLogger) for logger in trainer.loggers)
        # The first validation of each `every` epochs.
        due = self.every and trainer.current_epoch % self.every < (trainer.check_val_every_n_epoch or 1)
        if drawn and due and not trainer.sanity_checking:
            self._sums, self._blocks = {}, 0
            self._stride = max(1, len(trainer.val_dataloaders.plan) // EXPLAINED_BLOCKS)  # type: ignore[union-attr]
            self._transform = pl_module.val_metrics.transform
            self._hook = pl_module.network.register_forward_hook(self._observe)

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        if self._hook is not None:
            with pl_module.val_metrics.sync_context():  # the task empties it right after
                self._per_day = pl_module.val_metrics.per_day()

    def on_validation_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        if self._hook is None:
            return
        self._let_go()
        sums = {n: trainer.strategy.reduce(v, reduce_op="sum").cpu() for n, v in self._sums.items()}
        if not sums or not trainer.is_global_zero:
            return
        calendar = trainer.datamodule.open_cache().manifest.dates  # type: ignore[attr-defined]
        dates = [calendar[d] for d in self._per_day["day"].tolist()]
        options = pl_module.network.options
        figures = ranking_figures(sums, self._per_day, dates, list(options.horizons), list(options.quantiles))
        figures |= network_figures(sums, pl_module.trained_on)
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                for tag, figure in figures.items():
                    logger.experiment.add_figure(tag, figure, trainer.global_step)

    def on_exception(self, trainer: pl.Trainer, pl_module: Any, exception: BaseException) -> None:
        self._let_go()

    def _observe(self, network: Any, given: Any, forecast: Forecast) -> None:
        (batch,) = given
        sums = block_sums(forecast, batch, self._transform)
        if self._blocks % self._stride == 0:
            sums |= explanation_sums(network.explain(batch), batch)
        self._blocks += 1
        for name, value in sums.items():
            self._sums[name] = self._sums[name] + value if name in self._sums else value

    def _let_go(self) -> None:
        if self._hook is not None:
            self._hook.remove()
            self._hook = None


def block_sums(forecast: Forecast, batch: DayBatch, transform: Any) -> dict[str, Tensor]:
    """Reduce a block's scores, quantiles and targets to what the figures are drawn from."""
    score, target, valid = (x.movedim(-1, 1) for x in (forecast.score, batch.target, batch.valid))
    sums = {"deciles": decile_sums(score, target, valid), **distribution_sums(score, target, valid)}
    if forecast.quantiles is not None:
        sums["calibration"] = calibration_sums(
            forecast.quantiles.permute(0, 2, 3, 1), target, valid, transform
        )
    return sums


def explanation_sums(told: Any, batch: DayBatch) -> dict[str, Tensor]:
    """Reduce what the network tells of a block; nothing of a part of the network that is off.

    Args:
        told: an `atft.nn.network.Explanation`.
        batch: the block.
    """
    sums = {}
    if told.selection is not None:
        sums["selection"] = selection_sums(told.selection, batch)
    if told.attention is not None:
        sums["attention"] = attention_sums(told.attention, batch)
    if told.neighbours is not None:
        sums |= graph_sums(told.neighbours, batch)
    return sums


def ranking_figures(
    sums: dict[str, Tensor],
    per_day: dict[str, Tensor],
    dates: list[Any],
    horizons: list[int],
    levels: list[float],
) -> dict[str, Any]:
    """Draw what concerns scores and returns, by tag.

    Args:
        sums: of the validation; see `block_sums`.
        per_day: ``spearman`` and ``decile_spread`` [days, horizons].
        dates: of the days.
        horizons: trading days ahead.
        levels: of the quantile heads.
    """
    figures = {
        "figures/return_by_decile": decile_figure(sums["deciles"], horizons),
        "figures/rank_ic_by_day": rank_ic_figure(per_day["spearman"].cpu(), dates, horizons),
        "figures/cumulative_spread": spread_figure(per_day["decile_spread"].cpu(), dates, horizons),
        "figures/distributions": distribution_figure(sums["places"], sums["deviations"], horizons),
    }
    if "calibration" in sums:
        figures["figures/quantile_calibration"] = calibration_figure(sums["calibration"], levels, horizons)
    return figures


def network_figures(sums: dict[str, Tensor], features: list[str]) -> dict[str, Any]:
    """Draw what the network looked at, by tag.

    Args:
        sums: of the explained blocks; see `explanation_sums`.
        features: names, in the network's order.
    """
    figures = {}
    if "selection" in sums:
        figures["network/selection_weights"] = selection_figure(sums["selection"], features)
    if "attention" in sums:
        figures["network/attention_over_lookback"] = attention_figure(sums["attention"])
    if "heard" in sums:
        figures["network/graph"] = graph_figure(sums["degrees"], sums["heard"])
    return figures
