"""Windows are views: each day's history is a slice of the block's span, nothing is copied.

Time comes first, ``[lookback, days, stocks, ...]``: the order a recurrent network reads in, and the one in
which the windows of one day are a plain slice of the span.
"""

from jaxtyping import Shaped
from torch import Tensor


def windows(
    rows: Shaped[Tensor, "span stocks width"], days: int
) -> Shaped[Tensor, "lookback days stocks width"]:
    """View a span as the windows of its last ``days`` days, ``windows(rows)[l, d] = rows[d + l]``.

    Args:
        rows: one row per day and stock; ``span = lookback + days - 1``.
        days: how many days are ranked; the window of each ends with itself.

    Returns:
        A view of the same memory; reading it contiguously is the first copy.
    """
    return rows.unfold(0, days, 1).permute(0, 3, 1, 2)
