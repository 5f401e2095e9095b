"""The score of several members: the mean of their ranks, by which each has one vote."""

from jaxtyping import Bool, Float
from torch import Tensor

from atft.cross_section import average_ranks, deviation, zscore


def mean_of_ranks(
    members: Float[Tensor, "days stocks horizons members"], universe: Bool[Tensor, "days stocks"]
) -> Float[Tensor, "days stocks horizons"]:
    """Order each day's stocks by the mean of the members' ranks, in the unit of the members' scores.

    Each member has one vote whatever the scale of its scores. The mean rank is brought to mean 0 and the mean of
    the members' standard deviations, so that ``val/scale`` shows members whose scores collapse. 0 outside the
    universe.
    """
    by_member = members.permute(3, 0, 2, 1)
    ranked = universe[:, None].expand(by_member.shape)
    order = zscore(average_ranks(by_member, ranked).mean(0), ranked[0])
    scale = deviation(by_member, ranked).mean(0).nan_to_num(nan=0.0)
    return (order * scale[..., None]).movedim(1, -1)
