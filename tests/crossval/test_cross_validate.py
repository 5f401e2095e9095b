"""Folds and seeds: from a configuration to the table, with runs that are not trained."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from atft.cli import guarded
from atft.crossval.child_run import LOCK
from atft.crossval.cross_validate import cross_validate
from atft.crossval.options import split_arguments
from atft.errors import InputError, RunFailed
from atft.files.file_lock import take_lock

FOLDS = "{period: [2015-03-26, 2015-04-24], every: 11, val_days: 8}"
Starts = Callable[[Path], list[dict[str, str]]]


@pytest.fixture
def asked(tiny_run: Any, tmp_path: Path) -> list[str]:
    """The words of a configuration whose directories are the test's."""
    return ["--config", str(tiny_run.config), "--trainer.default_root_dir", str(tmp_path)]


@pytest.fixture
def as_trained(tiny_run: Any, stub: Any) -> Any:
    """The stub, which writes what the tiny run has written; each seed scores with some noise of its own."""
    frame = pl.read_parquet(tiny_run.directory / "predictions.parquet")
    (stub.folder / "receipt.json").write_text((tiny_run.directory / "receipt.json").read_text())
    dates = frame.filter(pl.col("split") == "test")["date"].unique().sort()
    for seed in (3, 4, 5):
        noise = pl.Series(
            [random.Random(seed + i).gauss(0, 0.01) for i in range(len(frame))], dtype=pl.Float32
        )
        scored = frame.with_columns(pl.col("score") + noise)
        scored.write_parquet(stub.folder / f"seed_{seed}.parquet")
        for fold, first in ((0, dates[0]), (1, dates[11])):
            tested = pl.when(pl.col("date").is_between(first, dates[11 * fold + 10])).then(pl.lit("test"))
            of_fold = scored.with_columns(tested.otherwise(pl.lit("val")).alias("split"))
            of_fold.write_parquet(stub.folder / f"fold_{fold}_seed_{seed}.parquet")
    return stub


def directory_of(root: Path, kind: str) -> Path:
    return root / f"tiny_{kind}" / "version_0"


def test_seeds_of_the_plain_split_end_with_one_file_and_one_table(
    as_trained: Any, asked: list[str], starts: Starts, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options, words = split_arguments([*asked, "--seeds", "2", "--workers", "2"])
    directory = cross_validate(True, options, words, as_trained.program)
    assert directory == directory_of(tmp_path, "seeds")
    printed = capsys.readouterr().out
    table = (directory / "comparison.txt").read_text()
    assert table.strip() in printed and "runs      2 seeds, 2 at a time, 1 thread each" in printed
    scorers = [line.split("  ")[0] for line in table.splitlines() if " 1d " in line]
    assert scorers == [
        *("seed 3", "seed 4", "between seeds, std", "mean rank of 2 seeds"),
        *("ridge", "reversal", "random 95 %"),
    ]
    frame = pl.read_parquet(directory / "predictions.parquet")
    assert len(frame) == len(pl.read_parquet(as_trained.folder / "seed_3.parquet")) and "seed" not in frame
    assert frame["score"].is_between(0, 1).all()
    assert {"folds.csv", "folds.json", "crossval.json", "config.yaml", "run.log"} < {
        path.name for path in directory.iterdir()
    }

    # The same directory goes on with one seed more, without a configuration, and keeps the others.
    options, words = split_arguments(["--resume", str(directory), "--seeds", "3"])
    assert cross_validate(False, options, words, as_trained.program) == directory
    assert [start["name"] for start in starts(directory)][2:] == ["seed_5"]
    assert "mean rank of 3 seeds" in (directory / "comparison.txt").read_text()
    assert json.loads((directory / "crossval.json").read_text())["seeds"] == [3, 4, 5]

    # With fewer, it says whose scores are not in the mean.
    capsys.readouterr()
    cross_validate(False, *split_arguments(["--resume", str(directory), "--seeds", "1"]), as_trained.program)
    assert "left out  seeds 4, 5; --seeds 3 has them too" in capsys.readouterr().out


def test_seeds_count_no_trade_at_lag_1_that_ends_after_the_last_day_that_is_known(
    as_trained: Any, asked: list[str], tmp_path: Path
) -> None:
    for path in as_trained.folder.glob("seed_*.parquet"):
        pl.read_parquet(path).with_columns(target_lag1="target").write_parquet(path)
    tested = pl.read_parquet(as_trained.folder / "seed_3.parquet").filter(split="test")
    last = str(tested["date"].max())
    words = [*asked, "--seeds", "2", "--data.split.known_to", last, "--baselines", "[ridge]"]
    directory = cross_validate(True, *split_arguments(words), as_trained.program)
    rows = json.loads((directory / "folds.json").read_text())["figures"]
    for horizon in (1, 5):
        days = {row["days"] for row in rows if (row["horizon"], row["lag"]) == (horizon, 1)}
        # The score of a day buys at the close of the next one and sells a horizon later.
        assert days == {tested.filter(horizon=horizon)["date"].n_unique() - horizon - 1}
    of_baseline = r"^ridge +\d+d +\d+ +(\S+) ± \S+ +(\S+)"
    for lag_0, lag_1 in re.findall(of_baseline, (directory / "comparison.txt").read_text(), re.M):
        assert lag_0 != lag_1, "on fewer days, though the targets are the same"


def test_folds_end_with_one_out_of_sample_file(
    as_trained: Any, asked: list[str], starts: Starts, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options, words = split_arguments([*asked, "--seeds", "2", "--data.split.folds", FOLDS])
    directory = cross_validate(False, options, words, as_trained.program)
    assert directory == directory_of(tmp_path, "crossval")
    frame = pl.read_parquet(directory / "predictions.parquet")
    assert set(frame.select("fold", "seed", "causal").unique().rows()) == {
        (fold, seed, True) for fold in (0, 1) for seed in (3, 4)
    }
    assert frame["split"].unique().to_list() == ["test"]
    assert frame.equals(frame.sort("date", "horizon", "code", "fold", "seed"))
    assert frame.filter(pl.col("fold") == 1)["date"].n_unique() == 11
    table = (directory / "comparison.txt").read_text()
    assert all(
        name in table for name in ("fold 0 from 2015-03-26", "mean of 2 folds", "mean rank of 2 seeds")
    )
    assert [start["--data.split.fold"] for start in starts(directory)] == ["0", "1", "0", "1"]
    capsys.readouterr()

    with pytest.raises(InputError, match=r"began with model.network.init_args.hidden_size 8, now 12"):
        options, words = split_arguments(["--resume", str(directory), "--model.network.hidden_size", "12"])
        cross_validate(False, options, words, as_trained.program)
    receipt = next((directory / "fold_1_seed_4").glob("version_*")) / "receipt.json"
    trained = receipt.read_text()
    digest = json.loads(trained)["digests"]["data"]
    receipt.write_text(trained.replace(digest, "0" * len(digest)))
    with pytest.raises(InputError, match=r"fold_1_seed_4: trained on another panel \(digest 0+\)"):
        cross_validate(False, *split_arguments(["--resume", str(directory)]), as_trained.program)
    # Code that changed between two starts changes nothing but a line.
    receipt.write_text(re.sub(r'"code": "\w+"', '"code": "beefbeef"', trained))
    cross_validate(False, *split_arguments(["--resume", str(directory)]), as_trained.program)
    assert (
        "fold_1_seed_4 is of other code than fold_0_seed_3 (beefbeef, " in (directory / "run.log").read_text()
    )
    receipt.write_text(trained)
    lock = take_lock(directory / LOCK)
    assert lock is not None
    with lock, pytest.raises(InputError, match="another process works in it now; wait for its end"):
        cross_validate(False, *split_arguments(["--resume", str(directory)]), as_trained.program)


@pytest.mark.parametrize("simulated", [False, True])
def test_folds_too_good_to_be_honest_are_warned_of_but_not_on_a_simulated_market(
    as_trained: Any, asked: list[str], simulated: bool
) -> None:
    for path in as_trained.folder.glob("fold_*.parquet"):
        target = pl.col("target").fill_null(0.0)
        known = pl.read_parquet(path).with_columns(score=target)
        (
            known.with_columns(oracle=target) if simulated else known.drop("oracle", strict=False)
        ).write_parquet(path)
    options, words = split_arguments([*asked, "--data.split.folds", FOLDS])
    directory = cross_validate(False, options, words, as_trained.program)
    table = (directory / "comparison.txt").read_text()
    assert ("WARNING 1d: RankIC +1.0000 of" in table) is not simulated
    assert ("suspect a bug or a leak first" in table) is not simulated


def test_folds_that_know_later_days_say_so_in_the_title_the_lines_and_the_rows(
    as_trained: Any, asked: list[str]
) -> None:
    folds = FOLDS.replace("every: 11", "scheme: k_fold, n: 2")
    options, words = split_arguments([*asked, "--data.split.folds", folds])
    directory = cross_validate(False, options, words, as_trained.program)
    title, *lines = (directory / "comparison.txt").read_text().strip().splitlines()
    assert ", causal: false, mean" in title
    frame = pl.read_parquet(directory / "predictions.parquet")
    late = set(frame.filter(~pl.col("causal"))["fold"])
    assert (
        late
        and {fold for fold in (0, 1) if any(f"fold {fold}" in x and "not causal" in x for x in lines)} == late
    )


def test_a_run_that_fails_says_how_to_go_on(as_trained: Any, asked: list[str], tmp_path: Path) -> None:
    as_trained.end(seed_3=["failed", "failed"])
    options, words = split_arguments([*asked, "--seeds", "1"])
    with pytest.raises(RunFailed, match="VarianceCollapse") as error:
        cross_validate(True, options, words, as_trained.program)
    directory = directory_of(tmp_path, "seeds")
    assert f"python -m atft crossval --resume {directory} tries again" in str(error.value)
    assert not (directory / "predictions.parquet").exists()


def test_a_stop_says_how_to_go_on(
    as_trained: Any,
    asked: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    as_trained.end(seed_3=["waits"])
    options, words = split_arguments([*asked, "--seeds", "1"])
    waits = directory_of(tmp_path, "seeds") / "seed_3" / "waits"
    sleep = time.sleep

    def interrupt(seconds: float) -> None:
        if waits.exists():
            waits.unlink()
            os.kill(os.getpid(), signal.SIGINT)
        sleep(0.01)

    monkeypatch.setattr("atft.crossval.run_pool.time.sleep", interrupt)

    def ask() -> int:
        cross_validate(True, options, words, as_trained.program)
        return 0

    assert guarded(ask, debug=False) == 130
    goes_on = f"python -m atft crossval --resume {directory_of(tmp_path, 'seeds')} goes on"
    assert capsys.readouterr().err.strip().splitlines()[-1] == f"atft: stopped by Ctrl-C; {goes_on}"


# -- runs that train


@pytest.fixture
def trains(tiny_run: Any, tmp_path: Path) -> list[str]:
    words = ["--config", str(tiny_run.config), "--trainer.default_root_dir", str(tmp_path), "--seeds", "2"]
    return [*words, "--data.split.folds", FOLDS, "--threads", "1"]


@pytest.mark.slow
def test_two_folds_and_two_seeds_train_warm_and_cold(trains: list[str], tmp_path: Path) -> None:
    for warm in ("false", "true"):
        command = [sys.executable, "-m", "atft", "crossval", *trains, "--warm_start", warm]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    frames = []
    for version in (0, 1):
        directory = tmp_path / "tiny_crossval" / f"version_{version}"
        frame = pl.read_parquet(directory / "predictions.parquet")
        assert set(frame.select("fold", "seed").unique().rows()) == {(0, 3), (0, 4), (1, 3), (1, 4)}
        assert frame["causal"].all() and frame["date"].n_unique() == 22
        assert frame.filter(pl.struct("date", "horizon", "code", "fold", "seed").is_duplicated()).is_empty()
        frames.append(frame)
    cold, warm_frame = frames
    same = cold["score"] == warm_frame["score"]
    # The first fold is the same to the bit, the second begins with its weights.
    assert same.filter(cold["fold"] == 0).all() and not same.filter(cold["fold"] == 1).any()


@pytest.mark.slow
def test_kills_of_the_command_and_its_children_lose_nothing_that_was_finished(
    trains: list[str], tmp_path: Path
) -> None:
    directory, chance = tmp_path / "tiny_crossval" / "version_0", random.Random(0)
    finished: dict[Path, int] = {}
    status: int | None = None
    for attempt in range(60):
        words = ["--resume", str(directory)] if (directory / "crossval.json").exists() else trains
        command = [sys.executable, "-m", "atft", "crossval", *words, "--workers", "2"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
            # A child of every second start is killed first, then the command.
            for of_child in (attempt % 2 == 0, False):
                try:
                    process.wait(20 + 40 * chance.random())
                except subprocess.TimeoutExpired:
                    for victim in (children_of(process.pid) if of_child else [process.pid])[:1]:
                        os.kill(victim, signal.SIGKILL)
        status = process.returncode
        assert {path: path.stat().st_mtime_ns for path in finished} == finished  # none is trained again
        finished = {path: path.stat().st_mtime_ns for path in directory.glob("*/version_*/comparison.txt")}
        if status == 0:
            break
    assert status == 0 and len(finished) == 4
    frame = pl.read_parquet(directory / "predictions.parquet")
    assert frame["date"].n_unique() == 22
    assert frame.filter(pl.struct("date", "horizon", "code", "fold", "seed").is_duplicated()).is_empty()


def children_of(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text() if Path(f"/proc/{pid}").exists() else ""
    return [int(child) for child in text.split()]
