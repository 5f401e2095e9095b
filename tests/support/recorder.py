"""A logger that remembers what it was given, in order: what MLflow or W&B would receive."""

from typing import Any

from lightning.pytorch.loggers import Logger


class Recorder(Logger):
    """Keep each call of ``log_metrics`` and the hyperparameters."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[int, dict[str, float]]] = []
        self.settings: dict[str, Any] = {}

    @property
    def name(self) -> str:
        return "recorder"

    @property
    def version(self) -> str:
        return "0"

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        assert step is not None
        self.calls.append((step, dict(metrics)))

    def log_hyperparams(self, params: dict[str, Any], *_: Any, **__: Any) -> None:  # type: ignore[override]
        self.settings |= params

    def points(self, name: str) -> list[tuple[int, float]]:
        """Step and value of each time that a metric was logged."""
        return [(step, metrics[name]) for step, metrics in self.calls if name in metrics]
