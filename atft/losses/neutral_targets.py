"""Targets without what a stock shares with its sector or with known risks: the residual of the day's regression.

A return is mostly market and sector, which no feature of one stock forecasts. What is subtracted is computed from
the day's own returns and the exposures known that day. Metrics and the terms of a book still read whole returns.
Cost: two products with the sectors' members, and one linear system of the named exposures per day and horizon.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from atft.cross_section import zscore
from atft.errors import InputError, nearest
from atft.losses.sector_count import sector_count

SECTOR = "sector"
"""The word for the sector; every other name is a column of the exposures."""
MIN_SECTOR_STOCKS = 5
"""Valid stocks from which a sector's mean is used; those of a smaller one are compared with the whole day."""
RIDGE = 1e-9
"""Of each exposure's own variance: copies of one column share their effect, and the system stays regular."""

MIN_SHARE = 1e-6
"""Of the day's largest deviation: less than this of it, left of a return, is rounding."""


class NeutralTargets(nn.Module):
    """Replace a day's returns by what their sector and the named exposures leave unexplained. Unmeasured.

    With the sector alone it is the return less the mean of the sector's valid stocks. With exposures it is the
    residual of least squares on them, beside a constant for each sector, or without ``sector`` for the day:
    a column of betas makes the target neutral to the market. A constant for the day changes no rank, so it is not
    offered alone. A stock without a sector, or in one of fewer than 5 valid stocks, has the day's mean as its
    constant. An unknown exposure counts as the mean. A day without valid stocks is 0, as is one of
    no more of them than exposures and constants.

    Args:
        names: ``sector``, and columns of the panel's exposures; empty changes nothing.
    """

    columns: Tensor

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        check_neutral_to(names)
        self.names = tuple(names)
        self.by_sector = SECTOR in names
        self.exposures = [name for name in names if name != SECTOR]
        self._has_columns = False
        # Indices of the panel's columns: found again for each panel, so no checkpoint carries them.
        columns = torch.zeros(len(self.exposures), dtype=torch.int64)
        self.register_buffer("columns", columns, persistent=False)

    def set_columns(self, exposures: Sequence[str]) -> None:
        """Find the named columns among the ``exposures`` of the batches, in their order.

        Raises:
            InputError: one is missing; the message names the nearest.
        """
        for name in self.exposures:
            if name not in exposures:
                raise InputError(
                    f"model.objective.neutral_to: the panel has no exposure {name!r}"
                    f"{nearest(name, [SECTOR, *exposures])}"
                )
        columns = [list(exposures).index(name) for name in self.exposures]
        self.columns.copy_(torch.tensor(columns, dtype=torch.int64))
        self._has_columns = True

    @torch.no_grad()
    def forward(
        self,
        target: Float[Tensor, "days horizons stocks"],
        valid: Bool[Tensor, "days horizons stocks"],
        sector: Int[Tensor, "days stocks"],
        exposure: Float[Tensor, "days stocks exposures"],
    ) -> Float[Tensor, "days horizons stocks"]:
        """Compute the residual, in the unit of ``target``; 0 where invalid.

        Args:
            target: forward returns, fractions.
            sector: index of each stock's sector, -1 for none.
            exposure: the panel's exposures, NaN where unknown.

        Raises:
            RuntimeError: exposures are named and :meth:`set_columns` was not called.
        """
        if not self.names:
            return target
        if self.exposures and not self._has_columns:
            raise RuntimeError(
                "neutral targets need the exposures' names: call set_columns before the first step"
            )
        each = valid.unsqueeze(2)
        known = exposure[..., self.columns].double().movedim(-1, 1).unsqueeze(1)
        use = each & known.isfinite()
        # In double precision, and in deviations: the sums of a system of raw sizes would lose digits.
        columns = zscore(known.expand(use.shape), use)
        values = torch.cat((torch.where(valid, target, 0).double().unsqueeze(2), columns), 2)
        values = torch.where(each, values - self._means(values, valid, sector), 0)
        # Least squares on constants and columns is that of deviations on deviations (Frisch, Waugh 1933).
        left, columns = values[:, :, 0], values[:, :, 1:]
        if self.exposures:
            system = columns @ columns.mT
            system.diagonal(dim1=-2, dim2=-1).add_(RIDGE * each.sum(-1).clamp_min(1))
            # Not checked, which would wait for a GPU: the ridge keeps the system regular.
            slopes, _ = torch.linalg.solve_ex(system, columns @ left.unsqueeze(-1))
            size = left.abs().amax(-1, keepdim=True)
            left = left - (columns * slopes).sum(2)
            # As many columns as stocks leave rounding, which a transform would rank.
            left = torch.where(left.abs() > MIN_SHARE * size, left, 0)
        return left.to(target.dtype)

    def _means(
        self,
        values: Float[Tensor, "days horizons values stocks"],
        valid: Bool[Tensor, "days horizons stocks"],
        sector: Int[Tensor, "days stocks"],
    ) -> Float[Tensor, "days horizons values stocks"]:
        """Mean of each value, 0 where invalid, over the valid stocks of the stock's sector, or of its day."""
        day = values.sum(-1, keepdim=True) / valid.sum(-1)[:, :, None, None].clamp_min(1)
        if not self.by_sector:
            return day.expand(values.shape)
        sectors = torch.arange(sector_count(sector), device=sector.device)
        # A product with members, not a scatter: deterministic on every device.
        members = (sector.unsqueeze(-1) == sectors).to(values.dtype).unsqueeze(1)
        stocks = (valid.to(values.dtype).unsqueeze(2) @ members).round()
        means = (values @ members) / stocks.clamp_min(1)
        enough = (stocks >= MIN_SECTOR_STOCKS).to(values.dtype)
        inside = (enough @ members.mT) > 0
        return torch.where(inside, (means * enough) @ members.mT, day)


def check_neutral_to(names: Sequence[str]) -> None:
    """Check that no name comes twice."""
    for name in names:
        if list(names).count(name) > 1:
            raise InputError(f"model.objective.neutral_to names {name!r} twice; name it once")
