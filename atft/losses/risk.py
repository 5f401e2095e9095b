"""The term that keeps a day's scores from being a bet on known risks: sectors, size, beta, volatility.

Decision: what the day's risks explain is a ridge regression of the day itself, so nothing is fitted elsewhere
and nothing is known too early. Cost: one system of sectors + exposures unknowns per day and horizon.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from atft.cross_section import center, zscore


def exposure_share(
    score: Float[Tensor, "*batch stocks"],
    valid: Bool[Tensor, "*batch stocks"],
    exposure: Float[Tensor, "*batch exposures stocks"],
    sector: Int[Tensor, "*batch stocks"],
    ridge: float = 10.0,
) -> Float[Tensor, "*batch"]:
    r"""Share of the variance of the day's scores that its exposures and sectors explain.

    :math:`\frac{z^\top \hat z}{z^\top z}` with :math:`z` the z-scored scores and
    :math:`\hat z = X^\top (X X^\top + \lambda I)^{-1} X z` their ridge regression on the day's
    :func:`risk_columns`: 0 is a score that says nothing of sectors and exposures, 1 one that says nothing else.
    Shifting or stretching ``score`` changes nothing. A few stocks are always explained in part by many columns.

    Args:
        score: network output, any unit.
        valid: stocks to count; the others may hold anything, NaN included.
        exposure: risk exposures known that day, any unit; a NaN counts as the day's mean.
        sector: index of each stock's sector, -1 for none.
        ridge: strength of the ridge, in stocks: a sector of that many stocks is explained by half.

    Returns:
        Share of each day, in [0, 1). A day whose scores are constant (or with fewer than two valid stocks) is 0
        and carries no gradient; so is one without exposures and sectors.

    Paper: Hoerl and Kennard (1970), Ridge Regression.
    """
    # In double precision: a sector's columns add up to nothing, and only the ridge keeps the system regular.
    columns = risk_columns(exposure, sector, valid).double()
    standard = zscore(score, valid).double()
    system = columns @ columns.mT
    system.diagonal(dim1=-2, dim2=-1).add_(ridge)
    moments = columns @ standard.unsqueeze(-1)
    slopes = torch.cholesky_solve(moments, torch.linalg.cholesky(system))
    explained = (moments * slopes).sum((-2, -1))
    return (explained / valid.sum(-1).clamp_min(1)).to(score.dtype)


@torch.no_grad()
def risk_columns(
    exposure: Float[Tensor, "*batch exposures stocks"],
    sector: Int[Tensor, "*batch stocks"],
    valid: Bool[Tensor, "*batch stocks"],
) -> Float[Tensor, "*batch columns stocks"]:
    """Z-scored exposures, then one centred column of zeros and ones per sector; 0 where invalid or unknown."""
    each = valid.unsqueeze(-2)
    scaled = zscore(exposure, each & exposure.isfinite())
    sectors = int(sector.max()) + 1
    members = sector.unsqueeze(-2) == torch.arange(sectors, device=sector.device)[:, None]
    return torch.cat((scaled, center(members.to(exposure.dtype), each.expand(members.shape))), dim=-2)
