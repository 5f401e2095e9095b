"""Normalisation of each window: one view of it is freed of what drifts, and what was taken out is told apart.

Four members stand in the same place: ``revin``, ``dish_ts``, ``san`` and ``fan``; ``none`` leaves it empty. Only
the one that is chosen is built. All work on the scaled features, one series at a time, not on the hidden channels
behind variable selection:

- a level or a cycle belongs to a feature. A hidden channel mixes all features, so what is taken out is whichever
  feature is loudest, and what differs from stock to stock is taken out of some channels only;
- what is left can be brought to unit scale per feature, so a small value under a large drift becomes as loud as
  any other feature;
- inputs carry no gradient, so the way back through it costs little or nothing.

The rows themselves stay in the network beside it: this block adds a view, it hides nothing. It reads a window up
to and with its last day, the day that is ranked, and nothing after it.
"""

from collections.abc import Callable
from functools import partial

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from atft.errors import InputError, nearest
from atft.nn import dish_norm, frequency_norm, reversible_norm, slice_norm
from atft.nn.normalised_window import NormalisedWindow

MEMBERS = ("revin", "dish_ts", "san", "fan")
Normaliser = Callable[[Tensor, Tensor], NormalisedWindow]
"""From a window [lookback, stocks, features] and where it was observed to the normalised window."""


def normaliser(name: str, n_features: int, fan_components: int) -> tuple[Normaliser, int]:
    """Build a member of the family; also tell how many numbers per feature its summary has.

    Raises:
        InputError: no member of that name.
    """
    match name:
        case "revin":
            return reversible_norm.reversible_norm, reversible_norm.SUMMARY_NUMBERS
        case "dish_ts":
            return dish_norm.DishNorm(n_features), dish_norm.SUMMARY_NUMBERS
        case "san":
            return slice_norm.slice_norm, slice_norm.SUMMARY_NUMBERS
        case "fan":
            take_out = partial(frequency_norm.frequency_norm, components=fan_components)
            return take_out, frequency_norm.SUMMARY_NUMBERS
    raise InputError(f"network: no window normalisation {name!r}{nearest(name, MEMBERS)}")


class WindowNorm(nn.Module):
    """Add the normalised view to the embedded windows, and give the head what the view does not tell.

    Args:
        name: ``revin``, ``dish_ts``, ``san`` or ``fan``.
        n_features: features per row.
        hidden_size: width of the embedded windows.
        fan_components: frequencies that ``fan`` takes out of each series.

    Raises:
        InputError: no member of that name.
    """

    def __init__(self, name: str, n_features: int, hidden_size: int, fan_components: int) -> None:
        super().__init__()
        self.normalise, numbers = normaliser(name, n_features, fan_components)
        self.residual_rows = nn.Linear(n_features, hidden_size, bias=False)
        self.window_summary = nn.Linear(numbers * n_features, hidden_size, bias=False)

    def forward(
        self,
        embedded: Float[Tensor, "history days stocks hidden"],
        scaled: Float[Tensor, "span stocks features"],
        observed: Bool[Tensor, "span stocks"],
    ) -> tuple[Float[Tensor, "history days stocks hidden"], Float[Tensor, "days stocks hidden"]]:
        """Normalise every window of a block.

        Args:
            embedded: the windows as the encoder reads them; ``history`` is the lookback, or fewer days where
                only the latest are read.
            scaled: the network's scaled input, 0 where not observed.
            observed: rows that exist.

        Returns:
            The embedded windows with the residual's view added, and what the summary says to the head.
        """
        days = embedded.shape[1]
        residual, summary = normalise_windows(self.normalise, scaled, observed, days)
        shown: Tensor = self.residual_rows(residual[-len(embedded) :])
        told: Tensor = self.window_summary(summary)
        return embedded + shown, told


def normalise_windows(
    normalise: Normaliser,
    scaled: Float[Tensor, "span stocks features"],
    observed: Bool[Tensor, "span stocks"],
    days: int,
) -> tuple[Float[Tensor, "lookback days stocks features"], Float[Tensor, "days stocks summary"]]:
    """Normalise the window of each of the span's last ``days`` days, each from its own days only."""
    lookback = len(scaled) - days + 1
    # In full precision: what is left under a large cycle would drown in bfloat16's rounding. One day at a time:
    # all at once takes twice as long on a CPU, whose caches hold a day.
    with torch.autocast(scaled.device.type, enabled=False):
        parts = [normalise(scaled[d : d + lookback], observed[d : d + lookback]) for d in range(days)]
    return torch.stack([p.residual for p in parts], dim=1), torch.stack([p.summary for p in parts])
