"""Figures of a validation that no scalar shows, in TensorBoard's IMAGES and TIME SERIES.

``figures/*`` show how good the order is and how scores are distributed, ``network/*`` what the network looks at; of
a part that a phase has switched off the picture says so. During the validation sums stay on the device and no score
is kept. Cost of a validation: the sums of each block, one more pass for a day of four of its blocks, and about a
seventh of a second to draw each figure.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor
from torch.utils.hooks import RemovableHandle

from atft.batch import DayBatch, Forecast
from atft.callbacks.figures import explanation, forecasts
from atft.callbacks.figures.panels import message_figure, set_caption
from atft.errors import InputError, clip
from atft.network import Explainable, Explanation

EXPLAINED_BLOCKS = 4
PART_OF = {
    "network/selection_weights": "variable_selection",
    "network/attention_over_lookback": "encoder",
    "network/graph": "graph",
}
"""The part of the network that each picture is of."""


class ValidationFigures(pl.Callback):
    """Draw the figures of a validation into TensorBoard; on several devices they are of all days.

    Args:
        every: epochs between two drawings, at least 0; 0 draws none.
    """

    def __init__(self, every: int = 1) -> None:
        if every < 0:
            raise InputError(f"validation_figures.every must be at least 0, got {every}")
        self.every = every
        self._sums: dict[str, Tensor] = {}
        self._per_day: dict[str, Tensor] = {}
        self._blocks = 0
        self._stride = 1  # blocks from one that is explained to the next
        self._targets: Any = None
        self._hook: RemovableHandle | None = None

    def on_validation_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        drawn = any(isinstance(logger, TensorBoardLogger) for logger in trainer.loggers)
        # The first validation of each `every` epochs.
        due = self.every and trainer.current_epoch % self.every < (trainer.check_val_every_n_epoch or 1)
        if drawn and due and not trainer.sanity_checking:
            self._sums, self._blocks = {}, 0
            self._stride = max(1, len(trainer.val_dataloaders.plan) // EXPLAINED_BLOCKS)  # type: ignore[union-attr]
            self._targets = pl_module.objective.targets
            # A hook, not the end of a batch: it sees the batch as the network does, features in its own order.
            self._hook = pl_module.network.register_forward_hook(self._observe)

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        if self._hook is not None:
            with pl_module.val_metrics.sync_context():  # the task empties it right after
                self._per_day = pl_module.val_metrics.per_day()

    def on_validation_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        if self._hook is None:
            return
        self._remove_hook()
        sums = {n: trainer.strategy.reduce(v, reduce_op="sum").cpu() for n, v in self._sums.items()}
        if not sums or not trainer.is_global_zero:
            return
        calendar = trainer.datamodule.open_cache().manifest.dates  # type: ignore[attr-defined]
        dates = [calendar[d] for d in self._per_day["day"].tolist()]
        network = pl_module.network
        figures = ranking_figures(sums, self._per_day, dates, list(network.horizons), list(network.quantiles))
        figures |= network_figures(sums, pl_module.features)
        figures |= switched_off(network.parts, figures)
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                run = clip(f"{logger.name} {logger.version}", 45)
                caption = f"{run}, epoch {trainer.current_epoch + 1}\n{period(dates, sums['deciles'])}"
                for tag, figure in figures.items():
                    set_caption(figure, caption)
                    logger.experiment.add_figure(tag, figure, trainer.global_step)

    def on_exception(self, trainer: pl.Trainer, pl_module: Any, exception: BaseException) -> None:
        self._remove_hook()

    def _observe(self, network: Any, arguments: Any, forecast: Forecast) -> None:
        (batch,) = arguments
        sums = block_sums(forecast, batch, partial(self._targets, batch=batch))
        if self._blocks % self._stride == 0:
            day = batch.part(0, 1)  # all of them would cost as much as scoring the block
            weights = network.explain(day) if isinstance(network, Explainable) else Explanation()
            sums |= explanation_sums(weights, day)
        self._blocks += 1
        for name, value in sums.items():
            self._sums[name] = self._sums[name] + value if name in self._sums else value

    def _remove_hook(self) -> None:
        if self._hook is not None:
            self._hook.remove()
            self._hook = None


def period(dates: list[Any], deciles: Tensor) -> str:
    """The days of a validation and their stocks, in words; ``deciles`` as in `forecasts.decile_sums`."""
    if not dates:
        return "no day"
    days, stocks = float(deciles[2].max()), float(deciles[3, 0].sum())
    return f"{dates[0]} to {dates[-1]}, {len(dates)} days, {stocks / max(days, 1):.0f} stocks a day"


def block_sums(forecast: Forecast, batch: DayBatch, transform: Any) -> dict[str, Tensor]:
    """Reduce a block's scores, quantiles and targets to the sums that the figures are drawn from."""
    score, target, valid = (x.movedim(-1, 1) for x in (forecast.score, batch.target, batch.valid))
    sums = forecasts.distribution_sums(score, target, valid)
    sums["deciles"] = forecasts.decile_sums(score, target, valid)
    if forecast.quantiles is not None:
        quantiles = forecast.quantiles.permute(0, 2, 3, 1)
        sums["calibration"] = forecasts.calibration_sums(quantiles, target, valid, transform)
    return sums


def explanation_sums(weights: Explanation, batch: DayBatch) -> dict[str, Tensor]:
    """Reduce the explanation of a block to sums; a part that is off has none."""
    sums = {}
    if weights.selection is not None:
        sums["selection"] = explanation.selection_sums(weights.selection, batch)
    if weights.attention is not None:
        sums["attention"] = explanation.attention_sums(weights.attention, batch)
    if weights.neighbours is not None:
        sums |= explanation.graph_sums(weights.neighbours, batch)
    return sums


def ranking_figures(
    sums: dict[str, Tensor],
    per_day: dict[str, Tensor],
    dates: list[Any],
    horizons: list[int],
    levels: list[float],
) -> dict[str, Any]:
    """Draw scores and returns, by tag: from `block_sums`, and ``spearman`` and ``decile_spread`` per day."""
    rank_ic, spread = (per_day[name].cpu() for name in ("spearman", "decile_spread"))
    histograms, deviations = sums["histograms"], sums["deviations"]
    figures = {
        "figures/return_by_decile": forecasts.decile_figure(sums["deciles"], horizons),
        "figures/rank_ic_by_day": forecasts.rank_ic_figure(rank_ic, dates, horizons),
        "figures/cumulative_spread": forecasts.spread_figure(spread, dates, horizons),
        "figures/distributions": forecasts.distribution_figure(histograms, deviations, horizons),
    }
    if "calibration" in sums:
        calibration = forecasts.calibration_figure(sums["calibration"], levels, horizons)
        figures["figures/quantile_calibration"] = calibration
    return figures


def network_figures(sums: dict[str, Tensor], features: list[str]) -> dict[str, Any]:
    """Draw what the network looked at, by tag, from `explanation_sums`; ``features`` in the network's order."""
    figures = {}
    if "selection" in sums:
        figures["network/selection_weights"] = explanation.selection_figure(sums["selection"], features)
    if "attention" in sums:
        figures["network/attention_over_lookback"] = explanation.attention_figure(sums["attention"])
    if "degrees" in sums:
        figures["network/graph"] = explanation.graph_figure(sums["degrees"], sums["neighbour_weights"])
    return figures


def switched_off(parts: Mapping[str, bool], drawn: Mapping[str, Any]) -> dict[str, Any]:
    """A picture for each part of ATFT-GAT-FAN that is off and has none: it says so, where TensorBoard would show
    the last one that was drawn."""
    return {
        tag: message_figure(f"{part}: switched off in this validation")
        for tag, part in PART_OF.items()
        if parts.get(part) is False and tag not in drawn
    }
