"""Do batches and scores of a day change when the rows after it do? They must be the same bits."""

from copy import deepcopy
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from atft.errors import InputError, first_of
from atft.probes.finding import Suspect
from atft.probes.pipeline_slice import CHANGES, change_after
from atft.process.progress import track
from atft.tasks.day_data import DayData
from atft.tasks.network_check import ZERO_INIT_NOISE
from atft.tasks.ranking import RankingTask

COMPARED_DAYS = 6
"""Days up to the change that are compared, the last one and others spread over the days before."""
COMPARED = ("features", "observed", "universe", "exposure", "regime", "edge_index", "edge_attr")
"""What a batch must not change in; the row of a stock in the cache may differ, its labels are not known yet."""


class DayContent(NamedTuple):
    """A day as the network reads it, and its scores."""

    codes: tuple[str, ...]
    sectors: tuple[str, ...]
    parts: dict[str, Tensor]


def later_day_suspects(task: RankingTask, data: DayData, folder: Path) -> list[Suspect]:
    """Change everything after two days of a slice in three ways, and compare batches and scores up to the day.

    Args:
        task: whose network scores; it is copied, and its zero weights are replaced by noise.
    """
    scorer = scoring_copy(task, data)
    val = data.split.val
    cuts = (int(val[0]) - 1, int(val[len(val) // 2]))
    lookback = data.loader_options.lookback
    suspects = []
    trials = [(cut, name) for cut in cuts for name in CHANGES]
    for cut, name in track(trials, "changing later days"):
        days = np.unique(np.linspace(max(lookback - 1, cut - 30), cut, COMPARED_DAYS).astype(np.int64))
        before = day_contents(scorer, data, days)
        date = data.open_cache().manifest.dates[cut]
        changed = change_after(data, cut, CHANGES[name], folder / f"{cut}-{name}", "panel", seed=cut)
        try:
            after = day_contents(scorer, changed, days)
        except InputError as error:
            suspects.append(Suspect(f"rows after {date} {name}", f"the days before are rejected: {error}"))
            continue
        difference = first_difference(data, before, after)
        if difference:
            suspects.append(Suspect(f"rows after {date} {name}", difference))
    return suspects


def scoring_copy(task: RankingTask, data: DayData) -> RankingTask:
    """A copy of a task in evaluation, scaled by a slice's training days; weights of zeros are replaced by noise."""
    copy = deepcopy(task).cpu().eval()
    rng = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in copy.network.parameters():
            if not parameter.any():
                parameter.copy_(ZERO_INIT_NOISE * torch.randn(parameter.shape, generator=rng))
    copy.network.set_scaling(data.scaling())
    return copy


def day_contents(scorer: nn.Module, data: DayData, days: np.ndarray) -> dict[object, DayContent]:
    """Batches and scores of some days, each a block of its own, by date."""
    cache = data.open_cache()
    manifest = cache.manifest
    contents: dict[object, DayContent] = {}
    with torch.no_grad():
        for day in days.tolist():
            batch = data.block_of_day(day)
            stocks = batch.stock.tolist()
            sector = batch.sector[0].tolist()
            parts = {name: getattr(batch, name) for name in COMPARED} | {"score": scorer(batch).score}
            contents[manifest.dates[day]] = DayContent(
                tuple(cache.codes[i] for i in stocks),
                tuple(manifest.sectors[i] if i >= 0 else "" for i in sector),
                parts,
            )
    return contents


def first_difference(data: DayData, before: dict[object, DayContent], after: dict[object, DayContent]) -> str:
    """Say what differs first on the earliest day that differs; empty where nothing does."""
    for date, content in before.items():
        other = after.get(date)
        if other is None:
            return f"{date} has no score"
        if content.codes != other.codes or content.sectors != other.sectors:
            return f"other stocks or sectors are in the universe of {date}"
        for name, values in content.parts.items():
            changed = other.parts[name]
            if values.shape != changed.shape or not torch.equal(_bits(values), _bits(changed)):
                return f"{date}: {name} differ{_where(data, name, values, changed)}"
    return ""


def _bits(values: Tensor) -> Tensor:
    """Floats as whole numbers, so that a NaN equals itself; all NaN are one."""
    if not values.is_floating_point():
        return values
    return torch.where(values.isnan(), torch.nan, values).contiguous().view(torch.int32)


def _where(data: DayData, name: str, values: Tensor, changed: Tensor) -> str:
    """Columns of the features that differ."""
    if name != "features" or values.shape != changed.shape:
        return ""
    differs = (_bits(values) != _bits(changed)).flatten(0, 1).any(0)
    names = [n for n, d in zip(data.features, differs.tolist(), strict=True) if d]
    return f": {first_of(names, 3)}"
