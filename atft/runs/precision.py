"""The precision that a run trains in where it names none."""

from typing import Any

import torch


def default_precision(accelerator: Any) -> str:
    """Lightning's name of it: bf16-mixed on a GPU that multiplies bfloat16, 32-true elsewhere.

    Products then take a quarter of the time of float32's, and weights, losses, statistics and the optimiser stay
    float32.

    Args:
        accelerator: as the trainer takes it; ``auto`` is a GPU where there is one.
    """
    on_gpu = accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available()
    return "bf16-mixed" if on_gpu and torch.cuda.is_bf16_supported(including_emulation=False) else "32-true"
