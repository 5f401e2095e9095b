"""AdaBelief: the authors' package, typed for the command line, silent, and without raw first steps. Unmeasured."""

import contextlib
import io
from collections.abc import Iterable
from typing import Any

import adabelief_pytorch

from atft.errors import InputError


class AdaBelief(adabelief_pytorch.AdaBelief):  # type: ignore[misc]
    """Adam with steps scaled by how far each gradient is from its own running mean; decoupled decay, rectified.

    Differs from the authors' in one point: while the rectification is not yet defined (the first 5 steps at
    ``beta2`` 0.999) theirs takes plain SGD steps, of the size of the gradient itself; here those steps change
    nothing but weight decay. For other settings name ``adabelief_pytorch.AdaBelief`` as the class.

    Args:
        params: parameters or parameter groups.
        lr: learning rate, above 0.
        betas: decay of the running mean of the gradient and of its squared distance from that mean.
        eps: added to the squared distance in each step; far below Adam's, because that distance is small.
        weight_decay: share of the weights subtracted per step, times the learning rate.
        amsgrad: divide by the largest squared distance so far.

    Paper: Zhuang et al. (2020), AdaBelief Optimizer: Adapting Stepsizes by the Belief in Observed Gradients.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-16,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
    ) -> None:
        if lr <= 0 or eps < 0 or weight_decay < 0 or not all(0 <= b < 1 for b in betas):
            raise InputError(
                "AdaBelief needs lr > 0, eps >= 0, weight_decay >= 0 and betas in [0, 1), "
                f"got lr={lr}, eps={eps}, weight_decay={weight_decay}, betas={tuple(betas)}"
            )
        # The package prints two lines even with print_change_log off.
        with contextlib.redirect_stdout(io.StringIO()):
            super().__init__(
                params,
                lr,
                betas,
                eps,
                weight_decay,
                amsgrad,
                degenerated_to_sgd=False,
                print_change_log=False,
            )
