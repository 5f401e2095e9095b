"""A network from a user's own installed package is trained, swept, predicted and resumed by the same commands."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from atft.search.question.frozen import identify
from atft.search.question.options import sweep_of
from atft.search.study.study import begin_study
from atft.search.trial.run import run_trial

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*LeafSpec.*", "ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning"),
]

PROJECT = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[project]
name = "alpha-lab"
version = "0.1"
[tool.setuptools]
packages = ["alpha_lab"]
"""
NETWORK = '''
"""Networks of a user's own."""

from torch import nn

from atft.batch import DayBatch, Forecast
from atft.network import NetworkInputs
from atft.nn.ranking_network import RankingNetwork


class Momentum(RankingNetwork):
    """A perceptron on the mean of each stock's last rows.

    Args:
        inputs: names of the columns, and horizons.
        width: of the hidden layer.
        rows: days that are averaged.
    """

    def __init__(self, inputs: NetworkInputs, width: int = 16, rows: int = 3) -> None:
        super().__init__(inputs)
        self.rows = rows
        self.hidden = nn.Linear(len(inputs.features), width)
        self.score = nn.Linear(width, len(inputs.horizons))

    def forward(self, batch: DayBatch) -> Forecast:
        scaled = self.scaling(batch.features, batch.observed)
        days = batch.universe.shape[0]
        mean = sum(scaled[len(scaled) - days - ago : len(scaled) - ago] for ago in range(self.rows)) / self.rows
        return Forecast(self.score(self.hidden(mean).tanh()))
'''
CLASS = "alpha_lab.networks.Momentum"
WIDTH = "model.network.init_args.width"


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build and install a package as its author would: the folder that it is installed in."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("installed")
    (source / "pyproject.toml").write_text(PROJECT)
    (source / "alpha_lab").mkdir()
    (source / "alpha_lab" / "__init__.py").touch()
    (source / "alpha_lab" / "networks.py").write_text(NETWORK)
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*install, "--target", str(target), str(source)], check=True)
    return target


@pytest.fixture
def use_package(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(package))


@pytest.fixture
def config(tiny_run: Any, tmp_path: Path) -> Path:
    """The small run's config with the package's network, in a folder of its own."""
    content = json.loads(tiny_run.config.read_text())
    content["trainer"] |= {"default_root_dir": str(tmp_path / "logs")}
    content["model"]["network"] = {"class_path": CLASS, "init_args": {"width": 8}}
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.mark.usefixtures("use_package")
def test_it_trains_predicts_and_tests(atft: Callable[..., Any], config: Path, tmp_path: Path) -> None:
    phases = [{"name": "one", "epochs": 1}, {"name": "score", "epochs": 1, "train": ["score"]}]
    outcome = atft("fit", "--config", config, "--curriculum.phases", json.dumps(phases))
    assert outcome.code == 0, outcome
    (run,) = (tmp_path / "logs" / "tiny").iterdir()
    text = (run / "config.yaml").read_text()
    assert yaml.safe_load(text)["model"]["network"] == {
        "class_path": CLASS,
        "init_args": {"width": 8, "rows": 3},
    }
    best = run / "best_model.ckpt"
    again = tmp_path / "again.parquet"
    named = ["--model.network", CLASS, "--data.cache.dir", tmp_path / "cache"]
    assert atft("predict", "--ckpt_path", best, *named, "--out", again).code == 0
    keys = ["date", "code", "horizon", "score"]
    ours, theirs = (pl.read_parquet(p).select(keys) for p in (again, run / "predictions.parquet"))
    assert ours.equals(theirs)
    assert atft("test", "--config", run / "config.yaml", "--ckpt_path", best).code == 0


@pytest.mark.usefixtures("use_package")
def test_its_checkpoint_imports_it_only_where_the_user_names_it(
    atft: Callable[..., Any], config: Path, tmp_path: Path
) -> None:
    assert atft("fit", "--config", config, "--trainer.max_epochs", "1").code == 0
    (run,) = (tmp_path / "logs" / "tiny").iterdir()
    line = atft("validate", "--ckpt_path", run / "best_model.ckpt").error_line
    assert f"may not import; if you trust it, add --model.network {CLASS}" in line


@pytest.mark.usefixtures("use_package")
@pytest.mark.parametrize(
    ("network", "message"),
    [
        ({"class_path": CLASS, "init_args": {"wdth": 3}}, "did you mean 'model.network.init_args.width'"),
        ({"class_path": "alpha_lab.networks.Momentm"}, "no class 'alpha_lab.networks.Momentm'"),
        ({"class_path": "torch.nn.Identity"}, "torch.nn.modules.linear.Identity has no horizons"),
        ({"class_path": CLASS, "init_args": {"width": -1}}, "Momentum: Trying to create tensor with"),
    ],
)
def test_what_cannot_be_built_is_one_line(
    atft: Callable[..., Any], config: Path, network: dict[str, Any], message: str
) -> None:
    content = yaml.safe_load(config.read_text())
    content["model"]["network"] = network
    config.write_text(yaml.safe_dump(content))
    assert message in atft("fit", "--config", config).error_line


@pytest.mark.usefixtures("use_package")
def test_it_is_swept(config: Path, tmp_path: Path) -> None:
    plain = {"study": "own", "base": str(config), "root": str(tmp_path / "studies"), "limits": {"epochs": 1}}
    sweep = sweep_of({**plain, "space": {WIDTH: {"type": "int", "low": 4, "high": 8}}})
    study = begin_study(sweep, identify(sweep))
    study.enqueue_trial({WIDTH: 5})
    study.optimize(lambda trial: run_trial(sweep, trial, [], lambda: False), n_trials=1)
    trial = yaml.safe_load((tmp_path / "studies" / "own" / "trial_0" / "config.yaml").read_text())
    assert trial["model"]["network"] == {"class_path": CLASS, "init_args": {"width": 5, "rows": 3}}
    assert study.best_value == study.trials[0].value
