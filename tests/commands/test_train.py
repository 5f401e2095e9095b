"""fit, validate, test, predict: configs that merge, keys that override, checkpoints that carry everything."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import yaml

from atft.callbacks.record.receipt import read_receipt


def test_several_configs_merge_and_the_later_one_and_the_command_line_win(
    tiny_run: Any, atft: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "more.yaml").write_text("name: more\nmodel: {network: {dropout: 0.3, gat_dropout: 0.4}}\n")
    given = [
        "--config",
        tiny_run.config,
        "--config",
        tmp_path / "more.yaml",
        "--model.network.gat_dropout=0.5",
    ]
    printed = atft("fit", *given, "--print_config")
    assert printed.code == 0
    config = yaml.safe_load(printed.out)
    network = config["model"]["network"]["init_args"]
    assert (config["name"], network["dropout"], network["gat_dropout"]) == ("more", 0.3, 0.5)
    assert network["hidden_size"] == 8


def test_the_command_line_wins_over_files_that_stand_behind_it(
    tiny_run: Any, atft: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "more.yaml").write_text("name: more\nmodel: {network: {dropout: 0.3}}\n")
    before = ["--model.network.dropout", 0.5, "--name=word", "--model.network", "atft.nn.tabm.TabM"]
    printed = atft(
        "fit", *before, "--config", tiny_run.config, "-c", tmp_path / "more.yaml", "--print_config"
    )
    config = yaml.safe_load(printed.out)
    network = config["model"]["network"]
    assert (config["name"], network["class_path"], network["init_args"]["dropout"]) == (
        "word",
        "atft.nn.tabm.TabM",
        0.5,
    )


def test_print_config_reads_the_footer_and_builds_nothing(
    own_config: Path, atft: Callable[..., Any], tmp_path: Path
) -> None:
    assert atft("fit", "--config", own_config, "--print_config").code == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["panel.parquet", "tiny.yaml"]


def test_print_config_of_a_simulated_market_simulates_nothing(
    atft: Callable[..., Any], tmp_path: Path
) -> None:
    config = Path(__file__).parent.parent.parent / "configs" / "quickstart.yaml"
    assert atft("fit", "--config", config, "--data.cache.dir", tmp_path, "--print_config").code == 0
    assert list(tmp_path.iterdir()) == []


def test_the_printed_config_parses_to_itself(tiny_run: Any, atft: Callable[..., Any], tmp_path: Path) -> None:
    first = atft("fit", "--config", tiny_run.config, "--print_config").out
    (tmp_path / "printed.yaml").write_text(first)
    assert atft("fit", "--config", tmp_path / "printed.yaml", "--print_config").out == first


def test_the_config_of_a_run_runs_again_to_the_same_weights(
    tiny_run: Any, atft: Callable[..., Any], tmp_path: Path
) -> None:
    again = ["--config", tiny_run.directory / "config.yaml", "--trainer.default_root_dir", tmp_path]
    assert atft("fit", *again).code == 0
    one, other = (
        torch.load(run / "last.ckpt")["state_dict"]
        for run in (tiny_run.directory, tmp_path / "tiny" / "version_0")
    )
    assert all(torch.equal(one[n], other[n]) for n in one)


def test_a_swapped_optimiser_has_its_own_defaults(tiny_run: Any, atft: Callable[..., Any]) -> None:
    swapped = ["--model.optimizer", "atft.optim.adabelief.AdaBelief"]
    printed = atft("fit", "--config", tiny_run.config, *swapped, "--print_config").out
    options = yaml.safe_load(printed)["model"]["optimizer"]["init_args"]
    assert options["eps"] == 1e-16 and options["weight_decay"] == 0.0 and options["lr"] == 0.01


def test_a_config_may_name_the_home_folder(
    tiny_config: Callable[..., Path],
    tiny_run: Any,
    atft: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    config = tiny_config(tmp_path, tiny_run.panel, trainer__default_root_dir="~/logs", baselines=[])
    assert atft("fit", "--config", config, "--data.cache.dir=~/cache", "--trainer.max_epochs", 1).code == 0
    assert (tmp_path / "home" / "logs" / "tiny" / "version_0" / "predictions.parquet").is_file()
    assert (tmp_path / "home" / "cache").is_dir() and not Path("~").exists()


def test_a_fit_whose_reader_has_left_trains_to_its_end(own_config: Path) -> None:
    words = [sys.executable, "-m", "atft", "fit", "--config", str(own_config), "--trainer.max_epochs", "1"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        process.stdout.close()
    assert process.returncode == 0
    run = own_config.parent / "logs" / "tiny" / "version_0"
    assert read_receipt(run).status == "completed" and (run / "comparison.txt").is_file()
    assert "epoch" in (run / "run.log").read_text()


def test_a_run_of_the_same_name_gets_the_next_version(
    tiny_run: Any, atft: Callable[..., Any], tmp_path: Path
) -> None:
    quick = ["--trainer.default_root_dir", tmp_path, "--trainer.max_epochs", "1", "--name", "twice"]
    (tmp_path / "twice" / "version_7").mkdir(parents=True)
    assert atft("fit", "--config", tiny_run.config, *quick).code == 0
    assert (tmp_path / "twice" / "version_8" / "receipt.json").is_file()
    assert list((tmp_path / "twice" / "version_7").iterdir()) == []


def test_last_is_the_newest_checkpoint_of_the_name(tiny_run: Any, atft: Callable[..., Any]) -> None:
    last = atft("validate", "--config", tiny_run.config, "--ckpt_path=last")
    named = atft("validate", "--config", tiny_run.config, "--ckpt_path", tiny_run.directory / "last.ckpt")
    assert last.code == 0 and last.out == named.out


def test_validating_a_checkpoint_gives_what_its_run_said(tiny_run: Any, atft: Callable[..., Any]) -> None:
    import json

    outcome = atft("validate", *tiny_run.best)
    said = dict(line.split() for line in outcome.out.splitlines())
    epochs = json.loads((tiny_run.directory / "metrics.json").read_text())["epochs"]
    best = max(epochs, key=lambda e: e["val/rank_ic"])
    assert {n for n in best if n.startswith("val/")} == set(said)
    assert all(abs(float(v) - best[n]) < 1e-3 * max(1, abs(best[n])) for n, v in said.items())


def test_the_test_days_are_measured_with_a_checkpoint(tiny_run: Any, atft: Callable[..., Any]) -> None:
    outcome = atft("test", *tiny_run.best)
    assert outcome.code == 0 and "test/rank_ic_5d" in outcome.out


def test_a_checkpoint_alone_leaves_no_file_behind(
    tiny_run: Any, atft: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tempfile

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert atft("validate", *tiny_run.best).code == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_two_processes_measure_what_one_does(tiny_run: Any) -> None:
    import subprocess
    import sys

    said = []
    for extra in ([], ["--trainer.strategy", "ddp", "--trainer.devices", "2"]):
        words = [sys.executable, "-m", "atft", "validate", *tiny_run.best, *extra]
        done = subprocess.run(words, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-2000:]
        said.append(done.stdout)
    assert said[0] == said[1]


def test_a_loader_worker_that_dies_while_a_step_trains_is_one_line(
    atft: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    import atft.commands.train as train

    def killed(cli: Any) -> int:
        raise RuntimeError("DataLoader worker (pid 3) is killed by signal: Killed. ")

    built = SimpleNamespace(trainer=SimpleNamespace(is_global_zero=True))
    monkeypatch.setattr(train, "build", lambda *_: built)
    monkeypatch.setattr(train, "fit", killed)
    assert "data.loader: a worker has died (DataLoader worker (pid 3) is killed" in atft("fit").error_line
