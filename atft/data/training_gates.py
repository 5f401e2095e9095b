"""What the days of a split must know before a network is trained on them.

A feature that no training day knows reaches the network later through weights that no data has moved; a target
that none knows trains nothing. So it is the training days that are judged, not all days of the panel, before the
first step and from the manifest alone (milliseconds).
"""

import numpy as np

from atft.data.cache import DayCache
from atft.data.day_facts import unpack_bits
from atft.data.gates import DEAD_SHARE, listed
from atft.data.split import Days, Split
from atft.errors import InputError


def check_training_days(cache: DayCache, split: Split) -> None:
    """Check features, exposures, sectors and targets of the training days, and that validation has a target.

    Args:
        cache: where the days are.
        split: the days that train and validate, and the stocks that a day's targets must be known for.

    Raises:
        InputError: names what the training days do not know, or what cannot rank their stocks.
    """
    held, train, val, floor = cache.manifest, split.train, split.val, split.min_stocks
    where = f"the {len(train)} training days {held.dates[train[0]]} to {held.dates[train[-1]]}"
    check_features(cache, train, where)
    known = unpack_bits([held.known[i] for i in train], len(held.features) + len(held.exposures) + 1).sum(0)
    exposures = known[len(held.features) : -1]
    unknown = [n for n, found in zip(held.exposures, exposures, strict=True) if not found]
    if unknown:
        raise InputError(
            f"exposure {listed(unknown)} is unknown on all of {where}; leave it out of "
            f"data.panel.schema.exposures, or move data.split.train"
        )
    if held.sectors and not known[-1]:
        raise InputError(
            f"no sector is known on {where}; set data.panel.schema.sector to null, or move data.split.train"
        )
    for horizon, counts in zip(held.horizons, cache.known_labels[train].T, strict=True):
        if counts.max() < floor:
            raise InputError(
                f"the target of horizon {horizon} is known for fewer than {floor} stocks on all of {where}; "
                f"compute it, move data.split.train, or drop the horizon"
            )
    if cache.known_labels[val].max() < floor:
        raise InputError(
            f"no target is known for {floor} stocks on the {len(val)} validation days {held.dates[val[0]]} to "
            f"{held.dates[val[-1]]}; move data.split.val to days whose returns are known"
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
    held = cache.manifest
    known = unpack_bits([held.known[i] for i in days], len(held.features)).sum(0)
    telling = unpack_bits([held.telling[i] for i in days], len(held.features)).sum(0)
    unknown = [n for n, count in zip(held.features, known, strict=True) if not count]
    if unknown:
        raise InputError(
            f"no value of {listed(unknown)} is known on {where}; add it to data.panel.schema.exclude, or move "
            f"data.split.train"
        )
    dead = (known - telling) > DEAD_SHARE * known
    market_wide = [n in held.regimes and s == "raw" for n, s in zip(held.features, held.scaling, strict=True)]
    constant = [n for n, fails, m in zip(held.features, dead, market_wide, strict=True) if fails and not m]
    if constant:
        raise InputError(
            f"{listed(constant)} is the same for all stocks on nearly all of {where}; add it to "
            f"data.panel.schema.exclude, or name it under regime and leave it raw"
        )
    for name in (n for n, m in zip(held.features, market_wide, strict=True) if m):
        values = cache.regime[days, held.regimes.index(name)]
        if not np.nanmin(values) < np.nanmax(values):
            raise InputError(f"{name!r} has one value on all of {where}; add it to data.panel.schema.exclude")
