"""What a checkpoint carries of a task, and how a task comes back from one.

A checkpoint may come from anywhere: it is read as plain data, and nothing that it names is imported or run.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

from lightning.pytorch.callbacks import WeightAveraging
from lightning.pytorch.trainer.states import TrainerFn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from atft.files.checkpoint_file import read_checkpoint
from atft.losses.options import ObjectiveOptions
from atft.metrics.interval_ends import read_widths
from atft.network import NetworkFactory, NetworkInputs
from atft.tasks.checkpoint_match import check_heads_trained, check_regimes, check_shapes, feature_order
from atft.tasks.checkpoint_task import task_arguments
from atft.tasks.day_data import DayData
from atft.tasks.logged_metrics import LoggedMetrics
from atft.tasks.resume_checks import check_loops, check_resume
from atft.tasks.step import Step, count_in_blocks_of
from atft.tasks.task_config import task_config
from atft.tasks.term_shares import TermShares


class SavedTask(LoggedMetrics):
    """The part of `atft.tasks.ranking.RankingTask` that checkpoints are made of and made into."""

    config_text = ""
    """The resolved configuration as YAML, set by the command line; empty for a task made in Python."""
    network: Any
    inputs: NetworkInputs
    features: list[str]
    """Those of ``inputs``, in the order of the weights: a checkpoint's may be another than the panel's."""
    regimes: list[str]
    learned: Mapping[str, Any] = MappingProxyType({})
    """What the checkpoint says of its training days, see `atft.tasks.learned`; empty without day data."""
    interval_widths: Mapping[int, Sequence[float]] = MappingProxyType({})
    """Of the prediction intervals, by horizon: those of the last validation of these weights; empty without one."""
    step: Step
    term_shares: TermShares
    build_optimizer: Callable[[int | None], tuple[Optimizer, LRScheduler | None]]
    """Builds the optimiser and its schedule for a run of so many epochs."""
    _columns: Sequence[int]
    """Indices of the features among those of the data; empty where the order is the same."""

    @classmethod
    def load_from_checkpoint(  # type: ignore[override]
        cls,
        checkpoint_path: str | Path,
        *,
        network: NetworkFactory | None = None,
        objective: ObjectiveOptions | None = None,
        **options: Any,
    ) -> Self:
        """Rebuild the task of a checkpoint, with its weights; nothing that the file names is imported or run.

        Scores need no loss. Where a term is the user's own, the objective of a task without ``optimizer`` leaves it
        out, and the shares of the gradient, unless ``objective`` is given.

        Args:
            checkpoint_path: a file of ``fit``, of a sweep's trial or of a trainer.
            network: needed where the checkpoint's is no network of `atft.nn`: the class that the file names, with
                the file's arguments but for those that ``functools.partial`` sets; or a function that builds one.
            objective: the same; needed to train again where a term is the user's own.
            options: the class's others: ``optimizer`` and ``scheduler`` are needed to train again.

        Raises:
            InputError: the file is damaged or no checkpoint, names what is not atft's own, or has weights of
                another network.
        """
        content = read_checkpoint(checkpoint_path)
        trains = options.get("optimizer") is not None
        task = cls(**task_arguments(content, str(checkpoint_path), network, objective, trains), **options)
        task.on_load_checkpoint(content)
        task.load_state_dict(content["state_dict"])
        return task

    def _data(self) -> DayData | None:
        """What the trainer trains on or scores; None without a trainer, or without day data."""
        data = getattr(self._trainer, "datamodule", None)
        return data if isinstance(data, DayData) else None

    @property
    def data_seed(self) -> int:
        """Seed of the order of the blocks; 0 without day data."""
        data = self._data()
        return 0 if data is None else data.seed

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        if (
            "callbacks" not in checkpoint
        ):  # of weights alone: Lightning asks no callback for the averaged ones
            self._take_average(checkpoint)
        self.step.rewind(checkpoint)
        metrics = {} if self._trainer is None else self.trainer.callback_metrics
        data = self._data()
        checkpoint["atft"] = {
            "features": self.features,
            "config": self.config_text or task_config(self, data),
            "optimizer": type(self.trainer.optimizers[0]).__name__ if self._trainer is not None else "",
            "regimes": self.regimes,
            "parts": dict(self.network.parts),
            "balanced": self.term_shares.balanced(),
            "measured": {name: float(value) for name, value in metrics.items()},
            "interval_widths": {str(horizon): list(of) for horizon, of in self.interval_widths.items()},
            **self.learned,
        }
        if data is not None and (fold := data.fold_dates) is not None:
            checkpoint["atft"]["fold"] = fold.texts()

    def _take_average(self, checkpoint: dict[str, Any]) -> None:
        """Put averaged weights, where a callback has them, in the place of the present ones."""
        for callback in () if self._trainer is None else self.trainer.callbacks:  # type: ignore[attr-defined]
            if isinstance(callback, WeightAveraging) and callback._average_model is not None:
                callback.on_save_checkpoint(self.trainer, self, checkpoint)
                del checkpoint["current_model_state"], checkpoint["averaging_state"]

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        content = checkpoint.get("atft", {})
        check_heads_trained(content)
        data = self._data()
        panel = self.inputs.features if data is None else data.features
        self.features = list(content.get("features", self.inputs.features))
        self._columns = feature_order(self.features, panel)
        self.term_shares.restore(content.get("balanced", {}))
        widths = content.get("interval_widths", {})
        self.interval_widths = read_widths(widths, self.network.horizons, self.network.quantiles)
        check_regimes(self.network, content.get("regimes", self.regimes), self.regimes)
        check_shapes(checkpoint.get("state_dict", {}), self.state_dict())
        if self._trainer is None or self._trainer.state.fn != TrainerFn.FITTING:
            self.network.set_parts(**content.get("parts", {}))
            if self._trainer is not None:
                check_loops(checkpoint, self.trainer)
        else:
            check_resume(checkpoint, self.trainer, self.build_optimizer(self.trainer.max_epochs))
            if data is not None:
                count_in_blocks_of(data.train_dataloader().plan, checkpoint)
