"""What the days to train on and the days to score know, from the manifest alone (milliseconds).

A feature that no training day knows reaches the network later through weights that no data has moved; a target
that none knows trains nothing. So the training days are checked before the first step, not all days of the panel.

A day to score needs ``lookback`` days of features and a graph whose window is complete: a panel that begins later
scores it with the same bits only where both are there.
"""

from collections.abc import Sequence
from datetime import date

import numpy as np
from numpy.typing import NDArray

from atft.data.cache import DayCache
from atft.data.fold_dates import FoldDates
from atft.data.manifest import SECTOR
from atft.data.split import Days, Split, parse_period
from atft.errors import InputError, counted, first_of
from atft.files.cells import MIN_ROWS_PER_CODE
from atft.trading_days import day_index

MAX_CONSTANT_SHARE = 0.95
"""A feature that is the same for all stocks on more than this share of its days is an error."""


def check_training_days(cache: DayCache, split: Split, labels: NDArray[np.int64]) -> None:
    """Check features, exposures, sectors and graph of the training days, and the targets of all periods.

    ``labels`` are those of `atft.data.purge.PurgedSplit`.
    """
    manifest, train = cache.manifest, split.train
    where = _in_words(cache, "training", train)
    check_features(cache, train, where)
    known = manifest.known_days(train)
    unknown = [n for n in manifest.exposures if not known[n]]
    if unknown:
        raise InputError(
            f"exposure {quoted(unknown)} is unknown on all of {where}; leave it out of "
            f"data.panel.schema.exposures{_or_move(cache, unknown)}"
        )
    if manifest.sectors and not known[SECTOR]:
        raise InputError(
            f"no sector is known on {where}; set data.panel.schema.sector to null, or move data.split.train"
        )
    _check_targets(cache, split, labels)
    # Days share the graph of their refresh, so each refresh is read once.
    refreshed = np.unique(np.searchsorted(cache.refreshes, train, side="right") - 1)
    if manifest.graph and not any(cache.linked(int(i)) for i in refreshed):
        raise InputError(
            f"no stock has a neighbour in the graph on any of {where}; lower data.graph.min_observations, or set "
            f"data.graph to null and model.network.init_args.graph to none"
        )


def _check_targets(cache: DayCache, split: Split, labels: NDArray[np.int64]) -> None:
    """Check that some day of each period knows the target of each horizon: a figure of none would fail the run."""
    manifest, least = cache.manifest, split.min_stocks
    for name, word in (("train", "training"), ("val", "validation"), ("test", "test")):
        days = getattr(split, name)
        for horizon, counts, known in zip(manifest.horizons, labels.T, cache.known_labels.T, strict=True):
            if len(days) and counts[days].max() < least:
                move = "" if counts.max() < least else f" move data.split.{name},"
                late = " before a later period begins (its label_end)" if known[days].max() >= least else ""
                raise InputError(
                    f"the target of horizon {horizon} is known for fewer than {least} stocks{late} on all of "
                    f"{_in_words(cache, word, days)}; compute it,{move} or drop the horizon"
                )


def _in_words(cache: DayCache, word: str, days: Days) -> str:
    dates = cache.manifest.dates
    return f"the {len(days)} {word} days {dates[days[0]]} to {dates[days[-1]]}"


def check_features(cache: DayCache, days: Days, where: str) -> None:
    """Check that each feature is known on some of the days, and varies between stocks where it is.

    A raw feature that the schema also names as market-wide (regime) may be the same for all stocks, but not on
    all days. ``where`` are the days in words, for the message.
    """
    manifest = cache.manifest
    known, varying = manifest.known_days(days), manifest.varying_days(days)
    unknown = [n for n in manifest.features if not known[n]]
    if unknown:
        raise InputError(
            f"no value of {quoted(unknown)} is known on {where}; add it to "
            f"data.panel.schema.exclude{_or_move(cache, unknown)}"
        )
    raw = {n for n, way in zip(manifest.features, manifest.scaling, strict=True) if way == "raw"}
    market_wide = [n for n in manifest.features if n in raw and n in manifest.regimes]
    constant = [
        n
        for n in manifest.features
        if n not in market_wide and known[n] - varying[n] > MAX_CONSTANT_SHARE * known[n]
    ]
    if constant:
        raise InputError(
            f"{quoted(constant)} is the same for all stocks on nearly all of {where}; add it to "
            f"data.panel.schema.exclude, or name it under regime and leave it raw"
        )
    for name in market_wide:
        values = cache.regime[days, manifest.regimes.index(name)]
        if not np.nanmin(values) < np.nanmax(values):
            raise InputError(f"{name!r} has one value on all of {where}; add it to data.panel.schema.exclude")


def find_day(dates: Sequence[date], day: date, name: str) -> int:
    """Index of a trading day on a calendar; ``name`` is the option that names it, for the message.

    Raises:
        InputError: no such day; the line names the trading day before it.
    """
    index = day_index(dates, day, "to")
    if index >= 0 and dates[index] == day:
        return index
    near = f"; the trading day before it is {dates[index]}" if index >= 0 else ""
    raise InputError(
        f"{name} {day} is no trading day of the panel, which runs {dates[0]} to {dates[-1]}{near}"
    )


def days_to_score(cache: DayCache, key: str, asked: Sequence[str], lookback: int) -> tuple[Days, Days]:
    """Find the days from one ISO date to another that can be scored, and those that lack the ``lookback``.

    ``key`` is the option that names the period, for messages.

    Raises:
        InputError: no day of the panel in the period has enough history.
    """
    manifest = cache.manifest
    first, last = parse_period(key, asked)
    start, stop = day_index(manifest.dates, first, "from"), day_index(manifest.dates, last, "to")
    days = np.arange(start, stop + 1, dtype=np.int64)
    return _with_history(cache, days, lookback, f"no day from {first} to {last} with", key)


def fold_days_to_score(cache: DayCache, fold: FoldDates, lookback: int) -> tuple[Days, Days]:
    """Find the days that a fold validates and tests on, as `days_to_score` does those of a period."""
    days = fold.scored(cache.manifest.dates)
    return _with_history(
        cache, days, lookback, f"no day that fold {fold.fold} validates or tests on has", "data.predict"
    )


def _with_history(cache: DayCache, days: Days, lookback: int, nothing: str, key: str) -> tuple[Days, Days]:
    """Days with a universe, in two parts: those with the lookback, at least one, and those without it."""
    dates = cache.manifest.dates
    days = days[np.array(cache.manifest.universe_rows, dtype=np.int64)[days] > 0]
    scored = days[days >= lookback - 1]
    if not len(scored):
        raise InputError(
            f"{nothing} {counted(lookback, 'day')} of history; the panel runs {dates[0]} to {dates[-1]} "
            f"({counted(len(dates), 'day')}); set {key}"
        )
    return scored, days[days < lookback - 1]


def history_lines(cache: DayCache, days: Days, short: Days, lookback: int) -> list[str]:
    """Lines on days without a score (the ``short`` ones), graphs of few days, and features that no day knows."""
    manifest, lines = cache.manifest, []
    if len(short):
        days_each = counted(lookback, "day")
        lines.append(f"no score for {_span(manifest.dates, short)}: a day needs {days_each} of history")
    per_code = sum(manifest.observed_rows) / len(manifest.codes)
    if lookback > 1 and per_code < MIN_ROWS_PER_CODE:
        lines.append(
            f"codes come on {per_code:.1f} days on average, so a lookback of {lookback} days has nothing to look "
            f"at; set data.loader.lookback to 1"
        )
    if manifest.graph is not None:
        observed = cache.graph_days[np.searchsorted(cache.refreshes, days, side="right") - 1]
        window = int(manifest.graph["window"])
        few = observed[observed < window]
        if len(few):
            lines.append(
                f"graph of fewer days than its window of {window} ({few.min()} to {few.max()}) on "
                f"{_span(manifest.dates, days[observed < window])}: with more history before them their scores "
                f"would differ"
            )
    known = manifest.known_days(days)
    unknown = [n for n in manifest.features if not known[n]]
    if unknown:
        lines.append(f"{quoted(unknown)} is unknown on all of {_span(manifest.dates, days)}")
    return lines


def _span(dates: Sequence[date], days: Days) -> str:
    first, last = dates[days[0]], dates[days[-1]]
    return f"{counted(len(days), 'day')} ({f'{first} to {last}' if len(days) > 1 else first})"


def _or_move(cache: DayCache, names: Sequence[str]) -> str:
    """Advise other training days where some day of the panel knows all of the names."""
    anywhere = cache.manifest.known_days(range(len(cache)))
    return ", or move data.split.train" if all(anywhere[n] for n in names) else ""


def quoted(names: Sequence[str], most: int = 3) -> str:
    """Quote a few columns in their order and count the others: ``'a', 'b', 'c' and 7 more``."""
    return first_of([repr(name) for name in names], most)
