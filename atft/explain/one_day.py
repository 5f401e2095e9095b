"""The days, the stock and the horizon to explain, found in the cache; what is not there is an error of one line."""

from collections.abc import Sequence
from datetime import date

from atft.data.day_checks import days_to_score, find_day
from atft.data.scaling import evenly_spaced
from atft.errors import InputError, closest, counted
from atft.files.yaml_text import read_date
from atft.tasks.day_data import DayData
from atft.tasks.ranking import RankingTask


def horizon_index(task: RankingTask, horizon: int | None) -> int:
    """Index of a horizon among the network's; the first where none is named. Raises InputError for another."""
    horizons = list(task.network.horizons)
    if horizon is not None and horizon not in horizons:
        raise InputError(f"horizon must be one of {', '.join(map(str, horizons))}, got {horizon}")
    return 0 if horizon is None else horizons.index(horizon)


def day_to_explain(data: DayData, text: str) -> int:
    """Index of a trading day on the cache's calendar.

    Raises:
        InputError: no ISO date, no day of the panel (the line names the nearest before it), no stock ranked on it,
            or too little history before it.
    """
    manifest, lookback = data.open_cache().manifest, data.loader_options.lookback
    day = read_date("date", text)
    index = find_day(manifest.dates, day, "date")
    if index < lookback - 1:
        raise InputError(
            f"date {day} has {counted(index + 1, 'day')} of history, the network reads {lookback}; the first "
            f"day is {manifest.dates[min(lookback, len(manifest.dates)) - 1]}"
        )
    if not manifest.universe_rows[index]:
        raise InputError(f"date {day}: no stock of the panel is in the universe that day; name another one")
    return index


def days_to_explain(data: DayData, period: Sequence[str], most: int) -> list[int]:
    """Indices of at most so many days of a period, evenly spaced, the first and the last among them.

    Raises:
        InputError: no ISO dates in order, or no day of the panel in the period has enough history.
    """
    lookback = data.loader_options.lookback
    days, _ = days_to_score(data.open_cache(), "the period of --from and --to", period, lookback)
    explained: list[int] = evenly_spaced(days, most).tolist()
    return explained


def find_stock(code: str, names: list[str], codes: tuple[str, ...], day: date) -> int:
    """Index of a code among those of a block; raises InputError where it is not there."""
    if code in names:
        return names.index(code)
    if code in codes:
        raise InputError(f"code {code}: not in the universe of {day}; name another day or stock")
    meant = closest(code, codes)
    also = "" if meant is None else f"; did you mean {meant!r}?"
    raise InputError(f"code {code!r:.40}: no stock of the panel{also}")
