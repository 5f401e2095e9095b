"""A resume with another loss, network or split is refused; where and how long it trains may change."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from atft.errors import InputError
from atft.runs.resumed_keys import check_same_training
from dotted import set_at

CONFIG: dict[str, Any] = {
    "seed_everything": 1,
    "name": "mine",
    "trainer": {"max_epochs": 3, "devices": 1},
    "model": {
        "network": {"class_path": "a.B", "init_args": {"dropout": 0.1}},
        "objective": {"terms": {"ic": 1.0}, "regime_weights": None},
        "cuda_graphs": None,
    },
    "data": {
        "panel": {"path": "a.parquet", "schema": {"features": ["x_*"]}},
        "loader": {"lookback": 20, "num_workers": 0},
        "cache": {"dir": "cache", "rank": []},
        "graph": None,
    },
    "early_stopping": {"patience": 3},
}


def changed(key: str, value: Any) -> str:
    """The configuration with another value, as text."""
    return yaml.safe_dump(set_at(deepcopy(CONFIG), key, value))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seed_everything", 2),
        ("model.network.init_args.dropout", 0.2),
        ("model.objective.terms.ic", 0.5),
        ("model.objective.terms.huber", 0.1),
        ("model.objective.regime_weights", {"regime_x": 1.0}),
        ("data.loader.lookback", 40),
        ("data.cache.rank", ["x_*"]),
        ("data.panel.schema.features", ["y_*"]),
        ("data.graph", {"k": 3}),
        ("model.network.dict_kwargs", {"width": 3}),
    ],
)
def test_what_decides_the_training_must_be_the_same(key: str, value: Any) -> None:
    with pytest.raises(InputError, match=rf"last.ckpt: trained with {key}.*; put it back, or .*--init_from"):
        check_same_training("last.ckpt", yaml.safe_dump(CONFIG), changed(key, value))


def test_a_term_that_was_taken_out_is_a_change() -> None:
    with pytest.raises(InputError, match=r"trained with model.objective.terms.huber 0.1, now None"):
        check_same_training("last.ckpt", changed("model.objective.terms.huber", 0.1), yaml.safe_dump(CONFIG))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("name", "other"),
        ("trainer.max_epochs", 9),
        ("trainer.devices", 2),
        ("model.cuda_graphs", False),
        ("data.panel.path", "moved/a.parquet"),
        ("data.cache.dir", "elsewhere"),
        ("data.loader.num_workers", 2),
        ("early_stopping.patience", 9),
        ("model.network.init_args.later", 4),
        ("data.loader.later", 1),
    ],
)
def test_where_and_how_long_it_trains_and_keys_of_a_later_version_may_differ(key: str, value: Any) -> None:
    check_same_training("last.ckpt", yaml.safe_dump(CONFIG), changed(key, value))


def test_a_section_that_is_null_in_one_of_them_differs() -> None:
    with pytest.raises(InputError, match=r"trained with data.graph.k 3, now None"):
        check_same_training("last.ckpt", changed("data.graph", {"k": 3}), yaml.safe_dump(CONFIG))


@pytest.mark.parametrize("network", [None, {"class_path": "a.long.path.B", "init_args": {}}])
def test_a_network_of_python_has_the_arguments_that_were_given_and_perhaps_no_name(network: Any) -> None:
    check_same_training("last.ckpt", yaml.safe_dump(CONFIG), changed("model.network", network))
    check_same_training("last.ckpt", changed("model.network", network), yaml.safe_dump(CONFIG))


def test_a_checkpoint_without_configuration_has_nothing_to_compare() -> None:
    check_same_training("last.ckpt", "", yaml.safe_dump(CONFIG))


def test_fit_refuses_to_go_on_with_another_loss(tiny_run: Any, atft: Any, tmp_path: Path) -> None:
    outcome = atft(
        *("fit", "--config", tiny_run.config, "--trainer.default_root_dir", tmp_path),
        *("--ckpt_path", tiny_run.directory / "last.ckpt", "--trainer.max_epochs", "4"),
        *("--model.objective.terms", "{huber: 1.0}"),
    )
    assert outcome.code == 2 and "trained with model.objective.terms." in outcome.error_line
    assert not list(tmp_path.glob("tiny/version_*"))
