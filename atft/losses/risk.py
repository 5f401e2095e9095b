"""The term that keeps a day's scores from being a bet on known risks: sectors, size, beta, volatility.

What the day's risks explain is a ridge regression of the day itself, so nothing is fitted elsewhere and nothing is
known too early. Cost: one linear system of sectors + exposures unknowns per day and horizon.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from atft.cross_section import PerDay, PerStock, StockMask, center, zscore
from atft.losses.sector_count import sector_count


def exposure_share(
    score: PerStock,
    valid: StockMask,
    exposure: Float[Tensor, "*batch exposures stocks"],
    sector: Int[Tensor, "*batch stocks"],
    ridge: float = 10.0,
) -> PerDay:
    r"""Share of the variance of the day's scores that its exposures and sectors explain. Unmeasured.

    :math:`\frac{z^\top \hat z}{z^\top z}` with :math:`z` the z-scored scores and
    :math:`\hat z = X^\top (X X^\top + \lambda I)^{-1} X z` their ridge regression on the day's
    :func:`risk_columns`: in [0, 1), 0 for scores independent of sectors and exposures, near 1 for scores that are
    made of them. Shifting or stretching ``score`` changes nothing. Many columns always explain a part of a few
    stocks. A day of constant scores, or without exposures and sectors, is 0 and has no gradient.

    Args:
        exposure: risk exposures known that day, any unit; a NaN counts as the day's mean.
        sector: index of each stock's sector, -1 for none.
        ridge: strength of the ridge, in stocks: half of a sector of that many stocks is explained.

    Paper: Hoerl and Kennard (1970), Ridge Regression.
    """
    # In double precision: a sector's columns sum to 0, and only the ridge keeps the system regular.
    columns = risk_columns(exposure, sector, valid).double()
    standard = zscore(score, valid).double()
    system = columns @ columns.mT
    system.diagonal(dim1=-2, dim2=-1).add_(ridge)
    moments = columns @ standard.unsqueeze(-1)
    # Not checked, which would wait for a GPU: the ridge keeps the system regular.
    slopes = torch.cholesky_solve(moments, torch.linalg.cholesky_ex(system).L)
    # z'X'(XX' + ridge)^-1 Xz without the fitted values; z'z is the number of stocks.
    explained = (moments * slopes).sum((-2, -1))
    return (explained / valid.sum(-1).clamp_min(1)).to(score.dtype)


@torch.no_grad()
def risk_columns(
    exposure: Float[Tensor, "*batch exposures stocks"], sector: Int[Tensor, "*batch stocks"], valid: StockMask
) -> Float[Tensor, "*batch columns stocks"]:
    """Z-scored exposures, then one centred column of zeros and ones per sector; 0 where invalid or unknown."""
    each = valid.unsqueeze(-2)
    scaled = zscore(exposure, each & exposure.isfinite())
    sectors = sector_count(sector)
    members = sector.unsqueeze(-2) == torch.arange(sectors, device=sector.device)[:, None]
    return torch.cat((scaled, center(members.to(exposure.dtype), each.expand(members.shape))), dim=-2)
