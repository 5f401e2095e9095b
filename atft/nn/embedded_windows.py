"""The windows of a block as an encoder reads them, without a copy for each window of what all of them share."""

from typing import NamedTuple

from jaxtyping import Float, Shaped
from torch import Tensor, nn


class EmbeddedWindows(NamedTuple):
    """Embedded rows of a span, and what each window adds to them: ``x[l, d] = rows[d + l] + r[l, d] P'``.

    The residual ``r`` is kept by patches of days, as `window_steps` reads them; ``r[l, d]`` is one day of a patch.
    """

    rows: Float[Tensor, "span stocks hidden"]
    days: int
    """Windows: one ends on each of the span's last days."""
    residual: Float[Tensor, "patches days stocks patch_days features"] | None = None
    """The window as a window normalisation leaves it, by `window_steps.as_patches`; None without one."""
    projection: Float[Tensor, "hidden features"] | None = None
    """``P``, from a residual to the size of a row."""

    def last_day(self) -> Float[Tensor, "days stocks hidden"]:
        """Return each window's last day."""
        rows = self.rows[len(self.rows) - self.days :]
        if self.residual is None or self.projection is None:
            return rows
        return rows + nn.functional.linear(self.residual[-1, :, :, -1], self.projection)


def windows(
    rows: Shaped[Tensor, "span stocks width"], days: int
) -> Shaped[Tensor, "lookback days stocks width"]:
    """View a span as the windows of its last ``days`` days, ``windows(rows)[l, d] = rows[d + l]``.

    Nothing is copied. Time comes first: the order in which a recurrent network reads, and in which the windows of
    one day are a plain slice of the span.
    """
    return rows.unfold(0, days, 1).permute(0, 3, 1, 2)
