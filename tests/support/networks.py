"""Networks of a few weights on features ``x_0``, ``x_1``, ..."""

from typing import Any

from atft.network import NetworkInputs
from atft.nn.atft_gat_fan import ATFTGATFAN


def inputs_of(
    features: int = 5, horizons: tuple[int, ...] = (1, 5), regimes: tuple[str, ...] = ()
) -> NetworkInputs:
    """What a network of a test is built for."""
    return NetworkInputs(tuple(f"x_{i}" for i in range(features)), horizons, regimes)


def small_atft(features: int = 5, horizons: tuple[int, ...] = (1, 5), **options: Any) -> ATFTGATFAN:
    """An ATFT-GAT-FAN of width 8 and one graph layer, where ``options`` say nothing else."""
    return ATFTGATFAN(inputs_of(features, horizons), **{"hidden_size": 8, "gat_layers": 1, **options})
