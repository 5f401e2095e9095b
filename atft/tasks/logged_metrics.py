"""A task's metrics are logged by the task alone.

Lightning takes the mean of two values of one name, and the later one where they come from different hooks: a
callback that logs ``val/rank_ic`` would change the figure that selects the checkpoint, without a word.
"""

from collections.abc import Callable, Mapping
from typing import Any

import lightning.pytorch as pl

from atft.errors import InputError


class LoggedMetrics(pl.LightningModule):
    """Keep the names of a task's metrics for the task."""

    logged_names: Callable[[], set[str]]
    """Names of the metrics that a finished epoch has logged; those of a test are named as those of ``val``."""

    def log(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Log a value of somebody else's: a callback's, or of a class derived from the task.

        Raises:
            InputError: the name is that of a metric of the task's.
        """
        if name.replace("test/", "val/", 1) in self.logged_names():
            raise InputError(
                f"{name} is a metric of atft's, and something else logs it too; give yours another name"
            )
        super().log(name, *args, **kwargs)

    def log_own(self, values: Mapping[str, Any], **options: Any) -> None:
        """Log the task's own metrics; ``options`` are those of Lightning's ``log``."""
        for name, value in values.items():
            super().log(name, value, **options)
