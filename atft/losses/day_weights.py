"""How much each trading day's loss counts: recent days more, and days of a regime more or less. Unmeasured.

Age and regime are known on the day itself; the usual regime is learned from the training days alone; the mean
weight over the training days is 1, so that learning rate and clipping keep their meaning.
"""

import math
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from atft.errors import InputError, nearest

MAX_REGIME_Z = 3.0
"""Standard deviations at which a regime column is clipped, so that one crash does not dominate the loss."""


class DayWeights(nn.Module):
    r"""Weigh days by age and regime, the mean over the training days being 1.

    :math:`w_t \propto 2^{-(T - t) / h} \exp(\sum_c e_c z_{t,c})` with :math:`T` the newest training day,
    :math:`h` the half-life and :math:`z_{t,c}` the regime column of that day in standard deviations from its mean
    over the training days, at most 3 either way. An exponent of -0.5 on a volatility makes a day of one standard
    deviation above the mean count 0.61 times a usual one; an unknown value counts as the mean.

    Args:
        half_life_days: trading days in which a day's weight halves; 0 or None weighs all ages alike.
        exponents: exponent of each regime column, by its name; empty weighs all regimes alike.
    """

    newest: Tensor
    columns: Tensor
    mean: Tensor
    deviation: Tensor
    exponent: Tensor
    level: Tensor

    def __init__(self, half_life_days: float | None, exponents: Mapping[str, float]) -> None:
        super().__init__()
        self.half_life_days = half_life_days or math.inf
        self.exponents = dict(exponents)
        self.active = math.isfinite(self.half_life_days) or bool(self.exponents)
        # Derived from the run's own training days each time, so no checkpoint carries them; of their final shapes,
        # since averages of the weights copy the task before it has them.
        self._fitted = False
        count = len(self.exponents)
        for name, shape, kind in (
            ("newest", (), torch.int64),
            ("columns", (count,), torch.int64),
            ("mean", (count,), torch.float64),
            ("deviation", (count,), torch.float64),
            ("level", (), torch.float64),
        ):
            self.register_buffer(name, torch.zeros(shape, dtype=kind), persistent=False)
        values = torch.tensor(list(self.exponents.values()), dtype=torch.float64)
        self.register_buffer("exponent", values, persistent=False)

    @torch.no_grad()
    def fit(
        self, day: Int[Tensor, " days"], regime: Float[Tensor, "days regimes"], names: Sequence[str]
    ) -> None:
        """Learn the newest day, the usual regime and the mean weight from the training days.

        ``day`` are indices on the panel's calendar; ``regime`` are the columns of these names, NaN where unknown.

        Raises:
            InputError: a column of the exponents is not among ``names``, or does not vary over the training days.
        """
        if not self.active:
            return
        for name in self.exponents:
            if name not in names:
                raise InputError(
                    f"model.objective.regime_weights: the panel has no regime column {name!r}{nearest(name, names)}"
                )
        columns = torch.tensor([list(names).index(name) for name in self.exponents]).long()
        # Moments of the known values, in double precision: a volatility's square is small.
        table = regime[:, columns].double()
        known = table.isfinite()
        count = known.sum(0).clamp_min(1)
        mean = torch.where(known, table, 0).sum(0) / count
        deviation = (torch.where(known, table - mean, 0) ** 2).sum(0).div(count).sqrt()
        for name, constant in zip(self.exponents, deviation <= 1e-6 * mean.abs(), strict=True):
            if constant:
                raise InputError(
                    f"model.objective.regime_weights: {name} does not vary over the training days; leave it out"
                )
        self.newest.copy_(day.max())
        self.columns.copy_(columns)
        self.mean.copy_(mean)
        self.deviation.copy_(deviation)
        # The mean weight is measured with a level of 1, then divided out of all later weights.
        self._fitted = True
        self.level.fill_(1)
        self.level.copy_(self(day.to(self.level.device), regime.to(self.level.device)).mean())

    def forward(
        self, day: Int[Tensor, " days"], regime: Float[Tensor, "days regimes"]
    ) -> Float[Tensor, " days"]:
        """Weigh days, given as in :meth:`fit`; a day after the newest training day counts as that one does.

        Raises:
            RuntimeError: :meth:`fit` was not called.
        """
        if not self.active:
            return torch.ones(day.shape, dtype=torch.float64, device=day.device)
        if not self._fitted:
            raise RuntimeError("day weights need the training days: call fit before the first step")
        age = (self.newest - day).clamp_min(0).double()
        z = (regime[:, self.columns].double() - self.mean) / self.deviation
        # Unknown values count as the mean; unusual ones are clipped.
        z = z.nan_to_num(0.0).clamp(-MAX_REGIME_Z, MAX_REGIME_Z)
        weight = torch.exp((self.exponent * z).sum(-1) - math.log(2) / self.half_life_days * age)
        return weight / self.level
