"""From a point to a training config: order, ownership, other classes, keys that must exist."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from atft.errors import InputError
from atft.files.yaml_text import flat_keys
from atft.search.question.config import run_config, trial_config
from atft.search.question.options import SweepOptions

MakeSweep = Callable[..., SweepOptions]
LR = "model.optimizer.init_args.lr"
RATE = {"type": "float", "low": 1e-3, "high": 1e-1}
OPTIMIZERS = {
    "adamw": {"class_path": "torch.optim.AdamW", "init_args": {"lr": 0.01, "weight_decay": 0.3}},
    "sgd": {"class_path": "torch.optim.SGD", "init_args": {"lr": 0.1, "momentum": 0.9}},
}


def resolved(config: dict[str, Any]) -> dict[str, Any]:
    from atft.commands.train import build

    return flat_keys(yaml.safe_load(build("fit", config).config_text))


@pytest.fixture
def base(make_panel: Callable[..., Path], tiny_config: Callable[..., Path], tmp_path: Path) -> Path:
    return tiny_config(tmp_path, make_panel())


def test_the_point_replaces_the_fixed_values_and_those_the_base(base: Path, make_sweep: MakeSweep) -> None:
    sweep = make_sweep(
        fixed={"model.network.init_args.dropout": 0.35, "model.network.init_args.gat_layers": 2}
    )
    config = trial_config(sweep, {LR: 0.05, "model.network.init_args.hidden_size": 12})
    network = config["model"]["network"]["init_args"]
    assert (network["dropout"], network["gat_layers"], network["hidden_size"]) == (0.35, 2, 12)
    assert config["model"]["optimizer"] == {"class_path": "torch.optim.AdamW", "init_args": {"lr": 0.05}}
    assert config["data"] == yaml.safe_load(base.read_text())["data"]


def test_a_base_may_write_its_keys_with_dots(base: Path, make_sweep: MakeSweep) -> None:
    plain = trial_config(make_sweep(), {LR: 0.05})
    config = yaml.safe_load(base.read_text())
    lookback = config["data"].pop("loader").pop("lookback")
    loader = yaml.safe_load(base.read_text())["data"]["loader"]
    dotted = {**config, "data.loader": loader, "trainer.max_epochs": 9, LR: 0.2}
    del config["trainer"]["max_epochs"], config["model"]["optimizer"]["init_args"]
    base.write_text(yaml.safe_dump(dotted))
    assert trial_config(make_sweep(), {LR: 0.05}) == plain and lookback == 6


def test_epochs_root_and_selected_metric_are_the_sweeps_own(base: Path, make_sweep: MakeSweep) -> None:
    sweep = make_sweep(metric="train/loss", limits={"epochs": 7})
    config = flat_keys(trial_config(sweep, {}))
    assert config["trainer.max_epochs"] == 7 and config["trainer.default_root_dir"] == sweep.root
    assert (config["checkpoint.monitor"], config["checkpoint.mode"]) == ("train/loss", "min")


@pytest.mark.parametrize(
    "fixed", [{"validation_figures.every": 2}, {"validation_figures": {"every": 2}}], ids=["key", "block"]
)
def test_a_trial_draws_figures_where_the_sweep_asks_for_them(
    fixed: dict[str, Any], base: Path, make_sweep: MakeSweep
) -> None:
    assert run_config(make_sweep(base=str(base), fixed=fixed), {})["validation_figures"] == {"every": 2}
    assert run_config(make_sweep(base=str(base)), {})["validation_figures"] == {"every": 0}


def test_a_trial_config_builds_what_it_says(base: Path, make_sweep: MakeSweep) -> None:
    settings = resolved(trial_config(make_sweep(), {LR: 0.05, "data.loader.batch_size": 60}))
    assert settings[LR] == 0.05 and settings["data.loader.batch_size"] == 60
    assert settings["model.network.init_args.hidden_size"] == 8  # the point leaves it to the base


def test_a_block_is_set_before_what_lies_in_it(base: Path, make_sweep: MakeSweep) -> None:
    space = {LR: RATE, "model.optimizer": {"type": "categorical", "choices": OPTIMIZERS}}
    optimizer = trial_config(make_sweep(space=space), {LR: 0.07, "model.optimizer": "sgd"})["model"][
        "optimizer"
    ]
    assert optimizer == {"class_path": "torch.optim.SGD", "init_args": {"lr": 0.07, "momentum": 0.9}}
    assert OPTIMIZERS["sgd"]["init_args"] == {"lr": 0.1, "momentum": 0.9}


def test_another_class_keeps_only_the_arguments_that_it_takes(base: Path, make_sweep: MakeSweep) -> None:
    key = "model.optimizer.class_path"
    choices = ["torch.optim.AdamW", "torch.optim.SGD", "atft.optim.adabelief.AdaBelief"]
    sweep = make_sweep(
        space={key: {"type": "categorical", "choices": choices}},
        fixed={"model.optimizer": {"class_path": choices[0], "init_args": {"lr": 0.02, "betas": [0.8, 0.9]}}},
    )
    arguments = [trial_config(sweep, {key: c})["model"]["optimizer"]["init_args"] for c in choices]
    both = {"lr": 0.02, "betas": [0.8, 0.9]}
    assert arguments == [both, {"lr": 0.02}, both]
    settings = resolved(trial_config(sweep, {key: choices[2]}))
    assert settings["model.optimizer.init_args.eps"] == 1e-16  # its own default, not AdamW's


def test_a_class_that_is_not_there_is_named(base: Path, make_sweep: MakeSweep) -> None:
    key = "model.optimizer.class_path"
    sweep = make_sweep(
        space={key: {"type": "categorical", "choices": ["torch.optim.AdamV", "torch.optim.SGD"]}}
    )
    with pytest.raises(InputError, match=r"model.optimizer: no class 'torch.optim.AdamV'"):
        trial_config(sweep, {key: "torch.optim.AdamV"})


def test_a_key_below_a_plain_value_is_an_error(base: Path, make_sweep: MakeSweep) -> None:
    sweep = make_sweep(space={"name.of": RATE})
    with pytest.raises(
        InputError, match=r"name.of: name is 'tiny' in the base config; set a block there first"
    ):
        trial_config(sweep, {"name.of": 0.1})


def test_a_base_config_with_phases_is_an_error(base: Path, make_sweep: MakeSweep) -> None:
    config = yaml.safe_load(base.read_text()) | {
        "curriculum": {"phases": [{"name": "Baseline", "epochs": 5}]}
    }
    base.write_text(yaml.safe_dump(config))
    with pytest.raises(InputError, match=r"curriculum.phases must be empty in the base config of a sweep"):
        trial_config(make_sweep(), {})


def test_a_missing_base_config_is_named(make_sweep: MakeSweep) -> None:
    with pytest.raises(InputError, match=r"base: no file .*tiny.yaml; name one, relative to the sweep's"):
        trial_config(make_sweep(), {})


@pytest.mark.parametrize(
    ("written", "settings", "terms"),
    [
        ({"ic": 0.3}, {"mypkg.loss.tail": 0.2}, {"ic": 0.3, "mypkg.loss.tail": 0.2}),
        ({"mypkg.loss.tail": 0.1}, {"mypkg.loss.tail": 0.2}, {"mypkg.loss.tail": 0.2}),
        (
            {"mypkg.loss.tail": {"weight": 0.1, "level": 0.5}},
            {"mypkg.loss.tail.level": 0.2},
            {"mypkg.loss.tail": {"weight": 0.1, "level": 0.2}},
        ),
        ({"a.b": {"weight": 1.0}, "a.b.c": 0.5}, {"a.b.c": 0.2}, {"a.b": {"weight": 1.0}, "a.b.c": 0.2}),
        ({"ic": 0.3}, {"ndcg.weight": 0.1, "ndcg.top": 2}, {"ic": 0.3, "ndcg": {"weight": 0.1, "top": 2}}),
        (None, {"mypkg.loss.tail": 0.2, "ic": 0.3}, {"mypkg.loss.tail": 0.2, "ic": 0.3}),
    ],
)
def test_the_name_of_a_term_of_the_users_own_is_one_key_with_its_dots(
    written: dict[str, Any] | None,
    settings: dict[str, Any],
    terms: dict[str, Any],
    tmp_path: Path,
    make_sweep: MakeSweep,
) -> None:
    objective = {} if written is None else {"terms": written}
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump({"model": {"objective": objective}}))
    fixed = {f"model.objective.terms.{key}": value for key, value in settings.items()}
    config = trial_config(make_sweep(fixed=fixed), {})
    assert config["model"]["objective"]["terms"] == terms
