"""A run prints at its start what it trains on, for how long, where it writes and how to watch it."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from atft.commands.start_lines import start_lines
from atft.commands.train import build


def test_the_first_lines_are_those_of_the_log_and_agree_with_receipt_and_config(tiny_run: Any) -> None:
    printed = tiny_run.printed.out.splitlines()[:5]
    assert (tiny_run.directory / "run.log").read_text().splitlines()[:5] == printed
    lines = {line.split()[0]: line[10:] for line in printed}
    assert list(lines) == ["panel", "days", "training", "run", "watch"]
    config = yaml.safe_load((tiny_run.directory / "config.yaml").read_text())
    receipt = yaml.safe_load((tiny_run.directory / "receipt.json").read_text())
    assert re.fullmatch(
        rf"{config['data']['panel']['path']}, 20 stocks, 2015-01-05 to 2015-04-\d\d, 6 features",
        lines["panel"],
    )
    for split in ("train", "val"):
        days, rows = receipt["days"][split]["planned"], receipt["rows"][split]["planned"]
        assert f"{split} {days:,} ({rows:,} stock-days)" in lines["days"]
    assert re.search(r"test \d+ \(\d+ stock-days\)", lines["days"])
    epochs = config["trainer"]["max_epochs"]
    steps = re.fullmatch(rf"{epochs} epochs of about (\d+) steps on cpu, 32-true", lines["training"])
    assert steps and abs(int(steps[1]) * epochs - receipt["steps"]) <= epochs
    assert lines["run"] == str(tiny_run.directory)
    assert lines["watch"] == f"tensorboard --logdir {tiny_run.directory.parent}"


@pytest.mark.parametrize(("epochs", "named"), [("null", "1,000 epochs"), ("-1", "epochs without a limit")])
def test_the_number_of_epochs_is_the_one_that_the_run_has(tiny_run: Any, epochs: str, named: str) -> None:
    cli = build("fit", ["--config", str(tiny_run.config), "--trainer.max_epochs", epochs])
    (training,) = (line for line in start_lines(cli) if line.startswith("training"))
    assert training.startswith(f"training  {named} of about ")


@pytest.mark.parametrize(("epochs", "stops"), [("11", False), ("12", True), ("-1", True)])
def test_what_stops_training_early_is_said_where_the_epochs_suffice_for_it(
    tiny_run: Any, epochs: str, stops: bool
) -> None:
    options = ["--trainer.max_epochs", epochs, "--checkpoint.select=last", "--early_stopping.patience=10"]
    cli = build("fit", ["--config", str(tiny_run.config), *options])
    (weights,) = (line for line in start_lines(cli) if line.startswith("weights"))
    assert ("for 10 epochs" in weights) == stops, weights


def test_a_simulated_market_no_logger_and_a_resume_are_named(
    tiny_run: Any, atft: Callable[..., Any], tmp_path: Path
) -> None:
    market = "{stocks: 20, days: 80, features: 18, seed: 7}"
    words = ["--data.panel.path", "null", "--data.panel.simulate", market, "--trainer.max_epochs", "1"]
    words += [
        "--data.cache.dir",
        tmp_path / "cache",
        "--trainer.default_root_dir",
        tmp_path,
        "--data.split.test",
        "null",
    ]
    words += ["--trainer.logger", "false"]
    first = atft("fit", "--config", tiny_run.config, *words)
    assert first.code == 0, first
    run = tmp_path / "tiny" / "version_0"
    assert (
        first.out.startswith("panel     simulated market (seed 7), ")
        and "test" not in first.out.splitlines()[1]
    )
    assert f"watch     tail -f {run / 'run.log'}\n" in first.out
    again = atft(
        "fit",
        "--config",
        tiny_run.config,
        *words,
        "--trainer.max_epochs",
        "2",
        "--ckpt_path",
        "last",
    )
    assert f"from      {run / 'last.ckpt'}\n" in again.out


def test_more_processes_than_cores_are_named(tiny_run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.set_num_threads", lambda _: None)  # those of this process stay

    def named(devices: int, cores: int) -> list[str]:
        monkeypatch.setattr("atft.commands.start_lines.core_count", lambda: cores)
        cli = build("fit", ["--config", str(tiny_run.config), "--trainer.devices", str(devices)])
        return [line for line in start_lines(cli) if line.startswith("cores")]

    assert named(2, 1) == ["cores     2 processes share 1 core; start at most one a core"]
    assert named(3, 2) == ["cores     3 processes share 2 cores; start at most one a core"]
    assert named(2, 2) == named(1, 1) == []


def test_last_names_the_later_versions_that_it_passes_over(tiny_run: Any, tmp_path: Path) -> None:
    words = ["--config", str(tiny_run.config), "--trainer.default_root_dir", str(tmp_path)]
    runs = [tmp_path / "tiny" / f"version_{number}" for number in (0, 9, 10)]
    for run in runs:
        run.mkdir(parents=True)

    def named(asked: str) -> str:
        cli = build("fit", [*words, "--ckpt_path", asked])
        cli.record.receipt.resumed_from = str(runs[0] / "last.ckpt")
        (line,) = (line for line in start_lines(cli) if line.startswith("from"))
        return line.removeprefix(f"from      {runs[0] / 'last.ckpt'}")

    assert named("last") == "; no last.ckpt in the later version_9, version_10"
    assert named(str(runs[0] / "last.ckpt")) == ""
