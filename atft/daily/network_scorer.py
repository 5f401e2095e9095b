"""Score single days with a network: on the CPU in float32, without Lightning's imports.

The scores have the bits of ``python -m atft predict`` on the CPU, which reads a day in a block of its own too.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import torch

from atft.batch import Forecast
from atft.checkpoint_file import network_weights, read_checkpoint
from atft.commands.checkpoint_config import checkpoint_config
from atft.daily.scorer import DayScores, check_universe, feature_indices, sector_names
from atft.data.blocks import DayBlocks
from atft.data.cache import DayCache
from atft.metrics.interval_ends import calibrated_intervals, level_pairs, read_widths
from atft.network import Network, NetworkFactory, NetworkInputs, build_network
from atft.nn.ensemble import ensemble_of
from atft.tasks.checkpoint_match import check_regimes, check_shapes
from atft.tasks.checkpoint_task import task_arguments


class NetworkScorer(NamedTuple):
    """The network of a checkpoint, in evaluation mode."""

    checkpoint: Path
    network: Any
    """A `Network`."""
    features: tuple[str, ...]
    """In the order of the weights."""
    regimes: tuple[str, ...]
    """Market-wide columns that it reads."""
    config: Mapping[str, Any]
    """What an evaluation takes from the checkpoint's configuration."""
    learned: Mapping[str, Any]
    """Entries of the checkpoint on its training days; see `atft.tasks.learned`."""
    interval_widths: Mapping[int, Sequence[float]] = MappingProxyType({})
    """Of the prediction intervals, by horizon; empty where the checkpoint has none."""

    @property
    def name(self) -> str:
        return "network"

    @property
    def files(self) -> Sequence[Path]:
        return [self.checkpoint]

    @property
    def horizons(self) -> Sequence[int]:
        return list(self.network.horizons)

    @property
    def quantiles(self) -> Sequence[float]:
        return list(self.network.quantiles)

    def score(self, cache: DayCache, day: int, lookback: int) -> DayScores:
        """Score the universe of one day; see `atft.daily.scorer.Scorer`."""
        manifest = cache.manifest
        check_universe(cache, day)
        order = feature_indices(self.features, manifest.features, "checkpoint")
        check_regimes(self.network, self.regimes, manifest.regimes)
        batch = DayBlocks(cache, lookback).one_day(day)
        if order:
            batch = batch._replace(features=batch.features[..., order])
        with torch.inference_mode():
            forecast: Forecast = self.network(batch)
        quantiles = None if forecast.quantiles is None else forecast.quantiles[0].float()
        pairs, intervals = level_pairs(self.network.quantiles), None
        if quantiles is not None and self.interval_widths and pairs:
            ends = calibrated_intervals(quantiles, self.interval_widths, pairs)
            intervals = ends.where(ends.isfinite(), torch.nan).numpy()
        return DayScores(
            codes=[cache.codes[stock] for stock in batch.stock.tolist()],
            sectors=sector_names(manifest, batch.sector[0].tolist()),
            score=forecast.score[0].float().numpy(),
            quantiles=None if quantiles is None else quantiles.numpy(),
            intervals=intervals,
        )


def load_network(checkpoint: Path, network: str | None = None) -> NetworkScorer:
    """Build the network of a checkpoint with its weights; nothing that the file names is imported or run.

    Args:
        network: class of a network of the user's own, which is imported; None for one of `atft.nn`.

    Raises:
        InputError: the file is damaged or no checkpoint of a trained network, or names another network.
    """
    content, config = read_checkpoint(checkpoint), checkpoint_config(checkpoint, network)
    factory = None if network is None else _own_network(network, config)
    arguments = task_arguments(content, str(checkpoint), factory)
    inputs = NetworkInputs(*(tuple(arguments[name]) for name in ("features", "horizons", "regimes")))
    built = build_network(ensemble_of(arguments["network"], arguments["members"]), inputs)
    weights = network_weights(content)
    check_shapes(weights, built.state_dict())
    built.load_state_dict(weights)
    built.set_parts(**content["atft"].get("parts", {}))
    built.eval()
    learned = {key: content["atft"][key] for key in ("days", "ranges", "fold") if key in content["atft"]}
    regimes = inputs.regimes if "regime" in built.reads.values() else ()
    widths = read_widths(content["atft"].get("interval_widths", {}), built.horizons, built.quantiles)
    return NetworkScorer(checkpoint, built, inputs.features, regimes, config, learned, widths)


def _own_network(name: str, config: Mapping[str, Any]) -> NetworkFactory:
    from atft.commands.class_paths import find_class

    kind = find_class("model.network", name, (Network,))
    return partial(kind, **((config["model"].get("network") or {}).get("init_args") or {}))
