"""What stands beside a list: how old the checkpoint is, which inputs have left its range, how much of the market.

An input is missing where the share of stocks that know it is less than half of that in training, and outside where
more than 5 % of its values, plus two, are beyond the 0.4 and 99.6 % quantiles of the training days; a market-wide
column is outside where its value was never reached in training. Ranks are never outside.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from atft.daily.scorer import DayScores, Scorer
from atft.data.cache import DayCache
from atft.data.day_checks import quoted
from atft.data.day_features import day_features
from atft.data.training_ranges import TrainingRanges, read_ranges
from atft.errors import InputError, counted, listed
from atft.files.publish import publish_json

USUAL_DAYS = 20
"""Trading days before the list's whose median universe is the usual one."""
MISSING_SHARE, OUTSIDE_SHARE = 0.5, 0.05
CHANCE_STOCKS = 2
"""Stocks outside of a range that are chance, whatever their number: 5 % of 20 stocks are one."""
MEANING = {
    "missing": "are known for far fewer stocks than in training",
    "outside": "have left their range in training",
}


@dataclass(frozen=True)
class AlarmOptions:
    """Limits beyond which a list is still written and the exit status is 3; null: no alarm."""

    age_days: int | None = None
    missing: float | None = None
    outside: float | None = None
    coverage: float | None = None

    def __post_init__(self) -> None:
        for name in ("missing", "outside", "coverage"):
            share = getattr(self, name)
            if share is not None and not 0 <= share <= 1:
                raise InputError(f"--alarm.{name} must be a share in [0, 1], got {share:g}")


@dataclass(frozen=True)
class DayChecks:
    """Figures beside a list."""

    date: str
    scorer: str
    """What ranks the stocks: network, lightgbm, or the blend of both."""
    files: list[str]
    """What it was read from."""
    checkpoint: str
    """The first of them."""
    trained: str | None
    """First and last day that trained."""
    validated: str | None
    """First and last day that selected the checkpoint."""
    age_days: int | None
    """Calendar days from the last of these days to the list's, 0 or less within them; None where unknown."""
    inputs: int
    """Features and market-wide columns that the checkpoint reads."""
    missing: list[str] | None
    """Inputs that far fewer stocks know than in training; None where the checkpoint does not say."""
    outside: list[str] | None
    """Inputs outside of their range in training; None as before."""
    stocks: int
    """Stocks that the list ranks."""
    usual_stocks: int
    """Median universe of the trading days before; the list's own where there is none."""
    coverage: float
    """Share of the usual universe that is ranked."""
    left: list[str]
    """Codes of the day before that are not ranked any more."""

    def lines(self) -> list[str]:
        """The figures in words, a line each."""
        lines = [f"checkpoint {self.checkpoint}{self._age()}"]
        if self.scorer != "network":
            lines.insert(0, f"scorer     {self.scorer}")
        for what, names in (("missing", self.missing), ("outside", self.outside)):
            if names is None:
                count = "unknown: the checkpoint carries no ranges"
            else:
                which = f": {quoted(names, 5)}" if names else ""
                count = f"{len(names)} of {self.inputs} inputs {MEANING[what]}{which}"
            lines.append(f"{what:<10} {count}")
        gone = (
            f"; {len(self.left)} of the day before are not listed: {listed(self.left)}" if self.left else ""
        )
        usual = f"{counted(self.stocks, 'stock')}, {self.coverage:.0%} of the usual {self.usual_stocks:,}"
        return [*lines, f"universe   {usual}{gone}"]

    def _age(self) -> str:
        if self.age_days is None:
            return ""
        days = f", trained on {self.trained}"
        if self.validated is not None:
            days += f", selected on {self.validated}"
        if self.age_days <= 0:
            return (
                f"{days}: it was trained or selected on this day or later ones, so this list is no forecast"
            )
        return f"{days}, {counted(self.age_days, 'day')} old"

    def alarms(self, limits: AlarmOptions) -> list[str]:
        """What is beyond a limit, in words; what cannot be measured is beyond any."""
        inputs = max(self.inputs, 1)
        missing, outside = (None if n is None else len(n) / inputs for n in (self.missing, self.outside))
        lines = []
        for name, value, most in (
            ("age_days", self.age_days, limits.age_days),
            ("missing", missing, limits.missing),
            ("outside", outside, limits.outside),
        ):
            if most is not None and (value is None or value > most):
                lines.append(f"{name} {'unknown' if value is None else f'{value:.4g}'}, most {most:g}")
        if limits.coverage is not None and self.coverage < limits.coverage:
            lines.append(f"coverage {self.coverage:.4g}, least {limits.coverage:g}")
        return lines


def check_day(
    scorer: Scorer, cache: DayCache, day: int, scores: DayScores, before: DayScores | None
) -> DayChecks:
    """Compare a day with the days that a checkpoint learned from, and with the days before it.

    ``day`` is an index on the cache's calendar; the scores of the day ``before`` are None where it has none.

    Raises:
        InputError: the checkpoint's entries on its training days cannot be read.
    """
    manifest = cache.manifest
    today = manifest.dates[day]
    periods, ranges = _periods(scorer), _ranges(scorer)
    ends = [ends for text in periods.values() for ends in text.split()]
    missing, outside = (None, None) if ranges is None else _drift(scorer, ranges, cache, day)
    rows = np.array(manifest.universe_rows[max(0, day - USUAL_DAYS) : day])
    usual = int(np.median(rows[rows > 0])) if (rows > 0).any() else len(scores.codes)
    return DayChecks(
        date=today.isoformat(),
        scorer=scorer.name,
        files=[str(file) for file in scorer.files],
        checkpoint=str(scorer.files[0]),
        trained=_words(periods.get("train")),
        validated=_words(periods.get("val")),
        age_days=(today - date.fromisoformat(max(ends))).days if ends else None,
        inputs=len(scorer.features) + len(scorer.regimes),
        missing=missing,
        outside=outside,
        stocks=len(scores.codes),
        usual_stocks=usual,
        coverage=len(scores.codes) / usual,
        left=[] if before is None else sorted(set(before.codes) - set(scores.codes)),
    )


def write_checks(checks: DayChecks, alarms: list[str], out: Path) -> Path:
    """Write the figures beside a list, ``list_2017-06-30.checks.json``; the file."""
    path = out.with_suffix(".checks.json")
    publish_json(path, {**asdict(checks), "alarms": alarms})
    return path


def _drift(scorer: Scorer, ranges: TrainingRanges, cache: DayCache, day: int) -> tuple[list[str], list[str]]:
    """Names of the inputs that are missing, and of those outside of their range."""
    values = day_features(cache, day, cache.day(day).ranked)
    missing, outside = [], []
    for name in scorer.features:
        usual, column = ranges.features[name], values[:, cache.manifest.features.index(name)]
        known = column[~np.isnan(column)]
        if len(known) < MISSING_SHARE * usual.known * len(column):
            missing.append(name)
        elif np.sum((known < usual.low) | (known > usual.high)) > OUTSIDE_SHARE * len(known) + CHANCE_STOCKS:
            outside.append(name)
    for name in scorer.regimes:
        usual, value = ranges.regimes[name], float(cache.regime[day, cache.manifest.regimes.index(name)])
        if np.isnan(value):
            missing += [name] if usual.known > 0 else []
        elif not usual.low <= value <= usual.high:
            outside.append(name)
    return missing, outside


def _periods(scorer: Scorer) -> Mapping[str, str]:
    """First and last date that train and that validate, with a space between; of trees may lack the latter."""
    periods = {
        n: text for n, text in scorer.learned.get("days", {}).items() if n in ("train", "val") and text
    }
    try:
        for text in periods.values():
            first, last = map(date.fromisoformat, text.split())
            if first > last:
                raise ValueError(text)
    except ValueError as error:
        raise InputError(f"{scorer.files[0]}: atft.days are no dates; train again") from error
    return periods


def _ranges(scorer: Scorer) -> TrainingRanges | None:
    content: Any = scorer.learned.get("ranges")
    if content is None:
        return None
    try:
        ranges = read_ranges(content)
        complete = set(scorer.features) <= set(ranges.features) and set(scorer.regimes) <= set(ranges.regimes)
    except (AttributeError, KeyError, TypeError, ValueError):
        complete = False
    if not complete:
        raise InputError(f"{scorer.files[0]}: atft.ranges has not its inputs' ranges; train again")
    return ranges


def _words(ends: str | None) -> str | None:
    return None if ends is None else " to ".join(ends.split())
