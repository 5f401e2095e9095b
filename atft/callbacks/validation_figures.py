"""Two pictures of a validation that no scalar shows: is the order right all along, and on which days.

The return by score decile tells a ranking from a lucky top; RankIC by day tells a steady skill from a good month.
Drawn into TensorBoard's IMAGES. Cost: the deciles of each validated block, and about half a second a drawing.
"""

from typing import Any

import lightning.pytorch as pl
import torch
from jaxtyping import Bool, Float
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor
from torch.utils.hooks import RemovableHandle

from atft.cross_section import average_ranks, center
from atft.errors import InputError

DECILES = 10
ROLLING_DAYS = 20


class ValidationFigures(pl.Callback):
    """Draw the mean return of each score decile, and RankIC by day, after a validation.

    On several devices the deciles are of all days, RankIC of the first device's.

    Args:
        every: epochs between two drawings; 0 draws none.

    Raises:
        InputError: ``every`` is negative.
    """

    def __init__(self, every: int = 1) -> None:
        if every < 0:
            raise InputError(f"validation_figures.every must be at least 0, got {every}")
        self.every = every
        self._sums: Tensor | None = None
        self._per_day: dict[str, Tensor] = {}
        self._hook: RemovableHandle | None = None

    def on_validation_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        drawn = any(isinstance(logger, TensorBoardLogger) for logger in trainer.loggers)
        if drawn and not trainer.sanity_checking and self.every and trainer.current_epoch % self.every == 0:
            self._sums = None
            self._hook = pl_module.network.register_forward_hook(self._observe)

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        if self._hook is not None:
            self._per_day = pl_module.val_metrics.per_day()  # the task empties it right after

    def on_validation_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        if self._hook is None:
            return
        self._let_go()
        if self._sums is None:
            return
        sums = trainer.strategy.reduce(self._sums, reduce_op="sum")
        if not trainer.is_global_zero:
            return
        horizons = list(pl_module.val_metrics.horizons)
        total, count = sums.cpu()
        calendar = trainer.datamodule.open_cache().manifest.dates  # type: ignore[attr-defined]
        dates = [calendar[d] for d in self._per_day["day"].tolist()]
        figures = {
            "figures/return_by_decile": decile_figure(total / count, horizons),
            "figures/rank_ic_by_day": rank_ic_figure(self._per_day["rank_ic"].cpu(), dates, horizons),
        }
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                for tag, figure in figures.items():
                    logger.experiment.add_figure(tag, figure, trainer.global_step)

    def on_exception(self, trainer: pl.Trainer, pl_module: Any, exception: BaseException) -> None:
        self._let_go()

    def _observe(self, network: torch.nn.Module, given: Any, forecast: Any) -> None:
        (batch,) = given
        score, target, valid = (x.movedim(-1, 1) for x in (forecast.score, batch.target, batch.valid))
        sums = decile_sums(score, target, valid)
        self._sums = sums if self._sums is None else self._sums + sums

    def _let_go(self) -> None:
        if self._hook is not None:
            self._hook.remove()
            self._hook = None


def decile_sums(
    score: Float[Tensor, "days horizons stocks"],
    target: Float[Tensor, "days horizons stocks"],
    valid: Bool[Tensor, "days horizons stocks"],
) -> Float[Tensor, "2 horizons deciles"]:
    """Add up, by score decile of each day, the returns above the day's mean, and count the stocks.

    Args:
        score: network output; equal scores share the decile of their mean rank.
        target: forward returns, fractions; anything where not valid.
        valid: stocks to count; one whose score is not a number counts nowhere.

    Returns:
        Sums of returns, then counts; decile 0 has the lowest scores. Float64.
    """
    valid = valid & ~score.isnan()
    ranks = average_ranks(score.float(), valid)
    place = (ranks - 0.5) / valid.sum(-1, keepdim=True).clamp_min(1) * DECILES
    decile = place.long().clamp(0, DECILES - 1)
    excess = center(torch.where(valid, target, 0).double(), valid)
    member = torch.nn.functional.one_hot(decile, DECILES).double() * valid[..., None]
    return torch.stack([(member * excess[..., None]).sum((0, 2)), member.sum((0, 2))])


def decile_figure(returns: Float[Tensor, "horizons deciles"], horizons: list[int]) -> Any:
    """A bar per decile and a panel per horizon: rising from left to right is what a ranking should do."""
    figure, axes = _panels(len(horizons))
    for axis, values, horizon in zip(axes, returns, horizons, strict=True):
        axis.bar(range(1, DECILES + 1), (1e4 * values).tolist(), color="tab:blue")
        axis.set(title=f"{horizon} d", xlabel="score decile (10 is best)", ylabel="return above mean, bp")
        axis.axhline(0, color="black", linewidth=0.8)
    return figure


def rank_ic_figure(rank_ic: Float[Tensor, "days horizons"], dates: list[Any], horizons: list[int]) -> Any:
    """RankIC of each day as a dot and its rolling mean as a line, a panel per horizon."""
    figure, axes = _panels(len(horizons))
    for axis, values, horizon in zip(axes, rank_ic.T, horizons, strict=True):
        axis.plot(dates, values.tolist(), ".", color="silver", markersize=4)
        axis.plot(dates, rolling_mean(values, ROLLING_DAYS).tolist(), color="tab:blue")
        axis.axhline(0, color="black", linewidth=0.8)
        axis.set(title=f"{horizon} d", ylabel=f"RankIC, mean of {ROLLING_DAYS} days")
        axis.tick_params(axis="x", rotation=30)
    return figure


def rolling_mean(values: Float[Tensor, " days"], width: int) -> Float[Tensor, " days"]:
    """Mean of the last ``width`` days that are numbers; of those there are at the start, NaN without any."""
    return torch.stack([values[max(0, i + 1 - width) : i + 1].nanmean() for i in range(len(values))])


def _panels(count: int) -> tuple[Any, list[Any]]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4 * count, 3.2), layout="constrained")
    return figure, list(figure.subplots(1, count, squeeze=False)[0])
