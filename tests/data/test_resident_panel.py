"""A panel in memory has the days that are read, takes the bytes that it said, and is freed and read again."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from atft.data.block_plan import PlannedBlock
from atft.data.blocks import DayBlocks
from atft.data.cache import DayCache
from atft.data.resident_blocks import ResidentBlocks
from atft.data.resident_panel import ResidentPanel

Make = Callable[..., DayCache]
DAYS, LATER = np.concatenate([np.arange(9, 33), np.arange(45, 60)]), np.arange(45, 60)
BLOCK = PlannedBlock(46, 2, 30, (0.5, 0.5), True)


def resident(cache: DayCache) -> ResidentBlocks:
    return ResidentBlocks(ResidentPanel(cache, DAYS, 5, 9), DayBlocks(cache, 5, 9))


def test_the_bytes_of_a_panel_are_known_before_it_is_read(make_cache: Make) -> None:
    for options in ({}, {"rank": ["x_1", "x_3"], "dtype": "float16"}):
        ours = resident(make_cache(**options))
        known = ours.panel.nbytes
        assert "rows" not in vars(ours.panel)
        tensors = (*ours.panel.rows, *ours.panel.links)
        of_missing_row = sum(t[-1:].nbytes for t in tensors)
        assert known + of_missing_row == sum(t.nbytes for t in tensors)


def test_only_the_days_of_blocks_and_their_history_are_read(
    make_cache: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = set()
    day = DayCache.day
    monkeypatch.setattr(DayCache, "day", lambda cache, i: read.add(i) or day(cache, i))
    ours = resident(make_cache(graph=None))
    ours[BLOCK]
    assert read == {*range(5, 33), *range(41, 60)}
    assert len(ours.panel.rows.key) == 1 + sum(ours.panel.cache.manifest.observed_rows[d] for d in read)


def test_a_panel_is_shared_by_loaders_of_its_days_and_read_again_after_its_release(make_cache: Make) -> None:
    ours = resident(make_cache())
    panel, cpu = ours.panel, torch.device("cpu")
    assert panel.serves(LATER, 5, 9, None, cpu)
    assert not panel.serves(np.arange(33, 40), 5, 9, None, cpu)
    assert not panel.serves(LATER, 6, 9, None, cpu) and not panel.serves(LATER, 5, 0, None, cpu)
    before = ours[BLOCK]
    panel.release()
    assert "rows" not in vars(panel) and "links" not in vars(panel)
    torch.testing.assert_close(tuple(ours[BLOCK]), tuple(before), rtol=0, atol=0, equal_nan=True)
