"""Score single days with a network: on the CPU in float32, without Lightning's imports.

The scores have the bits of ``python -m atft predict`` on the CPU, which reads a day in a block of its own too.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from atft.batch import Forecast
from atft.commands.checkpoint_config import checkpoint_config
from atft.daily.scorer import DayScores, Scorer, check_universe, feature_indices, sector_names
from atft.data.blocks import DayBlocks
from atft.data.cache import DayCache
from atft.files.checkpoint_file import network_weights, read_checkpoint
from atft.metrics.interval_ends import calibrated_intervals, level_pairs, read_widths
from atft.network import Network, NetworkFactory, NetworkInputs, build_network
from atft.nn.ensemble import ensemble_of
from atft.tasks.checkpoint_match import check_regimes, check_shapes
from atft.tasks.checkpoint_task import task_arguments


def score_day(
    network: Any,
    inputs: NetworkInputs,
    widths: Mapping[int, Sequence[float]],
    cache: DayCache,
    day: int,
    lookback: int,
) -> DayScores:
    """Score the universe of one day by a network in evaluation mode; see `atft.daily.scorer.Scorer`.

    Args:
        network: a `Network`.
        widths: of the prediction intervals, by horizon; empty where the checkpoint has none.
    """
    manifest = cache.manifest
    check_universe(cache, day)
    order = feature_indices(inputs.features, manifest.features, "checkpoint")
    check_regimes(network, inputs.regimes, manifest.regimes)
    batch = DayBlocks(cache, lookback).one_day(day)
    if order:  # in the order of the weights
        batch = batch._replace(features=batch.features[..., order])
    with torch.inference_mode():
        forecast: Forecast = network(batch)
    quantiles = None if forecast.quantiles is None else forecast.quantiles[0].float()
    pairs, intervals = level_pairs(network.quantiles), None
    if quantiles is not None and widths and pairs:
        ends = calibrated_intervals(quantiles, widths, pairs)
        intervals = ends.where(ends.isfinite(), torch.nan).numpy()
    return DayScores(
        codes=[cache.codes[stock] for stock in batch.stock.tolist()],
        sectors=sector_names(manifest, batch.sector[0].tolist()),
        score=forecast.score[0].float().numpy(),
        quantiles=None if quantiles is None else quantiles.numpy(),
        intervals=intervals,
    )


def load_network(checkpoint: Path, network: str | None = None) -> Scorer:
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
    return Scorer(
        name="network",
        files=[checkpoint],
        horizons=list(built.horizons),
        features=inputs.features,
        regimes=regimes,
        config=config,
        learned=learned,
        score=partial(score_day, built, inputs, widths),
        quantiles=list(built.quantiles),
    )


def _own_network(name: str, config: Mapping[str, Any]) -> NetworkFactory:
    from atft.commands.class_paths import find_class

    kind = find_class("model.network", name, (Network,))
    return partial(kind, **((config["model"].get("network") or {}).get("init_args") or {}))
