"""A registry of checkpoints: a folder with one run a date, the last day whose prices its training read.

The runs themselves say what is there; ``registry.csv`` is a table of them for people and other programs. A
checkpoint counts as known from its date on, since it read no later price: what it scores that day reads the same
close. That leaves out the hours that training takes.
"""

import csv
import io
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import date
from math import isfinite
from pathlib import Path

from atft.crossval.run_state import RunState, read_state
from atft.errors import InputError
from atft.files.checkpoint_file import BEST
from atft.files.publish import publish_text

RECORD, CONFIG, TABLE = "registry.json", "config.yaml", "registry.csv"


def registry_states(registry: Path) -> dict[date, RunState]:
    """Where the run of each date of a registry stands, by date, ascending; empty for a folder that is not there."""
    return {day: read_state(registry / day.isoformat()) for day in _dates(p.name for p in registry.glob("*"))}


def known_runs(registry: Path) -> Callable[[date | None], Path]:
    """Read a registry once; from a day to the directory of the newest finished run that read no later price.

    The function takes None for the newest of all, and raises InputError where no finished run is that old.

    Raises:
        InputError: it is no registry.
    """
    if not (registry / RECORD).is_file():
        raise InputError(f"{registry}: no {RECORD} there; python -m atft retrain makes a registry")
    finished = [(known, s.directory) for known, s in registry_states(registry).items() if s.directory]

    def known_on(day: date | None) -> Path:
        known = [directory for ends, directory in finished if day is None or ends <= day]
        if not known:
            first = (
                f"; the first that is finished is of {finished[0][0]}" if finished else ": none is finished"
            )
            raise InputError(f"{registry}: no checkpoint was known on {day or 'any day'}{first}")
        return known[-1]

    return known_on


def passed_over_lines(registry: Path, directory: Path, day: date) -> list[str]:
    """Say which run should have scored a day in place of that in ``directory``; nothing where that is the newest.

    It is not finished, damaged or gone; of one that is gone ``registry.csv`` has a row until `retrain` runs.
    """
    rows = (
        (registry / TABLE).read_text(encoding="utf-8", errors="replace")
        if (registry / TABLE).is_file()
        else ""
    )
    names = [path.name for path in registry.glob("*")] + [
        line.partition(",")[0] for line in rows.splitlines()
    ]
    scored_by = date.fromisoformat(directory.parent.name)
    newer = [known for known in _dates(names) if scored_by < known <= day]
    if not newer:
        return []
    return [
        f"WARNING the run of {newer[-1]} is not finished or is gone, so that of {scored_by} scores {day}; "
        f"python -m atft retrain --registry {registry} finishes what is due"
    ]


def write_registry_table(registry: Path, states: Mapping[date, RunState]) -> None:
    """Write ``registry.csv``: a row for each date, with its checkpoint and the figures of its validation."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["known_on", "status", "checkpoint", "train_days", "val_days", "val_rank_ic", "data"])
    for day, state in states.items():
        receipt = state.receipt
        if receipt is None:
            table.writerow([day, "missing", *[""] * 5])
            continue
        best = None if state.directory is None else state.directory / BEST
        checkpoint = best.relative_to(registry) if best is not None and best.is_file() else ""
        figure = receipt.metrics.get("val/rank_ic")
        days = [receipt.days[name].planned if name in receipt.days else "" for name in ("train", "val")]
        rank_ic = f"{figure:.4f}" if figure is not None and isfinite(figure) else ""
        table.writerow([day, receipt.status, checkpoint, *days, rank_ic, receipt.digests.get("data", "")])
    publish_text(registry / TABLE, text.getvalue())


def _dates(names: Iterable[str]) -> list[date]:
    """The names that are ISO dates, ascending."""
    dates = set()
    for name in names:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", name):
            with suppress(ValueError):  # such as 9999-99-99
                dates.add(date.fromisoformat(name))
    return sorted(dates)
