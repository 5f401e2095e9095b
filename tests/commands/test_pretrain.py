"""python -m atft pretrain: weights that no later day has changed, which fit begins with."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import pytest
import torch

from atft.commands.train import build
from atft.errors import InputError
from atft.files.checkpoint_file import read_checkpoint
from atft.tasks.checkpoint_task import task_arguments
from atft.tasks.initial_weights import load_initial_weights


class Pretrained(NamedTuple):
    """A pretraining of the tiny configuration."""

    directory: Path
    printed: Any

    @property
    def file(self) -> Path:
        return self.directory / "pretrained.ckpt"


def pretrain(tiny_run: Any, atft: Callable[..., Any], folder: Path, *words: Any) -> Pretrained:
    printed = atft(
        "pretrain",
        *(
            "--config",
            tiny_run.config,
            "--trainer.default_root_dir",
            folder,
            "--trainer.max_epochs",
            1,
            *words,
        ),
    )
    assert printed.code == 0, printed
    return Pretrained(folder / "tiny_pretrain" / "version_0", printed)


@pytest.fixture(scope="module")
def pretrained(
    tiny_run: Any, atft: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory
) -> Pretrained:
    return pretrain(tiny_run, atft, tmp_path_factory.mktemp("pretrained"))


def test_it_leaves_a_run_with_its_figures_and_says_how_to_go_on(pretrained: Pretrained) -> None:
    assert {"config.yaml", "metrics.json", "pretrained.ckpt", "receipt.json", "run.log"} < {
        path.name for path in pretrained.directory.iterdir()
    }
    assert not list(pretrained.directory.glob("best_model.ckpt")) + list(
        pretrained.directory.glob("last.ckpt")
    )
    receipt = json.loads((pretrained.directory / "receipt.json").read_text())
    assert receipt["status"] == "completed" and receipt["missing"] == []
    assert receipt["days"]["train"]["seen"] == receipt["days"]["train"]["planned"] > 0
    assert receipt["days"]["val"] == {"planned": 0, "seen": 0}
    assert receipt["metrics"].keys() == {"train/explained", "train/explained_rows"}
    (epoch,) = json.loads((pretrained.directory / "metrics.json").read_text())["epochs"]
    assert epoch["train/loss"] > 0 and not any(name.startswith("val/") for name in epoch)
    assert "days      pretrain " in pretrained.printed.out and " val " not in pretrained.printed.out
    assert f"fit --init_from {pretrained.file} begins with these weights" in pretrained.printed.out
    assert "train/explained" in pretrained.printed.err


def test_the_days_after_training_change_no_bit_of_the_weights(
    pretrained: Pretrained, tiny_run: Any, atft: Callable[..., Any], tmp_path: Path
) -> None:
    cli = build("pretrain", ["--config", str(tiny_run.config)])
    dates = cli.datamodule.open_cache().manifest.dates
    last = dates[cli.datamodule.pretraining_days()[-1]]
    frame = pl.read_parquet(tiny_run.panel)
    past, later = frame.filter(pl.col("date") <= last), frame.filter(pl.col("date") > last)
    numbers = [
        name for name, kind in frame.schema.items() if kind == pl.Float32 and name != "regime_volatility"
    ]
    assert later["date"].n_unique() > 20
    scrambled = later.with_columns(pl.col(numbers).shuffle(seed=1), pl.col("universe").shuffle(seed=2))
    # Targets of the past, which reach into those days, are changed with them.
    targets = [name for name in numbers if name.startswith("target")]
    past = past.with_columns(pl.col(targets).shuffle(seed=3))
    panel = tmp_path / "scrambled.parquet"
    pl.concat([past, scrambled]).write_parquet(panel)
    words = ("--data.panel.path", panel, "--data.cache.dir", tmp_path / "cache")
    other = pretrain(tiny_run, atft, tmp_path, *words)
    weights, others = (read_checkpoint(run.file)["state_dict"] for run in (pretrained, other))
    assert weights.keys() == others.keys() and all(torch.equal(weights[n], others[n]) for n in weights)
    receipts = [
        json.loads((r.directory / "receipt.json").read_text())["metrics"] for r in (pretrained, other)
    ]
    assert receipts[0] == receipts[1]


def test_fit_begins_with_its_weights_and_new_heads(pretrained: Pretrained, tiny_run: Any) -> None:
    weights = read_checkpoint(pretrained.file)["state_dict"]
    words = ["--config", str(tiny_run.config), "--seed_everything", "9"]
    cli = build("fit", words)
    before = {name: weight.clone() for name, weight in cli.model.network.state_dict().items()}
    load_initial_weights(cli.model, pretrained.file, cli.datamodule)
    after = cli.model.network.state_dict()
    heads = {name for name in before if name.startswith("heads.")}
    assert heads and weights.keys() == {f"network.{name}" for name in before.keys() - heads}
    assert all(torch.equal(after[name], before[name]) for name in heads)
    assert all(torch.equal(after[name], weights[f"network.{name}"]) for name in before.keys() - heads)
    # Other horizons need other heads, and nothing else.
    one = build("fit", [*words, "--model.horizons", "[5]"])
    load_initial_weights(one.model, pretrained.file, one.datamodule)
    assert torch.equal(one.model.network.selection.value, weights["network.selection.value"])


def test_a_network_of_other_parts_or_a_run_that_scores_earlier_days_cannot_begin_with_it(
    pretrained: Pretrained, tiny_run: Any
) -> None:
    words = ["--config", str(tiny_run.config)]
    without = build("fit", [*words, "--model.network.window_norm", "revin"])
    with pytest.raises(InputError, match="its network has other sizes"):
        load_initial_weights(without.model, pretrained.file, without.datamodule)
    dates = ("train", "[2015-01-05, 2015-02-06]"), ("val", "[2015-02-09, 2015-03-10]")
    earlier = build("fit", [*words, *(w for n, d in dates for w in (f"--data.split.{n}", d))])
    line = r"pretrained on days to 2015-02-\d\d, this run scores days from 2015-02-\d\d; pretrain with its"
    with pytest.raises(InputError, match=line):
        load_initial_weights(earlier.model, pretrained.file, earlier.datamodule)


def test_it_scores_nothing(pretrained: Pretrained, tiny_run: Any, atft: Callable[..., Any]) -> None:
    line = f"{pretrained.file}: pretrained only, its heads were not trained; train with fit --init_from it"
    assert atft("predict", "--ckpt_path", pretrained.file).error_line == line
    words = ("--config", tiny_run.config, "--ckpt_path", pretrained.file)
    assert atft("fit", *words).error_line == line
    assert atft("test", *words).error_line == line.replace(str(pretrained.file), "checkpoint")
    with pytest.raises(InputError, match="pretrained only"):
        task_arguments(read_checkpoint(pretrained.file), str(pretrained.file))


def test_the_number_of_the_fold_may_stand_in_the_path(tiny_run: Any, tmp_path: Path) -> None:
    words = ["--config", str(tiny_run.config), "--data.split.fold", "1", "--data.split.folds.every", "12"]
    cli = build("fit", words)
    for path, place in ((tmp_path / "version_{fold}.ckpt", "version_1"), (tmp_path / "0.ckpt", "0")):
        with pytest.raises(InputError, match=rf"{place}.ckpt: no such file"):
            load_initial_weights(cli.model, path, cli.datamodule)


def test_what_it_cannot_serve_is_one_line(tiny_run: Any, atft: Callable[..., Any], tmp_path: Path) -> None:
    words = ("--config", tiny_run.config, "--trainer.default_root_dir", tmp_path)
    assert "set a number of epochs" in atft("pretrain", *words, "--trainer.max_epochs", -1).error_line
    assert "leave ckpt_path out" in atft("pretrain", *words, "--ckpt_path", "last").error_line
    assert "hide_features must be from" in atft("pretrain", *words, "--model.hide_features", 2).error_line
    still = ("--model.optimizer.class_path", "tests.optim.test_trial_step.Still")
    for command in ("pretrain", "fit"):
        assert "Still.step() changes no weight" in atft(command, *words, *still).error_line
    for key, value in (
        ("--model.objective.terms", "{ic: 1}"),
        ("--checkpoint.select", "last"),
        ("--baselines", "[]"),
    ):
        assert (
            atft("pretrain", *words, key, value).error_line == f"{key} is not read by pretrain; leave it out"
        )
    assert (
        atft("pretrain").error_line
        == "pretrain needs --config FILE, such as --config quickstart, or --prices PATH"
    )
    assert not list(tmp_path.iterdir())
