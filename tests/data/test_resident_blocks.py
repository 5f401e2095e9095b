"""A block gathered from a resident panel is the block that the host reads, field by field and bit by bit."""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from atft.batch import DayBatch
from atft.data.block_plan import BlockSampler, PlannedBlock
from atft.data.blocks import DayBlocks
from atft.data.cache import DayCache
from atft.data.purge import RowPurge, row_purge
from atft.data.resident_blocks import ResidentBlocks
from atft.data.resident_panel import ResidentPanel
from atft.data.split import SplitOptions, resolve_split
from atft.errors import InputError
from tests.conftest import trading_days

Make = Callable[..., DayCache]
CALENDAR = trading_days(80)
TRAIN, LATER = np.arange(9, 33), np.arange(45, 60)
DATES: dict[str, Any] = {
    "train": ["2015-01-05", "2015-02-27"],
    "val": ["2015-03-02", "2015-03-27"],
    "test": ["2015-03-30", "2015-04-24"],
    "embargo_days": 2,
    "min_stocks": 4,
}


def assert_same(ours: DayBatch, theirs: DayBatch) -> None:
    for name, one, other in zip(DayBatch._fields, ours, theirs, strict=True):
        if isinstance(one, torch.Tensor):
            assert one.dtype == other.dtype and one.is_contiguous(), name
            torch.testing.assert_close(one, other, rtol=0, atol=0, equal_nan=True, msg=name)
        else:
            assert one == other, name


def plans(cache: DayCache) -> list[PlannedBlock]:
    """One-day blocks, blocks of four days, days in parts, and an empty block."""
    rows = cache.manifest.universe_rows
    days = np.concatenate([TRAIN, LATER])
    whole = [b for n in (1, 4) for b in BlockSampler(days, rows, n, 60, seed=n).plan()]
    parts = BlockSampler(days[:6], rows, 4, 8).plan()
    empty = BlockSampler(days[:1], rows, 4, 60, rank=1, world_size=2).plan()
    assert any(b.parts > 1 for b in parts) and empty[0].empty
    return [*whole, *parts, *empty]


def resident(
    cache: DayCache, lookback: int, purge: RowPurge | None = None
) -> tuple[DayBlocks, ResidentBlocks]:
    blocks = DayBlocks(cache, lookback, 9, purge)
    panel = ResidentPanel(cache, np.concatenate([TRAIN, LATER]), lookback, 9, purge)
    return blocks, ResidentBlocks(panel, blocks)


def halted_panel(make_panel: Callable[..., Path]) -> Path:
    """A panel in which the labels of S003 are open until day 48, and whose day 50 lacks a stock in three."""
    ends: list[date | None] = [None] * (80 * 20)
    for day in range(20, 45):
        ends[day * 20 + 3] = CALENDAR[48]
    panel = make_panel(extra={"label_end_1d": ends, "label_end_5d": ends})
    frame = pl.read_parquet(panel)
    rare = (pl.col("date") == CALENDAR[50]) & (pl.col("code").str.slice(1).cast(int) % 3 == 0)
    frame.filter(~rare).write_parquet(panel)
    return panel


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"rank": ["x_*"], "dtype": "float16"},
        {"rank": ["x_1", "x_3"], "dtype": "float16", "graph": None},
    ],
    ids=["raw", "ranked in float16", "ranked in part, without a graph"],
)
def test_resident_blocks_equal_the_hosts(
    options: dict[str, Any], make_panel: Callable[..., Path], make_cache: Make
) -> None:
    cache = make_cache(halted_panel(make_panel), **options)
    m = cache.manifest
    split = resolve_split(m.dates, SplitOptions(**DATES), m.longest_label_days, 5, m.universe_rows)
    purge = row_purge(cache, split, 2)
    assert purge is not None
    purged = 0
    for lookback in (1, 5):
        host, ours = resident(cache, lookback, purge)
        for block in plans(cache):
            want = host[block]
            assert_same(ours[block], want)
            purged += int((want.universe[..., None] & want.target.isfinite() & ~want.valid).sum())
    assert purged
    host, ours = resident(cache, 5)
    assert_same(ours[plans(cache)[-3]], host[plans(cache)[-3]])


def test_too_little_history_raises_as_on_the_host(make_cache: Make) -> None:
    cache = make_cache(graph=None)
    ours = ResidentBlocks(ResidentPanel(cache, np.array([3]), 5), DayBlocks(cache, 5))
    with pytest.raises(InputError, match="has 4 days of history, lookback asks for 5"):
        ours[PlannedBlock(3, 1, 1, (1.0,), True)]
