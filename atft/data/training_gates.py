"""What the days of a split must know before a network is trained on them.

A feature that no training day knows reaches the network later through weights that no data has moved; a target
that none knows trains nothing. So it is the training days that are judged, not all days of the panel, before the
first step and from the manifest alone (milliseconds).
"""

from collections.abc import Sequence

import numpy as np

from atft.data.cache import DayCache
from atft.data.day_facts import unpack_bits
from atft.data.gates import DEAD_SHARE, listed
from atft.data.split import Days, Split
from atft.errors import InputError

SECTOR = ""
"""What `_known` calls the sector: no column has an empty name."""


def check_training_days(cache: DayCache, split: Split) -> None:
    """Check features, exposures, sectors, targets and graph of the training days, and the targets of validation.

    Args:
        cache: where the days are.
        split: the days that train and validate, and the stocks that a day's targets must be known for.

    Raises:
        InputError: names what the training days do not know, or what cannot rank their stocks.
    """
    manifest, train, val, floor = cache.manifest, split.train, split.val, split.min_stocks
    where = f"the {len(train)} training days {manifest.dates[train[0]]} to {manifest.dates[train[-1]]}"
    check_features(cache, train, where)
    known = _known(cache, train)
    unknown = [n for n in manifest.exposures if not known[n]]
    if unknown:
        raise InputError(
            f"exposure {listed(unknown)} is unknown on all of {where}; leave it out of "
            f"data.panel.schema.exposures{_or_move(cache, unknown)}"
        )
    if manifest.sectors and not known[SECTOR]:
        raise InputError(
            f"no sector is known on {where}; set data.panel.schema.sector to null, or move data.split.train"
        )
    for horizon, counts in zip(manifest.horizons, cache.known_labels.T, strict=True):
        if counts[train].max() < floor:
            move = "" if counts.max() < floor else " move data.split.train,"
            raise InputError(
                f"the target of horizon {horizon} is known for fewer than {floor} stocks on all of {where}; "
                f"compute it,{move} or drop the horizon"
            )
    if cache.known_labels[val].max() < floor:
        raise InputError(
            f"no target is known for {floor} stocks on the {len(val)} validation days {manifest.dates[val[0]]} to "
            f"{manifest.dates[val[-1]]}; move data.split.val to days whose returns are known"
        )
    check_edges(cache, train, where)


def check_edges(cache: DayCache, days: Days, where: str) -> None:
    """Check that the graph, where there is one, links stocks on some of the days.

    Args:
        cache: where the days are.
        days: calendar indices.
        where: the days in words, for the message.

    Raises:
        InputError: no stock has a neighbour on any of them.
    """
    refreshed = np.unique(np.searchsorted(cache.refreshes, days, side="right") - 1)
    linked = (cache.graph(int(cache.refreshes[place]))[0] >= 0 for place in refreshed if place >= 0)
    if cache.has_graph and not any(neighbours.any() for neighbours in linked):
        raise InputError(
            f"no stock has a neighbour in the graph on any of {where}; lower data.graph.threshold or "
            f"min_observations, or set data.graph to null and model.network.graph to false"
        )


def check_features(cache: DayCache, days: Days, where: str) -> None:
    """Check that each feature is known on some of the days, and tells stocks apart where it is.

    A raw feature that the schema also names as market-wide (regime) may be the same for all stocks, but not on
    all days.

    Args:
        cache: where the days are.
        days: calendar indices.
        where: the days in words, for the message.

    Raises:
        InputError: names the features.
    """
    manifest = cache.manifest
    counts = _known(cache, days)
    known = np.array([counts[n] for n in manifest.features])
    telling = unpack_bits([manifest.telling[i] for i in days], len(manifest.features)).sum(0)
    unknown = [n for n in manifest.features if not counts[n]]
    if unknown:
        raise InputError(
            f"no value of {listed(unknown)} is known on {where}; add it to "
            f"data.panel.schema.exclude{_or_move(cache, unknown)}"
        )
    dead = (known - telling) > DEAD_SHARE * known
    market_wide = [
        n in manifest.regimes and s == "raw" for n, s in zip(manifest.features, manifest.scaling, strict=True)
    ]
    constant = [
        n for n, fails, m in zip(manifest.features, dead, market_wide, strict=True) if fails and not m
    ]
    if constant:
        raise InputError(
            f"{listed(constant)} is the same for all stocks on nearly all of {where}; add it to "
            f"data.panel.schema.exclude, or name it under regime and leave it raw"
        )
    for name in (n for n, m in zip(manifest.features, market_wide, strict=True) if m):
        values = cache.regime[days, manifest.regimes.index(name)]
        if not np.nanmin(values) < np.nanmax(values):
            raise InputError(f"{name!r} has one value on all of {where}; add it to data.panel.schema.exclude")


def _known(cache: DayCache, days: Days) -> dict[str, int]:
    """On how many of the days each feature, each exposure and the sector is known."""
    manifest = cache.manifest
    names = (*manifest.features, *manifest.exposures, SECTOR)
    flags = unpack_bits([manifest.known[i] for i in days], len(names))
    return dict(zip(names, flags.sum(0).tolist(), strict=True))


def _or_move(cache: DayCache, names: Sequence[str]) -> str:
    """Advise other training days where some day of the panel knows all of the names."""
    anywhere = _known(cache, np.arange(len(cache), dtype=np.int64))
    return ", or move data.split.train" if all(anywhere[n] for n in names) else ""
