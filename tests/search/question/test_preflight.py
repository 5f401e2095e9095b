"""Before the first trial: keys that do nothing and points that cannot be trained are named."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from atft.errors import InputError
from atft.search.question.options import SweepOptions
from atft.search.question.preflight import preflight

MakeSweep = Callable[..., SweepOptions]
NETWORK = "model.network.init_args"
LR = "model.optimizer.init_args.lr"
RATE = {"type": "float", "low": 1e-3, "high": 1e-1, "log": True}
DROPOUT = {"type": "float", "low": 0.1, "high": 0.4}
pytestmark = pytest.mark.usefixtures("own_config")


@pytest.fixture
def few_points(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("atft.search.question.preflight.MAX_CORNERS", 4)
    monkeypatch.setattr("atft.search.question.preflight.RANDOM_POINTS", 3)


@pytest.mark.usefixtures("few_points")
def test_a_valid_sweep_passes_and_leaves_no_file(make_sweep: MakeSweep, tmp_path: Path) -> None:
    before = sorted(p.name for p in tmp_path.iterdir())
    line = preflight(make_sweep(enqueue=[{LR: 0.02}]), seconds=600)
    assert line.startswith(
        "preflight: every key does something; tried 4 of 4 corners and 3 of 3 points inside: all build and"
    )
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([*before, "sweep.yaml"])


@pytest.mark.usefixtures("few_points")
def test_what_time_does_not_allow_is_counted(make_sweep: MakeSweep) -> None:
    line = preflight(make_sweep(space={LR: RATE}), seconds=0)
    assert "; tried 0 of 2 corners and 0 of 3 points inside" in line
    with pytest.raises(InputError, match=r"unknown key 'trainer.max_epoch'"):
        preflight(make_sweep(space={"trainer.max_epoch": {"type": "int", "low": 1, "high": 2}}), seconds=0)


@pytest.mark.usefixtures("toypkg")
def test_the_weight_of_a_term_of_the_users_own_does_something(make_sweep: MakeSweep) -> None:
    weight = {"type": "float", "low": 0.1, "high": 0.5}
    space = {"model.objective.terms.toypkg.loss.tail": weight}
    assert preflight(make_sweep(space=space), seconds=0).startswith("preflight: every key does something")
    with pytest.raises(InputError, match=r"toypkg.loss.tial is no function of toypkg.loss"):
        preflight(make_sweep(space={"model.objective.terms.toypkg.loss.tial": weight}), seconds=0)


INVALID: dict[str, tuple[dict[str, Any], str]] = {
    "a key of a block that is off": (
        {
            "space": {LR: RATE, f"{NETWORK}.gat_dropout": DROPOUT},
            "fixed": {f"{NETWORK}.graph": "none"},
        },
        "space: model.network.init_args.gat_dropout changes nothing that is built or trained, whatever its value "
        "(compared: 0.1, 0.4); take it out, or switch on what it belongs to",
    ),
    "a key that only moves the speed": (
        {"space": {LR: RATE, "data.loader.num_workers": {"type": "int", "low": 0, "high": 2}}},
        "space: data.loader.num_workers changes nothing",
    ),
    "a key that the base does not have": (
        {"space": {"model.network.hiden_size": {"type": "int", "low": 4, "high": 8}}},
        "a point cannot be trained (model.network.hiden_size=4): unknown key 'model.network.hiden_size'; did you "
        "mean 'model.network.init_args.hidden_size'?",
    ),
    "a fixed key that the base does not have": (
        {"space": {LR: RATE}, "fixed": {"trainer.precison": "bf16-mixed"}},
        "unknown key 'trainer.precison'; did you mean 'trainer.precision'?",
    ),
    "an argument of another class": (
        {"space": {"model.optimizer.init_args.momentum": RATE}},
        "a point cannot be trained (model.optimizer.init_args.momentum=0.001): unknown key",
    ),
    "a term that there is not": (
        {"space": {"model.objective.terms.listnte": RATE}},
        "a point cannot be trained (model.objective.terms.listnte=0.001): ",
    ),
    "a metric that no epoch logs": (
        {"metric": "val/rank_icc", "space": {LR: RATE}},
        "metric: no epoch logs 'val/rank_icc'; did you mean 'val/rank_ic'?",
    ),
    "a corner that does not build": (
        {"space": {"model.network.init_args.gat_layers": {"type": "int", "low": 1, "high": 9}}},
        "a point cannot be trained (model.network.init_args.gat_layers=9): ",
    ),
    "a corner whose schedule does not fit": (
        {"space": {"model.scheduler.init_args.epochs": {"type": "float", "low": 0.2, "high": 4.0}}},
        "a point cannot be trained (model.scheduler.init_args.epochs=0.2): WarmupCosine needs epochs above",
    ),
    "two names of one term": (
        {"space": {LR: RATE}, "fixed": {"model.objective.terms": {"rank_ic": 0.1, "spearman": 0.1}}},
        "spearman is another name of rank_ic",
    ),
}


@pytest.mark.parametrize("name", INVALID)
def test_a_sweep_that_would_waste_its_trials_is_an_error_of_one_line(
    name: str, make_sweep: MakeSweep, few_points: None
) -> None:
    changes, message = INVALID[name]
    with pytest.raises(InputError) as error:
        preflight(make_sweep(**changes), seconds=600)
    assert message in str(error.value) and "\n" not in str(error.value)


@pytest.mark.usefixtures("few_points")
def test_a_key_of_one_of_the_classes_is_judged_under_its_own(make_sweep: MakeSweep) -> None:
    optimizers = {
        "adamw": {"class_path": "torch.optim.AdamW", "init_args": {"lr": 0.01}},
        "adabelief": {"class_path": "atft.optim.adabelief.AdaBelief", "init_args": {"lr": 0.01}},
    }
    choice = {"type": "categorical", "choices": optimizers}
    preflight(make_sweep(space={"model.optimizer": choice, LR: RATE}), seconds=600)
