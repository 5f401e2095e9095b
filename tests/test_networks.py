"""Each network by the commands alone: trained, explained, predicted from its checkpoint, tested and swept."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import pytest
import yaml
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from atft.search.question.frozen import identify
from atft.search.question.options import sweep_of
from atft.search.study.study import begin_study
from atft.search.trial.run import run_trial

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*LeafSpec.*", "ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning"),
]
WIDTH = "model.network.init_args.hidden_size"
SHOWN_WEIGHTS = "network/selection_weights"
SHOWN_DAYS = "network/attention_over_lookback"


class Case(NamedTuple):
    """A network as a config names it, what of a config it needs, and the figures that it is explained by."""

    class_path: str
    init_args: dict[str, Any]
    data: dict[str, Any]
    figures: set[str]


NETWORKS = {
    "tabm": Case(
        "atft.nn.tabm.TabM",
        {"k": 3, "hidden_size": 8, "encoding": "piecewise_linear", "bins": 6},
        {"graph": None, "loader__lookback": 1},
        {SHOWN_WEIGHTS},
    ),
    "master": Case("atft.nn.master.MASTER", {"hidden_size": 8}, {"graph": None}, {SHOWN_WEIGHTS, SHOWN_DAYS}),
    "master without a market": Case(
        "atft.nn.master.MASTER",
        {"hidden_size": 8, "gate": "none"},
        {"graph": None, "panel__schema": {"regime": []}},
        {SHOWN_DAYS},
    ),
}


class Trained(NamedTuple):
    """A network that has been trained: what it is, its config and its run."""

    case: Case
    config: Path
    run: Path


@pytest.fixture(scope="module", params=NETWORKS)
def trained(
    request: pytest.FixtureRequest,
    tiny_run: Any,
    tiny_config: Callable[..., Path],
    atft: Callable[..., Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Trained:
    """Train each network once, for all tests here."""
    case, folder = NETWORKS[request.param], tmp_path_factory.mktemp("network")
    network = {"class_path": case.class_path, "init_args": case.init_args}
    data = {f"data__{key}": value for key, value in case.data.items()}
    config = tiny_config(
        folder,
        tiny_run.panel,
        model__network=network,
        trainer__max_epochs=2,
        validation_figures={"every": 1},
        **data,
    )
    outcome = atft("fit", "--config", config)
    assert outcome.code == 0, outcome
    return Trained(case, config, folder / "logs" / "tiny" / "version_0")


def test_the_run_names_the_network_with_all_its_options_and_learns(trained: Trained) -> None:
    network = yaml.safe_load((trained.run / "config.yaml").read_text())["model"]["network"]
    assert network["class_path"] == trained.case.class_path
    assert trained.case.init_args.items() <= network["init_args"].items()
    # The panel's x_0 carries half of the next day's return: a network that learns finds it in two epochs.
    assert json.loads((trained.run / "metrics.json").read_text())["final"]["val/rank_ic_1d"] > 0.2


def test_tensorboard_shows_what_it_explains_and_no_more(trained: Trained) -> None:
    images = EventAccumulator(str(trained.run)).Reload().Tags()["images"]
    assert {tag for tag in images if tag.startswith("network/")} == trained.case.figures


def test_its_checkpoint_alone_predicts_what_the_run_did(
    trained: Trained, atft: Callable[..., Any], tmp_path: Path
) -> None:
    again = tmp_path / "again.parquet"
    words = [
        "--ckpt_path",
        trained.run / "best_model.ckpt",
        "--data.cache.dir",
        trained.config.parent / "cache",
    ]
    outcome = atft("predict", *words, "--out", again)
    assert outcome.code == 0, outcome
    keys = ["date", "code", "horizon", "score"]
    ours, theirs = (pl.read_parquet(p).select(keys) for p in (again, trained.run / "predictions.parquet"))
    assert ours.equals(theirs) and ours["score"].is_finite().all()


def test_it_is_tested(trained: Trained, atft: Callable[..., Any]) -> None:
    outcome = atft(
        "test", "--config", trained.run / "config.yaml", "--ckpt_path", trained.run / "best_model.ckpt"
    )
    assert outcome.code == 0 and "test/rank_ic_5d" in outcome.out, outcome


def test_its_width_is_swept(trained: Trained, tmp_path: Path) -> None:
    plain = {"study": "width", "base": str(trained.config), "root": str(tmp_path), "limits": {"epochs": 1}}
    sweep = sweep_of({**plain, "space": {WIDTH: {"type": "categorical", "choices": [4, 8]}}})
    study = begin_study(sweep, identify(sweep))
    study.enqueue_trial({WIDTH: 4})
    study.optimize(lambda trial: run_trial(sweep, trial, [], lambda: False), n_trials=1)
    network = yaml.safe_load((tmp_path / "width" / "trial_0" / "config.yaml").read_text())["model"]["network"]
    assert network["class_path"] == trained.case.class_path and network["init_args"]["hidden_size"] == 4
    assert study.best_value == study.trials[0].value


def test_a_gate_without_the_market_is_an_error_before_the_first_step(
    tiny_run: Any, tiny_config: Callable[..., Path], atft: Callable[..., Any], tmp_path: Path
) -> None:
    network, schema = {"class_path": "atft.nn.master.MASTER"}, {"regime": []}
    config = tiny_config(tmp_path, tiny_run.panel, model__network=network, data__panel__schema=schema)
    line = atft("fit", "--config", config).error_line
    assert line.startswith("model.network: gate of MASTER reads market-wide columns and the panel has none;")
    assert "to none" in line and not (tmp_path / "logs").exists()
