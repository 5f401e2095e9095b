"""A run on two processes is the run on one: every figure to 1e-6, every day once, every line and file once.

The processes are forked as torchrun would start them, over gloo; a resume goes from two ranks to one and three, and
from one to two, in the middle of an epoch.
"""

import json
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import pytest
import torch

from atft.callbacks.record.receipt import read_receipt
from ranks import Rank, run_ranks

MIDDLE = 7
"""Steps at which a checkpoint is kept: two of the second epoch's five."""


class Run(NamedTuple):
    ranks: list[Rank]
    directory: Path
    seen: list[Counter[tuple[Any, ...]]]
    """Of each rank: split, epoch, step and day, as often as the day went through the network."""

    @property
    def epoch(self) -> dict[str, float]:
        """Metrics of the last epoch."""
        last: dict[str, float] = json.loads((self.directory / "metrics.json").read_text())["epochs"][-1]
        return last

    @property
    def last(self) -> dict[str, Any]:
        content: dict[str, Any] = torch.load(self.directory / "last.ckpt")
        return content

    @property
    def all_seen(self) -> Counter[tuple[Any, ...]]:
        return sum(self.seen, Counter())


class Runs(NamedTuple):
    config: Path
    start: Callable[..., list[Rank]]
    one: Run
    two: Run
    two_then_one: Run
    two_then_three: Run
    one_then_two: Run


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, tiny_run: Any, tiny_config: Callable[..., Path]) -> Runs:
    """Dropout, quantiles, moments, weights of days and balanced terms: whatever is drawn, kept or summed."""
    folder = tmp_path_factory.mktemp("ranks")
    config = tiny_config(
        folder,
        tiny_run.panel,
        trainer__max_epochs=2,
        data__cache={"dir": str(tiny_run.folder / "cache")},
        data__loader={"lookback": 6, "block_days": 2, "batch_size": 100},
        model__network={
            "init_args": {"hidden_size": 8, "gat_layers": 1, "dropout": 0.1, "quantiles": [0.1, 0.5, 0.9]}
        },
        model__objective={
            "terms": {"ic": 0.3, "rank_ic": 0.3, "sharpe": 0.3, "pinball": 0.1},
            "gradient_shares": {"ic": 0.6, "pinball": 0.4},
            "recency_half_life_days": 40,
        },
    )

    def start(count: int, name: str, *words: object, callback: dict[str, Any] | None = None) -> list[Rank]:
        (folder / name).mkdir()
        seen = {
            "class_path": "rank_faults.Seen",
            "init_args": {"folder": str(folder / name), "middle": MIDDLE},
        }
        given = ["--name", name, "--trainer.callbacks", json.dumps([callback or seen]), *words]
        return run_ranks(count, folder / name, "fit", "--config", config, *given)

    def run(count: int, name: str, *words: object) -> Run:
        ranks = start(count, name, *words)
        assert [rank.code for rank in ranks] == [0] * count, ranks
        files = [folder / name / f"seen{rank}.json" for rank in range(count)]
        seen = [Counter(map(tuple, json.loads(file.read_text()))) for file in files]
        return Run(ranks, folder / "logs" / name / "version_0", seen)

    one, two = run(1, "one"), run(2, "two")
    of_one, of_two = (("--ckpt_path", folder / name / "middle.ckpt") for name in ("one", "two"))
    resident = ("--data.loader.residency", "device")  # each rank its own panel
    resumed = run(1, "two_one", *of_two), run(3, "two_three", *of_two, *resident), run(2, "one_two", *of_one)
    return Runs(config, start, one, two, *resumed)


def test_every_day_is_on_one_rank_once_an_epoch_and_in_the_step_of_one_process(runs: Runs) -> None:
    one, first, second = runs.one.all_seen, *runs.two.seen
    assert first + second == one and not first & second
    assert set(one.values()) == {1} and min(len(first), len(second)) > 20
    assert {key[:2] for key in one} == {(split, epoch) for split in ("train", "val") for epoch in (0, 1)}
    for run in (runs.one, runs.two):
        receipt = read_receipt(run.directory)
        assert all(c.planned == c.seen for c in (*receipt.rows.values(), *receipt.days.values()))


def same_figures(run: Run, other: Run, metrics: tuple[str, ...]) -> None:
    names = [n for n in run.epoch if n.startswith(metrics)]
    assert len(names) > 20 and run.epoch.keys() == other.epoch.keys()
    for name in names:
        assert other.epoch[name] == pytest.approx(run.epoch[name], abs=1e-6, rel=1e-6, nan_ok=True), name
    ours, theirs = run.last, other.last
    for name, value in ours["state_dict"].items():
        # A shift of all scores changes no loss: its gradient is rounding, which AdamW scales up.
        if name == "network.heads.score.bias":
            continue
        torch.testing.assert_close(theirs["state_dict"][name], value, rtol=1e-5, atol=1e-6, msg=name)
    for entry in ("balanced", "measured"):
        known = {n: v for n, v in ours["atft"][entry].items() if not n.startswith(("train", "speed"))}
        assert theirs["atft"][entry] | known == pytest.approx(
            theirs["atft"][entry], abs=1e-6, rel=1e-5, nan_ok=True
        )
    for horizon, widths in ours["atft"]["interval_widths"].items():
        assert theirs["atft"]["interval_widths"][horizon] == pytest.approx(widths, abs=1e-5)


def test_two_processes_have_the_losses_metrics_moments_and_weights_of_one(runs: Runs) -> None:
    same_figures(runs.one, runs.two, ("train/", "val/"))
    state = runs.two.last["state_dict"]
    # 28 training days with a book, of which the last epoch's labels are all known, twice.
    assert state["objective.moments.days"].min() > 50
    assert runs.one.last["global_step"] == runs.two.last["global_step"] == 10
    assert runs.two.last["atft"]["balanced"]["ic"] != 0.3
    assert runs.two.last["atft"]["interval_widths"]["1"]


@pytest.mark.parametrize("name", ["two_then_one", "two_then_three", "one_then_two"])
def test_a_run_resumed_inside_an_epoch_on_other_ranks_ends_as_if_uninterrupted(runs: Runs, name: str) -> None:
    resumed: Run = getattr(runs, name)
    rest = Counter({key: n for key, n in runs.one.all_seen.items() if key[1] == 1 and key[2] >= MIDDLE})
    assert resumed.all_seen == rest
    # The receipt counts what was trained before the resume too.
    assert read_receipt(resumed.directory).rows == read_receipt(runs.one.directory).rows
    same_figures(runs.one, resumed, ("val/",))


def test_lines_and_files_come_from_the_first_rank_alone(runs: Runs) -> None:
    (alone,), (first, second) = runs.one.ranks, runs.two.ranks
    assert (second.out, second.err) == ("", "")
    assert first.out.count("training  2 epochs of about 5 steps on 2 x cpu") == 1
    assert first.out.count("random 95 %") == 2 and first.err.count("epoch   2/2") == 1
    # On one core a line says that two processes share it.
    lines = [line for line in first.out.splitlines() if not line.startswith("cores ")]
    assert len(lines) == len(alone.out.splitlines())
    assert [path.name for path in runs.two.directory.parent.iterdir()] == ["version_0"]
    both = (runs.one, runs.two)
    names = [{path.name for path in run.directory.iterdir() if "tfevents" not in path.name} for run in both]
    assert names[0] == names[1] and "receipt.json" in names[0]
    assert read_receipt(runs.two.directory).status == "completed"
    level = pl.col("score") - pl.col("score").mean().over("date", "horizon")  # see same_figures
    ours, theirs = (
        pl.read_parquet(run.directory / "predictions.parquet").with_columns(level=level) for run in both
    )
    keys = ["date", "code", "horizon"]
    assert ours.select(keys).equals(theirs.select(keys))
    assert (ours["level"] - theirs["level"]).abs().max() < 1e-5


def test_a_killed_process_ends_the_others_with_a_line_and_a_receipt(runs: Runs) -> None:
    killed = {"rank": 1, "step": 3, "number": int(signal.SIGKILL)}
    fault = {"class_path": "rank_faults.Signalled", "init_args": killed}
    first, dead, last = runs.start(3, "killed", callback=fault)
    assert dead.code == -signal.SIGKILL and (first.code, last.code) == (1, 1)
    for rank in (first, last):
        (line,) = rank.err.strip().splitlines()
        assert line.startswith("atft: error: the connection to another of 3 processes broke (")
        assert line.endswith("ckpt_path resumes from the run's last.ckpt, if an epoch was finished")
        assert "third_party" not in line and len(line) < 250
    directory = runs.one.directory.parents[1] / "killed" / "version_0"
    receipt = read_receipt(directory)
    assert receipt.status == "failed" and receipt.reason.startswith("LostProcess: ")


def test_a_guard_ends_all_processes_at_the_same_step_and_one_of_them_says_so(runs: Runs) -> None:
    fault = {"class_path": "rank_faults.Poisoned", "init_args": {"rank": 1, "step": 3}}
    first, second = runs.start(2, "poisoned", callback=fault)
    assert (first.code, second.code) == (1, 1) and second.err == ""
    assert "step 4" in first.err.strip().splitlines()[-1]


LAUNCHERS = {
    "lightning": ["-m", "atft", "fit", "--trainer.devices", "2", "--trainer.strategy", "ddp"],
    "torchrun": ["-m", "torch.distributed.run", "--nproc_per_node", "2", "-m", "atft", "fit"],
}


def launch(launcher: str, runs: Runs, folder: Path, *words: object) -> tuple[int, list[str], Path]:
    """Status, lines of errors and directory of a run that a launcher starts."""
    given = ["--config", runs.config, "--name", launcher, "--trainer.default_root_dir", folder, *words]
    command = [str(word) for word in (sys.executable, *LAUNCHERS[launcher], *given)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    lines = [line for line in done.stderr.splitlines() if line.startswith("atft: error: ")]
    return done.returncode, lines, folder / launcher / "version_0"


@pytest.mark.slow
@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_both_launchers_give_the_run_of_one_process(launcher: str, runs: Runs, tmp_path: Path) -> None:
    code, lines, directory = launch(launcher, runs, tmp_path)
    assert (code, lines) == (0, [])
    same_figures(runs.one, Run([], directory, []), ("train/", "val/"))


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_a_process_of_lightnings_launcher_that_is_killed_ends_the_other(
    rank: int, runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    support = str(Path(__file__).parent / "support")
    monkeypatch.setenv("PYTHONPATH", f"{Path(__file__).parents[1]}:{support}")
    fault = {"rank": rank, "step": 3, "number": int(signal.SIGKILL)}
    callback = json.dumps([{"class_path": "rank_faults.Signalled", "init_args": fault}])
    code, lines, directory = launch("lightning", runs, tmp_path, "--trainer.callbacks", callback)
    (line,) = lines
    if rank == 1:
        assert code == 1 and read_receipt(directory).status == "failed"
        assert "process 2 of 2 was ended by SIGKILL, as by a machine that runs out of memory" in line
    else:
        assert code == -signal.SIGKILL
        assert "the connection to another of 2 processes broke" in line
