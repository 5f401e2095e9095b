"""Pretraining: a network learns its features' joint behaviour before it sees a single return.

A share of the values of stock-days is hidden, and of whole rows; a linear decoder predicts their ranks within the
day from the states that the heads will read, so from what is left of the row, its history and its neighbours. The
decoder is thrown away, and the heads are not touched: ``fit --init_from`` begins with new ones.

He, Chen, Xie, Li, Dollar and Girshick, "Masked Autoencoders Are Scalable Vision Learners", CVPR 2022; for tables
Yoon, Zhang, Jordon and van der Schaar, "VIME", NeurIPS 2020. Cost: about that of an epoch of ``fit``.
"""

from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from atft.batch import DayBatch, Forecast
from atft.data.block_plan import block_seed
from atft.errors import InputError
from atft.files.checkpoint_file import NETWORK
from atft.losses.objective import ObjectiveValue
from atft.network import parameter_names
from atft.optim.build import build_optimizer
from atft.tasks.day_chunks import forecast_in_chunks, no_retry_under_ddp
from atft.tasks.day_data import DayData
from atft.tasks.hidden_values import HiddenBlock, day_ranks, hide_values
from atft.tasks.network_check import try_states
from atft.tasks.pretraining_days import PretrainingDays
from atft.tasks.ranking import RankingTask
from atft.tasks.step import add_loss_gradient, planned
from atft.tasks.step_log import count_optimiser_steps


class Pretraining(RankingTask):
    """Train the states of a network to predict the hidden values of their day.

    The loss of a day is the mean squared error of the ranks that its hidden values have among the day's stocks, as
    a uniform variable of mean 0 and std 1: 0 is perfect, 1 what the day's median gives. ``train/explained`` is 1 -
    squared error / that of the day's median, over the epoch's hidden values whose row has others left, and
    ``train/explained_rows`` the same of the rows that are hidden whole: 1 is perfect, 0 the day's median. Both are
    measured while training, with dropout, on values that no earlier step has hidden with the same others.

    Args:
        hide_features: share of the values of each stock-day that are hidden, above 0 and below 1.
        hide_days: share of stock-days whose whole row is hidden, in [0, 1); none where lookback is 1.
        options: those of `RankingTask`; its objective and metrics are not read.

    Raises:
        InputError: a share is out of range, or what `RankingTask` raises.
    """

    def __init__(self, hide_features: float = 0.3, hide_days: float = 0.1, **options: Any) -> None:
        super().__init__(**options)
        for name, share, least in (("hide_features", hide_features, 0.01), ("hide_days", hide_days, 0.0)):
            if not least <= share <= 0.99:
                raise InputError(f"model.{name} must be from {least:g} to 0.99, got {share}")
        self.hide_features, self.hide_days = hide_features, hide_days
        self.decoder: nn.Linear
        self.heads: list[str] = []
        """Parameter groups that pretraining leaves as they are."""
        self.feature_scaling: tuple[str, ...] = ("raw",) * len(self.features)
        """Of each feature in the cache: raw, rank or zscore."""
        self._errors = torch.zeros(2, 2)  # squared error and squared rank, of values and of rows, this epoch

    def add_decoder(self, data: DayData) -> None:
        """Build the decoder for the network's states, and freeze what they do not use; before training starts.

        Raises:
            InputError: the network has no ``encode``, or it returns no states.
        """
        lookback, exposures = data.loader_options.lookback, len(data.exposures)
        width, self.heads = try_states(self.network, self.inputs, lookback, exposures)
        for name in self.heads:
            for parameter in self.network.parameter_groups()[name]:
                parameter.requires_grad_(False)
        self.decoder = nn.Linear(width, len(self.features))
        # Not smaller weights, for a loss of 1 at the start: states would grow instead, ten times as large as heads
        # expect, which then learn that much slower.
        nn.init.zeros_(self.decoder.bias)

    # As if it were not defined: no day after the last training day is read.
    validation_step = pl.LightningModule.validation_step  # type: ignore[assignment]

    def setup(self, stage: str) -> None:
        super().setup(stage)
        data = self._data()
        if data is not None:
            self.feature_scaling = data.open_cache().manifest.scaling

    def build_optimizer(self, max_epochs: int | None) -> tuple[Optimizer, LRScheduler | None]:
        """Build optimiser and schedule; a group for each part of the network that trains, one ``decoder``."""
        groups = {n: g for n, g in self.network.parameter_groups().items() if n not in self.heads}
        groups["decoder"] = list(self.decoder.parameters())
        return build_optimizer(self.optimizer_factory, self.scheduler_factory, groups, max_epochs)

    def on_train_epoch_start(self) -> None:
        super().on_train_epoch_start()
        self._errors = torch.zeros(2, 2, dtype=torch.float64, device=self.device)

    def training_step(self, batch: DayBatch, batch_index: int) -> None:
        # What is hidden is drawn from here too: an epoch is the same to the bit wherever it runs.
        index = planned(self.trainer, batch).index
        torch.manual_seed(block_seed(self.data_seed, self.current_epoch, index))
        self.step.begin(batch, self)
        ranks = day_ranks(batch, self.feature_scaling)
        hidden = hide_values(batch, self.hide_features, self.hide_days)
        self.training_chunks.run(lambda _: self._add_errors(hidden, ranks), batch, self)
        if batch.closes_step:
            self._apply_gradients(batch.position)

    def _add_errors(self, hidden: HiddenBlock, ranks: Tensor) -> None:
        """Predict a block's hidden values, and add the gradient of their squared error to the step's."""
        batch = hidden.batch
        predicted = forecast_in_chunks(self._reconstruct, batch, self.training_chunks.days).score.float()
        target = ranks.masked_fill(~hidden.values, 0)
        difference = (predicted - target).masked_fill(~hidden.values, 0)
        error, square = (torch.linalg.vecdot(x, x) for x in (difference, target))  # of each stock-day
        loss = error.sum(1) / hidden.values.sum((1, 2)).clamp_min(1)
        with no_retry_under_ddp(self.trainer.world_size):
            self.step.set_value(ObjectiveValue(loss, {}), batch)
            add_loss_gradient(self, loss, batch)
        both = torch.stack((error.detach(), square)).double()
        whole = (both * hidden.rows).sum((1, 2))
        self._errors += torch.stack((both.sum((1, 2)) - whole, whole))

    def _reconstruct(self, batch: DayBatch) -> Forecast:
        """Ranks [days, stocks, features] that the states of a block predict, in the place of scores."""
        return Forecast(self.decoder(self.network.encode(batch)))

    def on_train_batch_end(self, outputs: Any, batch: DayBatch, batch_index: int) -> None:
        count_optimiser_steps(self.trainer)
        if self.trainer.is_last_batch or self.trainer.fit_loop.epoch_loop.done:
            values = self.step_log.means(self) | self._explained()
            self.log_own(values, on_step=False, on_epoch=True, batch_size=1)

    def _explained(self) -> dict[str, float]:
        sums = self.trainer.strategy.reduce(self._errors.clone(), reduce_op="sum")
        names = ("train/explained", "train/explained_rows")
        return {
            name: 1 - error / square
            for name, (error, square) in zip(names, sums.tolist(), strict=True)
            if square > 0
        }

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the network's weights but for those of its heads, and the last day that they have learned from."""
        super().on_save_checkpoint(checkpoint)
        data = self._data()
        until = ""
        if isinstance(data, PretrainingDays):
            until = data.open_cache().manifest.dates[data.pretraining_days()[-1]].isoformat()
        left_out = parameter_names(self.network, self.heads)
        checkpoint["state_dict"] = {
            name: weight
            for name, weight in checkpoint["state_dict"].items()
            if name.startswith(NETWORK) and name.removeprefix(NETWORK) not in left_out
        }
        checkpoint["atft"]["pretrained"] = {"until": until, "heads": " ".join(self.heads)}
