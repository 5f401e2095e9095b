"""Score single days with a checkpoint: the network alone, on the CPU in float32, without Lightning's imports.

The scores have the bits of ``python -m atft predict`` on the CPU, which reads a day in a block of its own too.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float32

from atft.batch import Forecast
from atft.checkpoint_file import network_weights, read_checkpoint
from atft.commands.checkpoint_config import checkpoint_config
from atft.data.blocks import DayBlocks
from atft.data.cache import DayCache
from atft.errors import InputError
from atft.metrics.interval_ends import calibrated_intervals, known_widths, level_pairs
from atft.network import Network, NetworkFactory, NetworkInputs, build_network
from atft.tasks.checkpoint_match import check_regimes, check_shapes
from atft.tasks.checkpoint_task import task_arguments


class Scorer(NamedTuple):
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


class DayScores(NamedTuple):
    """A day's scores, of its universe in the order of the codes."""

    codes: list[str]
    sectors: list[str | None]
    score: Float32[np.ndarray, "stocks horizons"]
    """Higher is better."""
    quantiles: Float32[np.ndarray, "stocks horizons levels"] | None
    """None without quantile heads."""
    intervals: Float32[np.ndarray, "stocks horizons intervals 2"] | None = None
    """Calibrated ends, the widest interval first, NaN where too few days were validated; None without any."""


def load_scorer(checkpoint: Path, network: str | None = None) -> Scorer:
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
    built = build_network(arguments["network"], inputs)
    weights = network_weights(content)
    check_shapes(weights, built.state_dict())
    built.load_state_dict(weights)
    built.set_parts(**content["atft"].get("parts", {}))
    built.eval()
    learned = {key: content["atft"][key] for key in ("days", "ranges", "fold") if key in content["atft"]}
    regimes = inputs.regimes if "regime" in built.reads.values() else ()
    widths = known_widths(content["atft"].get("interval_widths", {}), built.horizons, built.quantiles)
    return Scorer(checkpoint, built, inputs.features, regimes, config, learned, widths)


def _own_network(name: str, config: Mapping[str, Any]) -> NetworkFactory:
    from atft.commands.class_paths import find_class

    kind = find_class("model.network", name, (Network,))
    return partial(kind, **((config["model"].get("network") or {}).get("init_args") or {}))


def score_day(scorer: Scorer, cache: DayCache, day: int, lookback: int) -> DayScores:
    """Score the universe of one day of a cache.

    Args:
        day: its index on the cache's calendar.
        lookback: days of history that a score reads, the day itself included.

    Raises:
        InputError: the cache lacks a feature, or the day has no universe or too little history.
    """
    manifest = cache.manifest
    if not manifest.universe_rows[day]:
        raise InputError(f"no stock is in the universe on {manifest.dates[day]}; name another day with --on")
    order = _columns(scorer.features, manifest.features)
    check_regimes(scorer.network, scorer.regimes, manifest.regimes)
    batch = DayBlocks(cache, lookback).one_day(day)
    if order:
        batch = batch._replace(features=batch.features[..., order])
    with torch.inference_mode():
        forecast: Forecast = scorer.network(batch)
    levels, intervals = forecast.quantiles, None
    pairs = level_pairs(scorer.network.quantiles)
    if levels is not None and scorer.interval_widths and pairs:
        ends = calibrated_intervals(levels[0].float(), scorer.interval_widths, pairs)
        intervals = ends.where(ends.isfinite(), torch.nan).numpy()
    sector = batch.sector[0].tolist()
    return DayScores(
        codes=[cache.codes[stock] for stock in batch.stock.tolist()],
        sectors=[manifest.sectors[s] if s >= 0 else None for s in sector],
        score=forecast.score[0].float().numpy(),
        quantiles=None if levels is None else levels[0].float().numpy(),
        intervals=intervals,
    )


def _columns(trained_on: tuple[str, ...], names: tuple[str, ...]) -> list[int]:
    """Indices of the network's features among the cache's; empty where they are the same, in the same order."""
    missing = [name for name in trained_on if name not in names]
    if missing:
        raise InputError(
            f"the panel lacks {len(missing)} of the {len(trained_on)} features that the checkpoint reads: "
            f"{', '.join(missing[:3])}; make it with the options of the training panel"
        )
    return [] if trained_on == names else [names.index(name) for name in trained_on]
