"""Learning-rate schedules over fractional epochs.

Each schedule is one factor of the epoch that multiplies every group's own learning rate, so groups keep their
ratio. Because the rate depends on the epoch alone, a resumed run continues exactly.
"""

import math
from abc import ABC, abstractmethod
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from atft.errors import InputError

FIRST_FACTOR = 0.01
"""Where a warm-up starts: at 0 the first step would be wasted."""


class Schedule(LRScheduler, ABC):
    """A schedule that the task advances after each optimiser step, not at the end of an epoch."""

    def __init__(self, optimizer: Optimizer) -> None:
        self.epoch = 0.0
        super().__init__(optimizer)

    @abstractmethod
    def factor(self, epoch: float) -> float:
        """The share of its own learning rate that each group has at ``epoch``."""

    def bind(self, max_epochs: int) -> None:
        """Learn the run's length in epochs, before the first step; a schedule may not depend on it."""

    def advance(self, epoch: float) -> None:
        """Set the learning rates of this point of training: 2.5 is the middle of the third epoch."""
        self.epoch, self.last_epoch = float(epoch), math.floor(epoch)
        self._set_rates()

    def get_lr(self) -> list[float]:  # type: ignore[override]
        """Learning rate of each group at the current epoch; torch asks once at construction."""
        factor = self.factor(self.epoch)
        return [float(base) * factor for base in self.base_lrs]

    def _set_rates(self) -> None:
        """Hand the groups their learning rates, as torch's own ``step`` does."""
        rates = self.get_lr()
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate
        self._last_lr = [*rates]


class WarmupCosine(Schedule):
    r"""Rise linearly over the first epochs, then fall along half a cosine to the end.

    Factor :math:`0.01 + 0.99\,e/w` until epoch :math:`w`, then
    :math:`\eta + (1-\eta)\,(1 + \cos(\pi (e-w)/(E-w)))/2` until epoch :math:`E`, and :math:`\eta` after it.

    Args:
        optimizer: its groups' learning rates are the peaks.
        warmup_epochs: epochs of rising, ``w``; 0 for none.
        epochs: epoch at which the lowest rate is reached, ``E``; null takes the run's length.
        eta_min_ratio: lowest rate as a share of the peak, in [0, 1).

    Raises:
        InputError: a number is out of range, or the warm-up does not end before the run.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        warmup_epochs: float = 1.0,
        epochs: float | None = None,
        eta_min_ratio: float = 0.0,
    ) -> None:
        self.warmup_epochs = _checked_warmup("WarmupCosine", warmup_epochs)
        self.eta_min_ratio = _checked_ratio("WarmupCosine", eta_min_ratio)
        self.epochs = epochs if epochs is None else self._length(epochs, "epochs")
        super().__init__(optimizer)

    def bind(self, max_epochs: int) -> None:
        """Take the run's length where ``epochs`` was not given.

        Raises:
            InputError: the run has no length in epochs, or ends before the warm-up.
        """
        if self.epochs is None:
            self.epochs = self._length(max_epochs, "trainer.max_epochs")

    def state_dict(self) -> dict[str, Any]:
        """Position and rates, without the length: a run that is resumed for longer falls more slowly."""
        # With the length in the checkpoint, the further epochs would all stay at the lowest rate.
        return {k: v for k, v in super().state_dict().items() if k != "epochs"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over the position; the rates are those of this run's length from the first step on."""
        super().load_state_dict(state_dict)
        if self.epochs is not None:
            self._set_rates()

    def factor(self, epoch: float) -> float:
        """See `Schedule.factor`.

        Raises:
            InputError: the length is not known yet: neither ``epochs`` nor ``bind``.
        """
        # torch asks before the length is known; without a warm-up that is at 0.
        if epoch <= self.warmup_epochs:
            return _warmup_factor(epoch, self.warmup_epochs)
        if self.epochs is None:
            raise InputError("WarmupCosine does not know the run's length; set epochs or trainer.max_epochs")
        done = min((epoch - self.warmup_epochs) / (self.epochs - self.warmup_epochs), 1.0)
        return _half_cosine(math.pi * done, self.eta_min_ratio)

    def _length(self, epochs: float, name: str) -> float:
        if not epochs > self.warmup_epochs:
            endless = epochs == -1
            advice = "set a number of epochs" if endless else "lengthen the run or shorten the warm-up"
            raise InputError(
                f"WarmupCosine needs {name} above warmup_epochs ({self.warmup_epochs:g}), got {epochs}; {advice}"
            )
        return float(epochs)


class WarmupConstant(Schedule):
    r"""Rise linearly over the first epochs, then keep the rate, for weights that are averaged.

    Factor :math:`0.01 + 0.99\,e/w` until epoch :math:`w`, then 1, whatever the run's length. Without a warm-up
    ``model.scheduler: null`` is the same. With averaged weights a cosine was no better on NASDAQ (-.0007 ± .0009).

    Args:
        optimizer: its groups' learning rates are those after the warm-up.
        warmup_epochs: epochs of rising, ``w``; 0 for none.
    """

    def __init__(self, optimizer: Optimizer, warmup_epochs: float = 1.0) -> None:
        self.warmup_epochs = _checked_warmup("WarmupConstant", warmup_epochs)
        super().__init__(optimizer)

    def factor(self, epoch: float) -> float:
        return _warmup_factor(epoch, self.warmup_epochs)


class WarmRestarts(Schedule):
    r"""Fall along half a cosine, again and again, each time from the full rate and ``T_mult`` times as long.

    Factor :math:`\eta + (1-\eta)\,(1 + \cos(\pi\,t/T))/2` with :math:`t` epochs since the last restart and
    :math:`T` this cycle's length. Unmeasured.

    Args:
        optimizer: its groups' learning rates are the peaks.
        T_0: epochs of the first cycle.
        T_mult: length of each cycle as a multiple of the one before.
        eta_min_ratio: lowest rate as a share of the peak, in [0, 1).

    Paper: Loshchilov and Hutter (2017), SGDR: Stochastic Gradient Descent with Warm Restarts.
    """

    def __init__(
        self, optimizer: Optimizer, T_0: int = 3, T_mult: int = 2, eta_min_ratio: float = 0.0
    ) -> None:
        if T_0 < 1 or T_mult < 1:
            raise InputError(f"WarmRestarts needs T_0 >= 1 and T_mult >= 1, got T_0={T_0}, T_mult={T_mult}")
        self.T_0, self.T_mult = T_0, T_mult
        self.eta_min_ratio = _checked_ratio("WarmRestarts", eta_min_ratio)
        super().__init__(optimizer)

    def factor(self, epoch: float) -> float:
        start, length = 0.0, float(self.T_0)
        while epoch >= start + length:
            start, length = start + length, length * self.T_mult
        return _half_cosine(math.pi * (epoch - start) / length, self.eta_min_ratio)


def _checked_warmup(name: str, epochs: float) -> float:
    if not 0 <= epochs < math.inf:
        raise InputError(f"{name}.warmup_epochs must be at least 0 and finite, got {epochs}")
    return float(epochs)


def _warmup_factor(epoch: float, warmup_epochs: float) -> float:
    """Rise from `FIRST_FACTOR` at 0 to 1 at the end of the warm-up, and stay there."""
    if epoch >= warmup_epochs:
        return 1.0
    return FIRST_FACTOR + (1 - FIRST_FACTOR) * epoch / warmup_epochs


def _checked_ratio(name: str, ratio: float) -> float:
    if not 0 <= ratio < 1:
        raise InputError(f"{name}.eta_min_ratio must be at least 0 and below 1, got {ratio}")
    return float(ratio)


def _half_cosine(angle: float, floor: float) -> float:
    """Fall from 1 at 0 to ``floor`` at pi."""
    return floor + (1 - floor) * (1 + math.cos(angle)) / 2
