"""A callback that ends its process after the first optimiser step, for `benchmarks/start.py`."""

import os
import time
from typing import Any

from lightning.pytorch import Callback, Trainer


class FirstStep(Callback):
    """Print the time of the first optimiser step, and end the process there and then."""

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        """Blocks before the step pass."""
        if trainer.global_step:
            print(f"first step {time.time()!r}", flush=True)
            os._exit(0)
