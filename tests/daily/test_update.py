"""update: after new days the list is that of a panel and a cache that were made of all prices at once."""

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import pytest
import torch

from atft.data.build import CacheOptions
from atft.data.graph import GraphOptions
from atft.data.loader import LoaderOptions
from atft.data.split import SplitOptions
from atft.features.build import build_panel
from atft.features.options import FeatureOptions
from atft.files.checkpoint_file import BEST, write_checkpoint
from atft.nn.atft_gat_fan import ATFTGATFAN
from atft.tasks.day_data import DayData
from atft.tasks.panel_source import PanelOptions
from atft.tasks.ranking import RankingTask
from atft.tasks.task_config import task_config
from price_market import frame_of, market, weekdays
from tests.support.checkpoints import small_checkpoint

DAYS, KNOWN = 330, 325
OPTIONS = FeatureOptions(horizons=[1, 5], min_history_days=60, min_close=0.5, min_traded_value=1e4)
Command = Callable[..., Any]


class Grown(NamedTuple):
    """A panel of the first days, a run that scores it, and the prices of all days."""

    folder: Path
    run: Path
    prices: pl.DataFrame

    def days(self, name: str, first: int, last: int) -> Path:
        """A file of the prices of the days first to last - 1."""
        path = self.folder / name
        self.prices.filter(pl.col("date").is_in(weekdays(DAYS)[first:last])).write_csv(path)
        return path


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Grown:
    """A run of random weights: what is compared is what it reads."""
    folder = tmp_path_factory.mktemp("update")
    made = Grown(folder, folder / "run", frame_of(market(days=DAYS, stocks=24, seed=4)))
    build_panel(made.days("known.csv", 0, KNOWN), folder / "panel", OPTIONS)
    dates = [day.isoformat() for day in weekdays(DAYS)]
    data = DayData(
        PanelOptions(str(folder / "panel")),
        SplitOptions(train=[dates[100], dates[200]], val=[dates[230], dates[260]], min_stocks=2),
        LoaderOptions(lookback=10),
        CacheOptions(dir=str(folder / "cache"), rank=["x_*"], dtype="float16"),
        GraphOptions(k=3, window=30, min_observations=20, sector_k=2),
        horizons=[1, 5],
    )
    torch.manual_seed(0)
    task = RankingTask.for_data(data, partial(ATFTGATFAN, hidden_size=8, gat_layers=1))
    entries = {"features": task.features, "regimes": task.regimes, "config": task_config(task, data)}
    made.run.mkdir()
    (made.run / "config.yaml").write_text(str(entries["config"]))
    write_checkpoint(small_checkpoint(state_dict=task.state_dict(), atft=entries), made.run / BEST)
    data.open_cache()
    return made


def test_a_mistake_changes_nothing(grown: Grown, atft: Command, tmp_path: Path) -> None:
    panel = grown.folder / "panel"
    before = {path: path.read_bytes() for path in panel.rglob("*") if path.is_file()}
    prices = grown.days("more.csv", 310, DAYS)
    asked = ["update", "--prices", prices, "--run", grown.run]
    assert "this command reads that file" in atft(*asked, "--out", prices).error_line
    assert "--rank_by 9: the checkpoint scores" in atft(*asked, "--rank_by", 9).error_line
    newest = weekdays(DAYS)[KNOWN - 1]
    same = grown.days(f"{newest}.csv", 310, KNOWN)
    before_list = same.read_bytes()
    asked_same = ["update", "--prices", same, "--run", grown.run, "--on", newest]
    assert "this command reads that file" in atft(*asked_same, "--out", same.parent / "{date}.csv").error_line
    assert same.read_bytes() == before_list
    # Without --on the day is not known before the days are appended.
    newer = grown.days(f"{weekdays(DAYS)[DAYS - 1]}.csv", 310, DAYS)
    asked_newer = ["update", "--prices", newer, "--run", grown.run]
    assert (
        "this command reads that file" in atft(*asked_newer, "--out", newer.parent / "{date}.csv").error_line
    )
    folder = tmp_path / "prices"
    folder.mkdir()
    grown.days("more.csv", 310, DAYS).rename(folder / "more.csv")
    asked_folder = ["update", "--prices", folder, "--run", grown.run, "--out", folder / "list.csv"]
    assert "name another folder" in atft(*asked_folder).error_line
    grown.days("more.csv", 310, DAYS)
    first = next(iter(panel.glob("*.parquet")))
    assert "this command reads that file" in atft(*asked, "--out", first).error_line
    corrected = pl.read_csv(prices, try_parse_dates=True)
    day = weekdays(DAYS)[315]
    changed = pl.when(pl.col("date") == day).then(pl.col("close") * 1.02).otherwise("close").alias("close")
    corrected.with_columns(changed).write_csv(tmp_path / "corrected.csv")
    error_line = atft("update", "--prices", tmp_path / "corrected.csv", "--run", grown.run).error_line
    assert "set corrections to rebuild" in error_line
    assert {path: path.read_bytes() for path in panel.rglob("*") if path.is_file()} == before


def test_a_last_day_whose_rows_are_all_left_out_has_no_list_nor_that_of_the_day_before(
    grown: Grown, atft: Command, tmp_path: Path
) -> None:
    panel, day = shutil.copytree(grown.folder / "panel", tmp_path / "panel"), weekdays(DAYS)[KNOWN]
    pence = pl.read_csv(grown.days("more.csv", KNOWN, KNOWN + 1), try_parse_dates=True)
    pence.with_columns(pl.col("open", "high", "low", "close") * 100).write_csv(tmp_path / "pence.csv")
    where = ["--run", grown.run, "--data.panel.path", panel, "--data.cache.dir", tmp_path / "cache"]
    out = tmp_path / "list.csv"
    for _ in range(2):  # a job that runs again
        outcome = atft("update", "--prices", tmp_path / "pence.csv", *where, "--out", out)
        assert outcome.code == 2 and f"no row of {day}, its last day, is left" in outcome.error_line
        assert not out.exists()
    earlier = ["--on", weekdays(DAYS)[KNOWN - 1], "--out", out]
    assert atft("update", "--prices", tmp_path / "pence.csv", *where, *earlier).code == 0 and out.is_file()
    right = ["update", "--prices", grown.days("more.csv", KNOWN, KNOWN + 1), "--corrections", "rebuild"]
    assert atft(*right, *where, "--out", out).code == 0 and str(day) in out.read_text()


def test_the_list_is_that_of_a_panel_and_a_cache_of_all_prices(
    grown: Grown, atft: Command, tmp_path: Path
) -> None:
    out = tmp_path / "{date}.csv"
    before = atft("predict", "--last", "--run", grown.run, "--out", out)
    assert before.code == 0, before
    # With days that the panel has, which are compared.
    outcome = atft("update", "--prices", grown.days("new.csv", 300, DAYS), "--run", grown.run, "--out", out)
    assert outcome.code == 0 and "5 new days" in outcome.out, outcome
    dates = [weekdays(DAYS)[day - 1].isoformat() for day in (KNOWN, DAYS)]
    lists = sorted(path.name for path in tmp_path.glob("*.csv"))
    assert lists == [f"{day}.csv" for day in dates]

    # The cache has grown: it shares the records of the days before, and nothing else was built.
    former, later = sorted((grown.folder / "cache").glob("[!.]*"), key=lambda path: path.stat().st_mtime_ns)
    assert {f.stat().st_ino for f in former.glob("*.arrow")} & {
        f.stat().st_ino for f in later.glob("*.arrow")
    }

    whole = tmp_path / "whole"
    build_panel(grown.days("all.csv", 0, DAYS), whole, OPTIONS)
    where = ["--data.panel.path", whole, "--data.cache.dir", tmp_path / "cache"]
    again = tmp_path / "again.csv"
    outcome = atft("predict", "--last", "--run", grown.run, *where, "--out", again)
    assert outcome.code == 0, outcome
    assert again.read_bytes() == (tmp_path / f"{dates[1]}.csv").read_bytes()
    # A second update of the same prices finds nothing new, and lists the same day.
    same = tmp_path / "same.csv"
    outcome = atft("update", "--prices", grown.days("new.csv", 300, DAYS), "--run", grown.run, "--out", same)
    assert outcome.code == 0 and "no new day in the prices" in outcome.out
    assert same.read_bytes() == again.read_bytes()
