"""The probes of a run's own pipeline: panel to cache, scaling, batches and scores, on a slice of the panel."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from atft.errors import InputError
from atft.probes.finding import Finding, Suspect, cannot_tell, conclude_probe
from atft.probes.later_days import later_day_suspects
from atft.probes.pipeline_slice import CHANGES, slice_panel
from atft.probes.training_days import order_suspects, purge_suspects, scaler_suspects, shuffled_label_suspects
from atft.process.progress import Progress
from atft.tasks.day_data import DayData
from atft.tasks.ranking import RankingTask

NAMES = ("purge", "later days", "scaling", "shuffled labels", "order of a batch")


def pipeline_findings(task: RankingTask, data: DayData) -> list[Finding]:
    """Probe what a task and its data make of their panel.

    The network scores as it is, trained or not; the data's cache is built where it is missing.

    Returns:
        A finding for each of `NAMES`.
    """
    manifest = data.open_cache().manifest
    purge = conclude_probe(
        NAMES[0],
        purge_suspects(data.split, manifest),
        f"labels cover {manifest.longest_label_days} trading days; no period's labels reach into another",
        "purge by trading days, as data.split does; embargo_days come on top",
    )
    with tempfile.TemporaryDirectory() as folder:
        where = Path(folder)
        try:
            part = slice_panel(data, where)
            size = f"{len(part.open_cache())} days, {part.open_cache().stocks} stocks"
            _ = part.split  # raises where the slice is too short
        except InputError as error:
            return [
                purge,
                *(cannot_tell(name, f"no slice of the panel can be made: {error}") for name in NAMES[1:]),
            ]
        return [purge, *_slice_findings(task, part, where, size)]


def _slice_findings(task: RankingTask, part: DayData, where: Path, size: str) -> list[Finding]:
    def attempt(probe: str, look: Callable[[], tuple[list[Suspect], str]], remedy: str) -> Finding:
        try:
            with Progress(probe):
                suspects, evidence = look()
        except InputError as error:
            return cannot_tell(probe, str(error))
        return conclude_probe(probe, suspects, evidence, remedy)

    # A probe that the panel's own checks stop has no verdict, and the others still run.
    changes = ", ".join(CHANGES)
    return [
        attempt(
            "later days",
            lambda: (
                later_day_suspects(task, part, where),
                f"batches and scores are the same bits with later rows {changes} ({size})",
            ),
            "compute everything of a day from rows up to it",
        ),
        attempt(
            "scaling",
            lambda: (
                scaler_suspects(part, where),
                "the scaling is the same bits with validation rows a million times as large",
            ),
            "fit scalers on the training days only",
        ),
        attempt(
            "shuffled labels",
            lambda: shuffled_label_suspects(part, where),
            "something that the network reads was made from labels; find it with --panel",
        ),
        attempt(
            "order of a batch",
            lambda: (order_suspects(part), "the place of a stock in its batch says nothing of its label"),
            "order stocks by their codes",
        ),
    ]
