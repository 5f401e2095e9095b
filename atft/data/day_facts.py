"""What each day of a cache knows, kept in the manifest so that any set of days is judged without reading them.

A bit per column and day: 112 features on 2,500 days take 70 kB of JSON.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool


class DayFacts(NamedTuple):
    """One day's part of the manifest; the manifest holds one tuple per field, of all days."""

    observed_rows: int
    universe_rows: int
    known: str
    """Bits of the features, the exposures and the sector: known for two stocks of the universe or more."""
    telling: str
    """Bits of the features: they tell stocks of the universe apart."""
    known_labels: tuple[int, ...]
    """Known targets in the universe, per horizon."""
    regime: tuple[float | None, ...]
    """Market-wide values; None where unknown."""


def pack_bits(flags: Bool[np.ndarray, " columns"]) -> str:
    """Write one day's flags as hexadecimal digits."""
    return np.packbits(flags).tobytes().hex()


def unpack_bits(days: Sequence[str], columns: int) -> Bool[np.ndarray, "days columns"]:
    """Read the flags of some days that `pack_bits` wrote."""
    packed = np.array([list(bytes.fromhex(day)) for day in days], dtype=np.uint8).reshape(len(days), -1)
    return np.unpackbits(packed, axis=1, count=columns).astype(bool)
