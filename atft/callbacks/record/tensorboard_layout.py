"""Group a run's charts in TensorBoard, and let runs be compared by their settings and final metrics.

CUSTOM SCALARS groups some eighty scalars under five headings; HPARAMS shows the settings beside the metrics of the
selected epoch. TensorBoard shows five settings and five metrics by default, first the settings in which the runs
differ, as long as no run describes the experiment: hence only a part of torch's ``hparams`` summary is written.
Other loggers (MLflow, W&B, CSV) get the same settings and metrics.
"""

from collections.abc import Iterable
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.loggers import TensorBoardLogger
from torch.utils.tensorboard.summary import hparams

from atft.callbacks.record.run_checkpoint import Measured, selected_epoch, validation_of
from atft.files.yaml_text import flat_keys

BY_HORIZON = r"_\d+d$"
LAYOUT: dict[str, dict[str, list[str]]] = {
    "ranking": {
        "RankIC, validation": ["val/rank_ic$"],
        "RankIC, training and validation": ["train/rank_ic$", "val/rank_ic$"],
        "RankIC by horizon, validation": [f"val/rank_ic{BY_HORIZON}"],
        "IC, validation": ["val/ic$"],
        "RankIC over its deviation, validation": ["val/rank_icir$"],
        "hit rate, validation": ["val/hit_rate$"],
    },
    "portfolio": {
        "annualised Sharpe, validation": ["val/sharpe_annual$"],
        "annualised Sharpe, training and validation": ["train/sharpe_annual$", "val/sharpe_annual$"],
        "annualised Sharpe by horizon, validation": [f"val/sharpe_annual{BY_HORIZON}"],
    },
    "losses and gradient shares": {
        "loss": ["train/loss$"],
        "terms": ["train/term/.+"],
        "loss by step": ["train/step/loss$"],
        "terms by step": ["train/step/term/.+"],
        "gradient shares": ["train/gradient_share/.+"],
        "weights of the terms, where balanced": ["train/weight/.+"],
    },
    "health": {
        "scale of the scores (0: collapsed)": ["train/scale$", "val/scale$"],
        "scale by horizon, validation": [f"val/scale{BY_HORIZON}"],
        "gradient norms": ["health/gradient_norm/.+"],
        "share of the gradient not finite": ["health/gradient_non_finite$"],
        "share of the planned days and rows seen": ["health/coverage_.+"],
        "retries for lack of memory": ["health/memory_retries$"],
        "skipped steps": ["health/skipped_steps/.+"],
        "loss scale, in 16-mixed": ["health/loss_scale$"],
        "learning rate": ["train/learning_rate$"],
    },
    "speed": {
        "stock-days a second": ["speed/stock_days_per_second$"],
        "days a second": ["speed/days_per_second$"],
        "share waiting for data": ["speed/waiting_share$"],
        "GPU memory, GB": ["speed/gpu_memory_gb$"],
        "GPU use": ["speed/gpu_use$"],
    },
}
"""Group, chart, and the patterns of the tags that it draws."""

COMPARED = (
    "seed_everything",
    "trainer.max_epochs",
    "trainer.precision",
    "model.",
    "data.loader.",
    "data.graph.",
    "data.split.",
)
"""Beginnings of the keys of the settings shown beside a run's metrics."""
FINAL = ("rank_ic", "ic", "rank_icir", "sharpe_annual", "scale")
"""Metrics of the selected epoch; in alphabetical order ``best/`` precedes everything that a run logs."""


class TensorBoardLayout(pl.Callback):
    """Write the charts' layout and the settings when training starts, the final metrics when it ends.

    Args:
        config_text: the configuration as YAML.
        own_metrics: names of the user's own metrics, which get a chart each.
    """

    def __init__(self, config_text: str, own_metrics: Iterable[str] = ()) -> None:
        self.settings = compared_settings(config_text)
        charts = {f"{n}, training and validation": [f"train/{n}$", f"val/{n}$"] for n in own_metrics}
        self.charts = {**LAYOUT, "ranking": LAYOUT["ranking"] | charts}

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        layout = {
            g: {c: ["Multiline", tags] for c, tags in charts.items()} for g, charts in self.charts.items()
        }
        for logger in trainer.loggers if trainer.is_global_zero else ():
            if isinstance(logger, TensorBoardLogger):
                logger.experiment.add_custom_scalars(layout)
            else:
                logger.log_hyperparams(self.settings)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        selected = selected_epoch(trainer)
        if selected is None:
            return
        metrics = best_metrics(selected)
        _, began, ended = hparams(self.settings, metrics)  # type: ignore[no-untyped-call]
        for logger in trainer.loggers if trainer.is_global_zero else ():
            logger.log_metrics(metrics, step=trainer.global_step)
            if isinstance(logger, TensorBoardLogger):
                writer = logger.experiment._get_file_writer()
                writer.add_summary(began)
                writer.add_summary(ended)


def best_metrics(selected: Measured) -> dict[str, float]:
    """Validation metrics of the selected epoch, named ``best/rank_ic`` and so on."""
    validation = validation_of(selected.metrics)
    return {f"best/{name}": validation[f"val/{name}"] for name in FINAL if f"val/{name}" in validation}


def compared_settings(config_text: str) -> dict[str, Any]:
    """The settings of a YAML configuration by which runs differ, flat: ``model.network.hidden_size: 64``.

    Lists and empty values become their text, by which the dashboard can filter.
    """
    import yaml

    flat = flat_keys(yaml.safe_load(config_text))
    flat.pop("model.features", None)  # taken from the panel
    compared = {key: value for key, value in flat.items() if key.startswith(COMPARED)}
    return {k: v if isinstance(v, bool | int | float | str) else str(v) for k, v in compared.items()}
