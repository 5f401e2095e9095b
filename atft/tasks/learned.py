"""What a checkpoint says of the days that it learned from: their dates, and the ranges of its inputs on them.

A later day is compared with it: how old the checkpoint is, and which inputs have left the range that it knows.
"""

from typing import Any

from atft.data.training_ranges import training_ranges
from atft.tasks.day_data import DayData


def learned_from(data: DayData) -> dict[str, Any]:
    """Entries ``days`` and ``ranges`` of a checkpoint that trains on this data.

    ``days`` has the first and the last date that train, and those that validate, with a space between; ``ranges``
    is what `atft.data.training_ranges.read_ranges` reads.
    """
    cache, split = data.open_cache(), data.split
    dates = cache.manifest.dates
    days = {name: f"{dates[d[0]]} {dates[d[-1]]}" for name, d in (("train", split.train), ("val", split.val))}
    return {"days": days, "ranges": training_ranges(cache, split.train).content()}
