"""No score of a day changes by a bit, whatever happens to the panel after that day."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from atft.commands.train import build
from atft.data.block_plan import BlockSampler
from atft.data.blocks import DayBlocks
from atft.data.build import build_cache
from atft.data.cache import DayCache

FIRST = 40
"""The first day after the training period (2015-03-02), and so the first that is compared."""
CUTS = range(FIRST, FIRST + 40, 4)
"""Four days apart, they meet every day between two refreshes of the graph, five days apart."""
Change = Callable[[pl.DataFrame, int], pl.DataFrame]
Scores = dict[tuple[int, str], tuple[float, ...]]


def numbers(frame: pl.DataFrame) -> list[str]:
    return [n for n, kind in frame.schema.items() if kind == pl.Float32]


def scrambled(future: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Every column keeps its values, dealt to other rows; stocks join and leave the universe."""
    rng = np.random.default_rng(seed)
    mixed = [pl.Series(n, future[n].to_numpy()[rng.permutation(len(future))]) for n in numbers(future)]
    joined = pl.Series(rng.random(len(future)) < 0.5)
    regime = pl.lit(7.0, pl.Float32)  # a market-wide column has one value a day
    known = future.with_columns(*mixed, universe=joined).with_columns(pl.col(pl.Float32).fill_nan(None))
    return known.with_columns(regime_volatility=regime)


def deleted(future: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Nothing is left: the panel ends on the day."""
    return future.head(0)


def blown_up(future: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Every number is a thousand million times itself; a label would raise, and is no number that a score reads."""
    read = [n for n in numbers(future) if not n.startswith("target")]
    return future.with_columns(pl.col(n) * 1e9 for n in read).cast(future.schema)


def scores_up_to(last: int, cache: DayCache, task: Any, lookback: int) -> Scores:
    """Each day from the first one after training scored as its own block, by day and code."""
    blocks = DayBlocks(cache, lookback)
    held: Scores = {}
    days = np.arange(FIRST, last + 1)
    plan = BlockSampler(days, cache.manifest.universe_rows, 1, 10**6, shuffle=False).plan()
    with torch.no_grad():
        for block in plan:
            batch = blocks[block]
            score = task(batch).score[0]
            for place in batch.universe[0].nonzero()[:, 0].tolist():
                code = cache.codes[int(batch.stock[place])]
                held[block.first_day, code] = tuple(score[place].tolist())
    return held


@pytest.fixture(scope="module")
def trained(tiny_run: Any) -> Any:
    cli = build("predict", tiny_run.best)
    cli.model.load_state_dict(torch.load(tiny_run.directory / "best_model.ckpt")["state_dict"])
    cli.model.eval()
    return cli


@pytest.mark.filterwarnings("ignore:.*LeafSpec.*", "ignore::DeprecationWarning")
@pytest.mark.parametrize("change", [scrambled, deleted, blown_up])
def test_what_happens_after_a_day_changes_no_bit_of_its_scores(
    change: Change, trained: Any, tiny_run: Any, tmp_path: Path
) -> None:
    data = trained.datamodule
    lookback = data.loader_options.lookback
    whole = scores_up_to(79, data.open_cache(), trained.model, lookback)
    frame = pl.read_parquet(tiny_run.panel)
    calendar = data.open_cache().manifest.dates
    for cut in CUTS:
        past, future = (
            frame.filter(pl.col("date") <= calendar[cut]),
            frame.filter(pl.col("date") > calendar[cut]),
        )
        panel = tmp_path / f"{cut}.parquet"
        pl.concat([past, change(future, cut)]).write_parquet(panel)
        options = type(data.cache_options)(dir=str(tmp_path / "cache"))
        cache = build_cache(panel, data.panel.schema, data.horizons, options, data.graph_options)
        found = scores_up_to(cut, DayCache(cache), trained.model, lookback)
        assert len(found) > 10 * (cut - FIRST + 1)
        assert found == {k: v for k, v in whole.items() if k[0] <= cut}, f"day {cut}"


def test_predicting_from_a_panel_that_ends_today_gives_the_scores_it_had_then(
    tiny_run: Any, atft: Callable[..., Any], tmp_path: Path
) -> None:
    """The whole way, panel to file: live use and the backtest say the same."""
    frame = pl.read_parquet(tiny_run.panel)
    today = sorted(frame["date"].unique())[60]
    frame.filter(pl.col("date") <= today).write_parquet(tmp_path / "panel.parquet")
    best = [*tiny_run.best, "--data.loader.block_days", "1"]
    live = ["--data.panel.path", tmp_path / "panel.parquet", "--data.cache.dir", tmp_path / "cache"]
    assert atft("predict", *best, "--out", tmp_path / "whole.parquet").code == 0
    assert atft("predict", *best, *live, "--out", tmp_path / "live.parquet").code == 0
    key = ["date", "code", "horizon", "score"]
    whole, then = (pl.read_parquet(tmp_path / f"{n}.parquet").select(key) for n in ("whole", "live"))
    assert then["date"].max() == today
    assert then.equals(whole.filter(pl.col("date") <= today))
