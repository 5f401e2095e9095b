"""Networks of a few weights on features ``x_0``, ``x_1``, ..."""

from functools import partial
from typing import Any

import torch

from atft.batch import DayBatch
from atft.network import NetworkFactory, NetworkInputs
from atft.nn.atft_gat_fan import ATFTGATFAN
from atft.nn.ensemble import Ensemble
from atft.nn.master import MASTER
from atft.nn.tabm import TabM
from atft.nn.window_norm import MEMBERS


def _two(inputs: NetworkInputs, **options: Any) -> Ensemble:
    """Two members; options are those of each."""
    given = {"hidden_size": 16, "encoder": "none", **options}
    return Ensemble(inputs, partial(ATFTGATFAN, **given), members=2)


NETWORKS: dict[str, NetworkFactory] = {
    **{
        f"ATFTGATFAN-{m}": partial(ATFTGATFAN, hidden_size=16, window_norm=m, encoding="none")
        for m in MEMBERS
    },
    "ATFTGATFAN-lstm": partial(ATFTGATFAN, hidden_size=16, encoder="lstm"),
    "ATFTGATFAN-day-by-day": partial(ATFTGATFAN, hidden_size=16, patch_days=1),
    "ATFTGATFAN-lstm-day-by-day": partial(ATFTGATFAN, hidden_size=16, encoder="lstm", patch_days=1),
    "ATFTGATFAN-patches-of-three": partial(ATFTGATFAN, hidden_size=16, patch_days=3),
    "ATFTGATFAN-no-window-norm": partial(ATFTGATFAN, hidden_size=16, window_norm="none"),
    "ATFTGATFAN-piecewise-linear": partial(ATFTGATFAN, hidden_size=16, encoding="piecewise_linear", bins=5),
    "ATFTGATFAN-periodic": partial(ATFTGATFAN, hidden_size=16, encoding="periodic", bins=4),
    "TabM": partial(TabM, k=3, hidden_size=16, encoding="none"),
    "TabM-piecewise-linear": partial(TabM, k=3, hidden_size=16, encoding="piecewise_linear"),
    "TabM-1": partial(TabM, k=1, hidden_size=16, encoding="none"),
    "MASTER": partial(MASTER, hidden_size=16, encoding="none"),
    "TabM-modulated": partial(
        TabM, k=3, hidden_size=16, encoding="none", modulation="film", modulation_bins=2, modulation_units=3
    ),
    "ATFTGATFAN-nonlinear": partial(ATFTGATFAN, hidden_size=16, linear_path=False),
    "ATFTGATFAN-modulated": partial(ATFTGATFAN, hidden_size=16, modulation="film"),
    "ATFTGATFAN-modulated-by-bins": partial(ATFTGATFAN, hidden_size=16, modulation="film", modulation_bins=3),
    "ATFTGATFAN-modulated-by-units": partial(
        ATFTGATFAN, hidden_size=16, modulation="film", modulation_bins=3, modulation_units=4
    ),
    "MASTER-piecewise-linear": partial(MASTER, hidden_size=16, encoding="piecewise_linear"),
    "ATFTGATFAN-twice": _two,
    "MASTER-no-gate": partial(MASTER, hidden_size=16, gate="none"),
}
"""Every network, small, with its variants that read a window differently; one more network is one more row."""


def inputs_of(
    features: int = 5, horizons: tuple[int, ...] = (1, 5), regimes: tuple[str, ...] = ()
) -> NetworkInputs:
    """What a network of a test is built for."""
    return NetworkInputs(tuple(f"x_{i}" for i in range(features)), horizons, regimes)


def small_network(name: str, **options: Any) -> Any:
    """A network of ``NETWORKS`` for the blocks of ``make_batch``, the same at each call."""
    torch.manual_seed(0)
    return NETWORKS[name](inputs_of(regimes=("regime_0", "regime_1")), **options)


def small_atft(features: int = 5, horizons: tuple[int, ...] = (1, 5), **options: Any) -> ATFTGATFAN:
    """An ATFT-GAT-FAN of width 8 and one graph layer, where ``options`` say nothing else."""
    return ATFTGATFAN(inputs_of(features, horizons), **{"hidden_size": 8, "gat_layers": 1, **options})


def scores(network: Any, batch: DayBatch) -> torch.Tensor:
    """Scores in evaluation mode, without a gradient."""
    network.eval()
    with torch.no_grad():
        return network(batch).score


def loss_of(network: Any, batch: DayBatch) -> torch.Tensor:
    """A number that depends on every score of the block, on those of an ensemble's members and on quantiles."""
    forecast = network(batch)
    score = forecast.score[..., None] if forecast.members is None else forecast.members
    chosen = torch.where(batch.valid[..., None], score, 0)
    loss = (chosen * torch.arange(1, chosen.numel() + 1).reshape(chosen.shape).cos()).sum()
    return loss if forecast.quantiles is None else loss + forecast.quantiles.square().sum()
