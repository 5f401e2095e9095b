"""The best point as a config that can be trained."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
import yaml

from atft.callbacks.record.receipt import Receipt, write_receipt
from atft.commands.train import build
from atft.errors import InputError
from atft.files.digest import text_digest
from atft.files.publish import publish_text
from atft.search.question.config import trial_config
from atft.search.question.options import SweepOptions, read_sweep
from atft.search.show.best import run
from atft.search.study.storage import open_storage

MakeStudy = Callable[..., optuna.Study]


@pytest.fixture
def sweep_file(
    write_sweep: Callable[..., Path],
    make_sweep: Callable[..., SweepOptions],
    make_study: MakeStudy,
    own_config: Path,
) -> Callable[..., Path]:
    def make(**trials: Any) -> Path:
        sweep = make_sweep()
        study = make_study(storage=open_storage(sweep), **trials)
        for trial in study.trials:  # what each trial trained with
            directory = Path(sweep.root) / trial.user_attrs["directory"]
            text = build("fit", trial_config(sweep, trial.params)).config_text
            publish_text(directory / "config.yaml", text)
        return write_sweep()

    return make


def test_the_written_config_trains_with_the_best_point(
    sweep_file: Callable[..., Path], atft: Callable[..., Any], tmp_path: Path
) -> None:
    out = tmp_path / "best.yaml"
    assert run(["--config", str(sweep_file(values=[0.01, 0.03, 0.02])), "--out", str(out)]) == 0
    config = yaml.safe_load(out.read_text())
    assert config["model"]["optimizer"]["init_args"]["lr"] == pytest.approx(0.002)
    assert config["model"]["network"]["init_args"]["hidden_size"] == 8
    assert config["data"]["loader"]["batch_size"] == 60
    assert config["trainer"]["max_epochs"] == 2
    assert config["name"] == "small-best"
    head = out.read_text()
    assert "Trial 1 of study small, the best of 3" in head and f"fit --config {out}" in head
    assert atft("fit", "--config", out).code == 0
    assert (tmp_path / "logs" / "small-best" / "version_0" / "comparison.txt").is_file()


def test_the_config_is_the_trials_own_whatever_became_of_the_base_since(
    sweep_file: Callable[..., Path], tiny_config: Callable[..., Path], tmp_path: Path
) -> None:
    path, out = sweep_file(values=[0.01]), tmp_path / "best.yaml"
    tiny_config(tmp_path, tmp_path / "panel.parquet", model__gradient_clip=0.01)
    assert run(["--config", str(path), "--out", str(out)]) == 0
    trained = yaml.safe_load((tmp_path / "logs" / "small" / "trial_0" / "config.yaml").read_text())
    assert trained["model"]["gradient_clip"] == 1.0
    assert yaml.safe_load(out.read_text()) == {**trained, "name": "small-best"}


def test_the_trial_of_another_machine_is_named(sweep_file: Callable[..., Path], tmp_path: Path) -> None:
    path = sweep_file(values=[0.01])
    (tmp_path / "logs" / "small" / "trial_0" / "config.yaml").unlink()
    with pytest.raises(
        InputError, match=r"config.yaml: no such file; run this on the machine that trained trial 0"
    ):
        run(["--config", str(path)])


def test_a_config_that_is_not_what_the_trial_trained_with_is_an_error(
    sweep_file: Callable[..., Path], tmp_path: Path
) -> None:
    path, folder = sweep_file(values=[0.01]), tmp_path / "logs" / "small" / "trial_0"
    config = folder / "config.yaml"
    receipt = Receipt(run=str(folder), digests={"config": text_digest(config.read_bytes())})
    write_receipt(receipt, folder)
    assert run(["--config", str(path)]) == 0
    config.write_bytes(config.read_bytes()[:300])  # what is cut off would be the defaults
    with pytest.raises(InputError, match=r"config.yaml: edited or damaged since trial 0 .*; put it back"):
        run(["--config", str(path)])


def test_without_a_file_the_config_is_printed(
    sweep_file: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["--config", str(sweep_file(values=[0.01]))]) == 0
    shown = capsys.readouterr().out
    assert yaml.safe_load(shown)["model"]["network"]["init_args"]["hidden_size"] == 4
    assert "says nothing about how much" in shown


def test_without_a_complete_trial_there_is_no_best_one(
    sweep_file: Callable[..., Path], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out = tmp_path / "best.yaml"
    assert run(["--config", str(sweep_file(pruned=2)), "--out", str(out)]) == 1
    assert "no trial is complete" in capsys.readouterr().out and not out.exists()


def test_neither_the_sweep_nor_its_base_is_replaced(sweep_file: Callable[..., Path]) -> None:
    path = sweep_file(values=[0.1])
    base = read_sweep(path).base
    for out in (str(path), base):
        before = Path(out).read_bytes()
        with pytest.raises(InputError, match="this command reads that file; name another one"):
            run(["--config", str(path), "--out", out])
        assert Path(out).read_bytes() == before


def test_a_folder_that_is_not_there_is_an_error(sweep_file: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no folder .*nowhere; make it first"):
        run(["--config", str(sweep_file(values=[0.1])), "--out", str(tmp_path / "nowhere" / "best.yaml")])
