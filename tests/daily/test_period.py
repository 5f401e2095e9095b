"""predict --from: each day of a period by any scorer, in one file that evaluation reads."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from atft.daily.registry import RECORD
from atft.files.checkpoint_file import BEST

Command = Callable[..., Any]
pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.*", "ignore::DeprecationWarning")
KEYS = ["date", "horizon", "code"]
FIRST = "2015-04-13"


def scored(out: Path) -> pl.DataFrame:
    return pl.read_parquet(out).sort(KEYS)


def test_a_networks_period_has_the_scores_and_the_splits_of_its_run(
    tiny_run: Any, atft: Command, tmp_path: Path
) -> None:
    out = tmp_path / "period.parquet"
    words = ["--from", "2015-03-10", "--to", "2015-04-20", "--run", tiny_run.directory, "--out", out]
    printed = atft("predict", *words)
    assert printed.code == 0 and printed.err == "", printed
    ours = scored(out)
    whole = scored(tiny_run.directory / "predictions.parquet").filter(
        pl.col("date").is_between(*days_of(ours))
    )
    shared = ours.join(whole, on=KEYS, suffix="_run")
    assert len(shared) > 100 and len(shared) == len(ours.filter(pl.col("date") >= shared["date"].min()))
    for name in ("score", "target", "split"):
        assert shared[name].equals(shared[f"{name}_run"], check_names=False), name
    counted = dict(ours.group_by("split").agg(pl.col("date").n_unique()).iter_rows())
    no_forecasts = sum(days for split, days in counted.items() if split not in ("test", "live"))
    assert 0 < no_forecasts < sum(counted.values())
    assert f"{no_forecasts} of {sum(counted.values())} days are no forecasts" in printed.out


def test_a_run_whose_configuration_describes_folds_has_the_splits_of_its_dates(
    tiny_run: Any, atft: Command, tmp_path: Path
) -> None:
    folds = ["--data.split.folds", "{val_days: 10}", "--trainer.max_epochs", "1", "--baselines", "[]"]
    logs = ["--trainer.default_root_dir", tmp_path / "logs"]
    assert atft("fit", "--config", tiny_run.config, *folds, *logs).code == 0
    (run,) = (tmp_path / "logs").glob("*/version_0")
    period = ["--from", "2015-03-10", "--to", "2015-04-20", "--run"]
    for directory in (run, tiny_run.directory):
        out = tmp_path / f"{directory.parent.parent.name}.parquet"
        printed = atft("predict", *period, directory, "--out", out)
        assert printed.code == 0, printed.err
    with_folds, without = scored(tmp_path / "logs.parquet"), scored(out)
    assert with_folds.select(*KEYS, "split").equals(without.select(*KEYS, "split"))
    assert set(with_folds["split"]) >= {"val", "test"} and "fold" not in with_folds.columns


def days_of(frame: pl.DataFrame) -> tuple[Any, Any]:
    return frame["date"].min(), frame["date"].max()


def test_the_blend_of_a_period_is_the_mean_rank_of_network_and_trees(
    treed_run: Path, atft: Command, tmp_path: Path
) -> None:
    files = {name: tmp_path / f"{name}.parquet" for name in ("network", "lightgbm", "blend")}
    for name, out in files.items():
        printed = atft("predict", "--from", FIRST, "--run", treed_run, "--scorer", name, "--out", out)
        assert printed.code == 0, printed
    ranks = {
        name: scored(out).with_columns(rank=pl.col("score").rank().over("date", "horizon"))
        for name, out in files.items()
    }
    mean = ranks["network"]["rank"] + ranks["lightgbm"]["rank"]
    expected = (
        ranks["blend"]
        .with_columns(mean=mean)
        .with_columns(rank_of_mean=pl.col("mean").rank().over("date", "horizon"))
    )
    assert expected["rank"].equals(expected["rank_of_mean"], check_names=False)
    assert not ranks["blend"]["rank"].equals(ranks["network"]["rank"])
    measured = atft("evaluate", "--predictions", files["blend"], "--horizon", "1", "--min_stocks", "5")
    assert measured.code == 0 and "blend" in measured.out, measured


def test_without_a_name_the_file_is_beside_the_checkpoint_and_says_its_scorer(
    tiny_run: Any, atft: Command
) -> None:
    out = tiny_run.directory / "predictions_network_2015-04-20_2015-04-24.parquet"
    assert atft("predict", "--from", "2015-04-18", "--run", tiny_run.directory).code == 0
    assert days_of(scored(out))[0].isoformat() == "2015-04-20"
    out.unlink()


def test_with_a_registry_each_day_has_what_was_known_then(
    tiny_run: Any, treed_run: Path, atft: Command, tmp_path: Path
) -> None:
    registry = tmp_path / "registry"
    (registry / "2015-04-10").mkdir(parents=True)
    (registry / RECORD).write_text("{}")
    shutil.copytree(tiny_run.directory, registry / "2015-04-10" / "version_0")
    shutil.copytree(tiny_run.directory, registry / "2015-04-20" / "version_0")
    shutil.copy(treed_run / BEST, registry / "2015-04-20" / "version_0" / BEST)
    out = tmp_path / "known.parquet"
    words = ["--registry", registry, "--out", out]
    printed = atft("predict", "--from", FIRST, *words)
    assert printed.code == 0, printed
    known = scored(out)
    assert "WARNING" not in printed.out
    for run, days in ((tiny_run.directory, (13, 17)), (treed_run, (20, 24))):
        first, last = (f"2015-04-{day}" for day in days)
        alone = tmp_path / "alone.parquet"
        of_run = ["--ckpt_path", run / BEST, "--data.cache.dir", tiny_run.folder / "cache", "--out", alone]
        assert atft("predict", "--from", first, "--to", last, *of_run).code == 0
        expected = scored(alone)
        ours = known.filter(pl.col("date").is_between(*days_of(expected)))
        assert len(expected) and ours["score"].equals(expected["score"])
    assert "no checkpoint was known on" in atft("predict", "--from", "2015-04-02", *words).error_line
    shutil.rmtree(registry / "2015-04-20" / "version_0")
    printed = atft("predict", "--from", FIRST, *words)
    assert "so that of 2015-04-10 scores 2015-04-24; python -m atft retrain --registry" in printed.out


def test_a_file_of_evidence_or_of_the_panel_is_not_replaced(
    tiny_run: Any, atft: Command, tmp_path: Path
) -> None:
    evidence = tiny_run.directory / "predictions.parquet"
    before = evidence.stat().st_mtime_ns
    printed = atft("predict", "--from", FIRST, "--run", tiny_run.directory, "--out", evidence)
    assert "is evidence of the run" in printed.error_line and evidence.stat().st_mtime_ns == before
    out = tmp_path / "scores.json"
    assert (
        "must be .parquet or .csv"
        in atft("predict", "--from", FIRST, "--run", tiny_run.directory, "--out", out).error_line
    )
    assert json.loads((tiny_run.directory / "receipt.json").read_text())
