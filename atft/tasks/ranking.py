"""The ranking task: the network, the per-day objective, the metrics and the optimiser meet here.

An optimiser step is several blocks of days from different dates, whose gradients add up to the gradient of the
mean loss over the step's days. The sampler plans which blocks make a step (days differ in size), so gradients are
applied by hand after the block that closes a step, and Trainer's fixed ``accumulate_grad_batches`` is not used.
One evaluation path: ``eval()`` mode, no dropout, float32 scores.
"""

from collections.abc import Sequence
from typing import Any, Self, cast

import torch
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torchmetrics import MeanMetric

from atft.batch import DayBatch, Forecast
from atft.data.block_plan import block_seed
from atft.data.loader import BlockLoader
from atft.day_statistics import RANKING_METRICS
from atft.errors import InputError
from atft.losses.objective import DayObjective
from atft.losses.options import ObjectiveOptions
from atft.losses.targets import target_transform
from atft.metrics.cross_section_metrics import CrossSectionMetrics, metric_names
from atft.metrics.interval_ends import crossing_share
from atft.metrics.own_metrics import metric_paths, own_metrics
from atft.metrics.prediction_intervals import ConformalWidths
from atft.network import NetworkFactory, NetworkInputs, build_network
from atft.nn.ensemble import ensemble_of, member_of
from atft.optim.build import OptimizerFactory, SchedulerFactory, build_optimizer, copied_factory
from atft.optim.phase_rates import largest_rate, phase_rates
from atft.optim.schedules import Schedule
from atft.option_types import check_type
from atft.shared_results import sharing_results
from atft.tasks.block_graphs import BlockGraphs
from atft.tasks.checkpoint_match import check_horizons_agree, check_regimes, feature_order
from atft.tasks.day_chunks import DayChunks, Retry, forecast_in_chunks, no_retry_under_ddp
from atft.tasks.day_data import DayData
from atft.tasks.learned import learned_from
from atft.tasks.saved_task import SavedTask
from atft.tasks.step import Step, add_loss_gradient, checked_clip, planned
from atft.tasks.step_log import StepLog, count_optimiser_steps
from atft.tasks.task_config import class_config
from atft.tasks.term_shares import TermShares


class RankingTask(SavedTask):
    """Train, evaluate and run a network on day batches.

    Args:
        network: class and arguments of the network, a `Network`, for instance ``atft.nn.atft_gat_fan.ATFTGATFAN``.
        objective: terms, weights and target transform of the loss of a day.
        optimizer: class and arguments of the optimiser, for instance ``torch.optim.AdamW``; training needs one.
        scheduler: class and arguments of the learning-rate schedule; null keeps the rate constant.
        horizons: trading days ahead, ascending, one score each; the panel needs a target for each.
        gradient_clip: largest norm of a step's gradient; null does not clip.
        features: ordered names of the features the network reads; taken from the panel's footer.
        regimes: ordered names of the market-wide columns, which a network may read; taken from the panel's footer.
        metrics: dotted paths of metrics of your own (a day's score, target, valid): mypkg.metrics.top_hit.
        cuda_graphs: replay each training block as CUDA graphs on a single GPU; no effect on other devices.
        members: number of networks side by side, each with its own loss; the mean of their ranks is the score.

    Raises:
        InputError: the network cannot be built, or is no `Network`; or a metric cannot be used.
    """

    retry_device = "cuda"
    """Type of the devices on which a block is tried again when memory runs out."""

    def __init__(
        self,
        network: NetworkFactory,
        objective: ObjectiveOptions,
        horizons: Sequence[int] = (1, 5, 10, 20),
        optimizer: OptimizerFactory | None = None,
        scheduler: SchedulerFactory | None = None,
        gradient_clip: float | None = 1.0,
        features: list[str] | None = None,
        regimes: list[str] | None = None,
        metrics: list[str] | str | None = None,
        cuda_graphs: bool = True,
        members: int = 1,
    ) -> None:
        super().__init__()
        built = {"network": network, "optimizer": optimizer, "scheduler": scheduler}
        self.classes = {name: class_config(factory) for name, factory in built.items()}
        if not features:
            raise InputError("model.features is empty; it is taken from the panel, give data.panel.path")
        self.automatic_optimization = False
        self.features = list(features)
        self.regimes = list(regimes or [])
        self._columns: list[int] = []
        self.gradient_clip, self.members = checked_clip(gradient_clip), members
        # Averaged weights copy the task: a copy shares functions, the parser's own factories cannot be copied.
        self.optimizer_factory = copied_factory("model.optimizer", optimizer, "torch.optim.AdamW, lr=1e-3")
        self.scheduler_factory = copied_factory("model.scheduler", scheduler, "WarmupCosine, warmup_epochs=1")
        self.inputs = NetworkInputs(tuple(features), tuple(horizons), tuple(self.regimes))
        self.network_factory: NetworkFactory = lambda inputs: network(inputs)
        self.network = build_network(ensemble_of(network, members), self.inputs)
        self.objective = DayObjective(objective, horizons, self.network.quantiles)
        self.term_shares = TermShares(self.objective)
        transform = target_transform(objective.target)
        self.metric_paths = metric_paths(metrics)
        self.metrics = RANKING_METRICS | own_metrics(self.metric_paths)
        self.train_metrics = CrossSectionMetrics(horizons, transform, self.metrics)
        self.val_metrics = CrossSectionMetrics(horizons, transform, self.metrics)
        self.test_metrics = CrossSectionMetrics(horizons, transform, self.metrics)
        self.quantile_crossing = MeanMetric(nan_strategy="disable")  # weighed by days; none in an empty block
        self.conformal_widths = ConformalWidths(horizons, self.network.quantiles)
        self.step_log, self.step = StepLog(), Step()
        self.memory_retries: list[Retry] = []  # each time that memory ran out in this process
        self.skipped_steps: dict[str, int] = {}  # steps that a guard did not apply, by reason
        self.block_graphs = BlockGraphs(cuda_graphs)
        self.training_chunks = DayChunks("train", self.memory_retries, self.retry_device)
        self.evaluation_chunks = DayChunks("evaluation", self.memory_retries, self.retry_device)

    @classmethod
    def for_data(
        cls, data: DayData, network: NetworkFactory, objective: ObjectiveOptions | None = None, **options: Any
    ) -> Self:
        """Build a task with the horizons, features and market-wide columns of ``data``.

        The other arguments are those of the class, for instance ``optimizer=partial(torch.optim.AdamW, lr=1e-3)``.
        """
        check_type("RankingTask.for_data: data", data, DayData)
        options |= {"horizons": data.horizons, "features": data.features, "regimes": data.regimes}
        return cls(network, objective or ObjectiveOptions(), **options)

    def forward(self, batch: DayBatch) -> Forecast:
        """Score a block; float32 whatever the precision inside the network."""
        forecast: Forecast = self.network(self.in_trained_order(batch))
        came, needed = list(forecast.score.shape), list(batch.target.shape)
        if came == needed:
            return forecast
        kind = type(member_of(self.network)).__name__
        raise InputError(f"{kind}: scores are {came}, they must be [days, stocks, horizons], here {needed}")

    def in_trained_order(self, batch: DayBatch) -> DayBatch:
        """The block with its features in the order of the weights, as the network reads them."""
        return batch._replace(features=batch.features[..., self._columns]) if self._columns else batch

    def match_data(self, data: DayData) -> None:
        """Let the blocks of ``data`` be scored; ``setup`` does so for those of the trainer.

        Raises:
            InputError: other horizons, market-wide columns or features than the task's.
        """
        check_horizons_agree(self.network.horizons, data.horizons)
        check_regimes(self.network, self.regimes, data.regimes)
        self._columns = feature_order(self.features, data.features)

    def setup(self, stage: str) -> None:
        """Learn from the training days the scaling (a checkpoint's own replaces it) and the day weights."""
        data = self._data()
        if data is None:
            return
        self.match_data(data)
        if stage in ("fit", "validate") or (stage == "predict" and self.network.quantiles):
            manifest = data.open_cache().manifest
            self.objective.set_columns(manifest.exposures, len(manifest.sectors))
        if stage == "fit":
            self.network.set_scaling(data.scaling().of_features(self._columns))
            self.learned = learned_from(data)
            self.objective.day_weights.fit(*data.training_days())

    # -- training

    def on_train_epoch_start(self) -> None:
        # Metrics belong to the weights that they were measured with, which change now.
        self.trainer.callback_metrics.clear()
        self.interval_widths, self.step.sums = {}, {}  # the sums of a step that a limit ended midway
        self.train_metrics.reset()
        self.step_log.begin_epoch()
        self.term_shares.begin_epoch()

    def training_step(self, batch: DayBatch, batch_index: int) -> None:
        block = planned(self.trainer, batch)
        seed = block_seed(self.data_seed, self.current_epoch, block.index)
        # Dropout draws from here: a resumed run repeats each block bit for bit without saving generator states.
        # torch.manual_seed spends 0.6 ms on absent devices.
        (torch.default_generator if self.device.type == "cpu" else torch).manual_seed(seed)
        self.term_shares.read(self)
        self.step.begin(batch, self)
        with sharing_results():  # the order of the day's returns
            forecast, measured = self.block_graphs.train(self, batch)
            self.term_shares.measure_if_due(self, forecast, batch, block.ends_step)
            self.train_metrics.update(forecast.score, batch.target, batch.valid, batch.day, measured)
        if batch.closes_step:
            self._apply_gradients(batch.position)

    def add_gradient(self, batch: DayBatch) -> Forecast:
        """Score a block and add its gradient to its step's."""
        forecast = forecast_in_chunks(self, batch, self.training_chunks.days)
        with no_retry_under_ddp(self.trainer.world_size):
            value = self.objective(forecast, batch)
            self.step.set_value(value, batch)
            add_loss_gradient(self, value.loss, batch)
        return forecast.detach()

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        # By now a loss scaler (precision 16-mixed) has divided the gradient by its factor.
        if self.gradient_clip is not None:
            self.clip_gradients(optimizer, self.gradient_clip, "norm")

    def _apply_gradients(self, position: int) -> None:
        optimizer = cast(LightningOptimizer, self.optimizers())
        rate = largest_rate(optimizer)
        with phase_rates(optimizer):
            optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        self.step.close()
        self._advance_schedule(position)
        self.step_log.add_step(self, rate)

    def _advance_schedule(self, position: int) -> None:
        """Set the learning rates after a step; a scheduler of torch's own moves at the epoch's end."""
        scheduler = self.lr_schedulers()
        if isinstance(scheduler, Schedule):
            loader = self.trainer.train_dataloader
            if isinstance(loader, BlockLoader):  # in steps, not blocks: the same on any number of devices
                share = loader.plan.share_of_steps(position)
            else:
                share = (self.trainer.fit_loop.batch_idx + 1) / self.trainer.num_training_batches
            scheduler.advance(self.current_epoch + share)

    def on_train_batch_end(self, outputs: Any, batch: DayBatch, batch_index: int) -> None:
        count_optimiser_steps(self.trainer)
        if self.trainer.is_last_batch or self.trainer.fit_loop.epoch_loop.done:  # a stop was asked for
            metrics = self.step_log.means(self) | _prefixed("train", self.train_metrics.compute())
            self.log_own(metrics, on_step=False, on_epoch=True, batch_size=1)

    def on_train_epoch_end(self) -> None:
        scheduler = self.lr_schedulers()
        if isinstance(scheduler, LRScheduler) and not isinstance(scheduler, Schedule):
            scheduler.step()
        self.term_shares.close_epoch(self)

    def configure_optimizers(self) -> Any:
        optimizer, scheduler = self.build_optimizer(self.trainer.max_epochs)
        return optimizer if scheduler is None else {"optimizer": optimizer, "lr_scheduler": scheduler}

    def build_optimizer(self, max_epochs: int | None) -> tuple[Optimizer, LRScheduler | None]:
        """Build the optimiser and its schedule for a run of ``max_epochs``; a group for each part of the network.

        Raises:
            InputError: there is no optimiser, or one of their numbers is out of range.
        """
        groups = self.network.parameter_groups()
        return build_optimizer(self.optimizer_factory, self.scheduler_factory, groups, max_epochs)

    def logged_names(self) -> set[str]:
        """Names of the metrics that a finished epoch has logged."""
        suffixes = ["", *(f"_{h}d" for h in self.network.horizons)]
        ranked = {
            f"{of}/{m}{s}" for of in ("train", "val") for m in metric_names(self.metrics) for s in suffixes
        }
        terms = {f"train/term/{t}" for t in self.objective.options.terms}
        crossing = {"val/quantile_crossing"} if self.network.quantiles else set()
        return ranked | terms | crossing | {"train/loss", "train/learning_rate"}

    # -- evaluation

    def validation_step(self, batch: DayBatch, batch_index: int) -> None:
        forecast = self._evaluate(batch)
        self.val_metrics.update(forecast.score, batch.target, batch.valid, batch.day)
        if forecast.quantiles is not None:
            crossed = crossing_share(forecast.quantiles, batch.universe)
            self.quantile_crossing.update(crossed, batch.universe.any(-1).sum())
            compared = self.objective.compared(batch)
            self.conformal_widths.update(forecast.quantiles, compared, batch.valid, batch.day)

    def on_validation_epoch_end(self) -> None:
        self.log_own(_prefixed("val", self.val_metrics.compute()))
        self.val_metrics.reset()
        if self.network.quantiles:
            self.log_own({"val/quantile_crossing": self.quantile_crossing.compute()})
            self.quantile_crossing.reset()
            self.interval_widths = self.conformal_widths.compute()
            self.conformal_widths.reset()

    def test_step(self, batch: DayBatch, batch_index: int) -> None:
        self.test_metrics.update(self._evaluate(batch).score, batch.target, batch.valid, batch.day)

    def on_test_epoch_end(self) -> None:
        self.log_own(_prefixed("test", self.test_metrics.compute()))
        self.test_metrics.reset()

    def predict_step(self, batch: DayBatch, batch_index: int) -> Forecast:
        return self._evaluate(batch)

    def _evaluate(self, batch: DayBatch) -> Forecast:
        chunks = self.evaluation_chunks
        return chunks.run(lambda block: forecast_in_chunks(self, block, chunks.days), batch, self)


def _prefixed(split: str, values: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"{split}/{name}": value for name, value in values.items()}
