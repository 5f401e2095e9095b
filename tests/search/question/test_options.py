"""A sweep's YAML: typed, checked, and every mistake one line that names its key."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from atft.errors import InputError
from atft.search.question.options import SweepOptions, read_sweep, sweep_of

LR = "model.optimizer.init_args.lr"
MakeSweep = Callable[..., SweepOptions]


def test_a_sweep_reads_with_its_defaults(make_sweep: MakeSweep) -> None:
    sweep = make_sweep()
    assert sweep.space[LR] == {"type": "float", "low": 1e-3, "high": 1e-1, "log": True, "step": None}
    assert (sweep.metric, sweep.direction, sweep.folds, sweep.storage) == (
        "val/rank_ic",
        "maximize",
        None,
        None,
    )
    assert (sweep.sampler.name, sweep.pruner.name, sweep.pruner.floor_epochs) == ("tpe", "median", 2)


def test_the_command_line_changes_a_sweep_before_it_is_checked(write_sweep: Callable[..., Path]) -> None:
    path = write_sweep(n_trials=0, workers=None)
    changes = {"n_trials": "7", "workers": 3, "limits.minutes": "2", "pruner.name": "none", "study": "2024"}
    sweep = read_sweep(path, changes | {"fixed.model.network.init_args.dropout": "0.3"})
    assert (sweep.n_trials, sweep.workers, sweep.limits.minutes, sweep.limits.epochs) == (7, 3, 2.0, 2)
    assert (sweep.pruner.name, sweep.study) == ("none", "2024")
    assert sweep.fixed == {"model.network.init_args.dropout": 0.3}


def test_words_that_read_as_numbers_stay_words_in_space_and_fixed(make_sweep: MakeSweep) -> None:
    choices = {"type": "categorical", "choices": ["32", "bf16-mixed"]}
    sweep = make_sweep(space={"trainer.precision": choices}, fixed={"data.code": "1301"})
    assert sweep.space["trainer.precision"]["choices"] == ["32", "bf16-mixed"]
    assert sweep.fixed == {"data.code": "1301"}
    assert sweep_of(sweep.as_json()) == sweep


def test_space_and_points_may_be_given_as_text(write_sweep: Callable[..., Path]) -> None:
    changes = {"space": "{x: {type: int, low: 1, high: 3}}", "enqueue": "[{x: 2}]"}
    sweep = read_sweep(write_sweep(), changes)
    assert (sweep.space["x"]["high"], sweep.enqueue) == (3, [{"x": 2}])
    with pytest.raises(InputError, match="enqueue: point 1: x must lie in"):
        read_sweep(write_sweep(), changes | {"enqueue": "[{x: 4}]"})


def test_base_is_relative_to_the_sweeps_file_and_on_the_command_line_to_the_working_directory(
    write_sweep: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tiny.yaml").write_text("name: tiny\n")
    path = write_sweep(base="tiny.yaml")
    monkeypatch.chdir(tmp_path.parent)
    relative = Path(tmp_path.name) / path.name
    assert read_sweep(relative).base == f"{tmp_path.name}/tiny.yaml"
    assert read_sweep(path, {"base": "other.yaml"}).base == "other.yaml"
    shipped = read_sweep(path, {"base": "quickstart"}).base
    assert shipped.endswith("configs/quickstart.yaml") and Path(shipped).is_file()
    assert read_sweep(Path("quick")).base == shipped
    (tmp_path.parent / "here.yaml").write_text("name: here\n")
    with pytest.raises(
        InputError, match=r"sweep.yaml: base is relative to the sweep's file; write \.\./here"
    ):
        read_sweep(write_sweep(base="here.yaml"))


def test_losses_are_minimised_and_everything_else_is_maximised(make_sweep: MakeSweep) -> None:
    highest = ("val/rank_ic", "val/sharpe_5d", "train/rank_ic")
    assert {make_sweep(metric=m).direction for m in highest} == {"maximize"}
    lowest = ("train/loss", "train/term/huber", "val/quantile_crossing")
    assert {make_sweep(metric=m).direction for m in lowest} == {"minimize"}


def test_a_change_below_a_plain_value_is_an_error(write_sweep: Callable[..., Path]) -> None:
    with pytest.raises(InputError, match=r"sweep.yaml: limits.epochs takes a value, not a section"):
        read_sweep(write_sweep(), {"limits.epochs.x": 3})
    with pytest.raises(InputError, match=r"sweep.yaml: no key 'n_trials.x'; n_trials is 4"):
        read_sweep(write_sweep(), {"n_trials.x": 3})


def test_a_sweep_as_json_reads_as_itself(make_sweep: MakeSweep) -> None:
    blocks = {"a": {"class_path": "torch.optim.AdamW"}, "b": {"class_path": "torch.optim.SGD"}}
    sweep = make_sweep(
        space={
            LR: {"type": "float", "low": 0.1, "high": 0.2},
            "model.x": {"type": "categorical", "choices": blocks},
        },
        fixed={"data.split.train": ["2015-01-05", "2015-02-27"]},
        enqueue=[{LR: 0.15}, {"model.x": "b"}],
        storage="postgresql://me@host/db",
    )
    assert sweep_of(sweep.as_json()) == sweep


NAMES = ["", ".", "..", "a/b", "../up", "a b", "x" * 81, "é", "a\n"]


@pytest.mark.parametrize("name", NAMES, ids=repr)
def test_a_name_that_is_no_plain_folder_is_an_error(name: str, make_sweep: MakeSweep) -> None:
    with pytest.raises(InputError, match=r"study must be 1 to 80 letters, digits or ._-, got"):
        make_sweep(study=name)


INVALID: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown key": ({"n_trails": 3}, "unknown key 'n_trails'; did you mean 'n_trials'?"),
    "an unknown nested key": (
        {"limits": {"epoch": 3}},
        "unknown key 'limits.epoch'; did you mean 'limits.epochs'?",
    ),
    "a missing key": ({"study": None}, "required: study"),
    "no space": ({"space": None}, "required: space"),
    "a space that is no mapping": ({"space": [1]}, "space takes a mapping, got '[1]'"),
    "a block that is no mapping": (
        {"limits": 3},
        "limits is a section of keys, got 3; write its keys under it, or leave it out",
    ),
    "a word for a number": ({"n_trials": "many"}, "n_trials takes a whole number, got 'many'"),
    "a fraction of a trial": ({"n_trials": 2.5}, "n_trials takes a whole number, got '2.5'"),
    "true for a number": ({"workers": True}, "workers takes a whole number, got 'True'"),
    "a number for a word": ({"metric": 3}, "metric takes a word, got '3'"),
    "a word for a number or null": ({"folds": "two"}, "folds takes a whole number or null, got 'two'"),
    "a storage of no known kind": (
        {"storage": "redis://host"},
        "storage must be sqlite:///FILE, postgresql://USER@HOST/DATABASE or grpc://HOST:PORT, got 'redis://host'",
    ),
    "an unknown sampler": (
        {"sampler": {"name": "tep"}},
        "sampler.name takes one of gp, grid, random, tpe, got 'tep'",
    ),
    "an unknown pruner": (
        {"pruner": {"name": "mean"}},
        "pruner.name takes one of hyperband, median, none, patient, got 'mean'",
    ),
    "no trials": ({"n_trials": 0}, "n_trials must be at least 1, got 0"),
    "no workers": ({"workers": 0}, "workers must be at least 1, got 0"),
    "one fold": ({"folds": 1}, "folds must be at least 2, got 1"),
    "no epochs": ({"limits": {"epochs": 0}}, "limits.epochs must be at least 1, got 0"),
    "no time": ({"limits": {"minutes": 0}}, "limits.minutes must be above 0, got 0.0"),
    "a floor below one epoch": ({"pruner": {"floor_epochs": 0}}, "pruner.floor_epochs must be at least 1"),
    "a negative retry": ({"max_retry": -1}, "max_retry must be at least 0, got -1"),
    "a root that is part of a URL": ({"root": "a?b"}, "root must be a folder without ? # { } in its name"),
    "a key set twice": ({"fixed": {LR: 0.1}}, f"{LR} is in space and in fixed; keep one"),
    "a key within a block that is set": (
        {"fixed": {"model.optimizer.init_args": 3}},
        f"{LR} is inside of model.optimizer.init_args, which is set too; keep one",
    ),
    "a key within a value that is inside of a block": (
        {"fixed": {"model": {"lr": {"a": 1}}, "model.lr": 3, "model.lr.a": 4}},
        "model.lr.a is inside of model.lr, which is set too; keep one",
    ),
    "a key that is a number": ({"fixed": {3: 1}}, "space and fixed are named by dotted keys, got 3"),
    "a key with a hole": ({"fixed": {"model..lr": 1}}, "named by dotted keys, got 'model..lr'"),
    "the sweep's own epochs": (
        {"fixed": {"trainer.max_epochs": 3}},
        "belongs to the sweep itself; set limits.epochs",
    ),
    "the sweep's own epochs in a block": (
        {"fixed": {"trainer": {"max_epochs": 3}}},
        "trainer.max_epochs belongs to the sweep itself; set limits.epochs",
    ),
    "epochs that no trial reads": (
        {"fixed": {"trainer.min_epochs": 3}},
        "trainer.min_epochs belongs to the sweep itself; set limits.epochs",
    ),
    "another metric that selects": (
        {"fixed": {"checkpoint.monitor": "val/sharpe"}},
        "checkpoint.monitor belongs to the sweep itself; set metric",
    ),
    "another metric that stops": (
        {"fixed": {"early_stopping": {"monitor": "val/sharpe", "patience": 3}}},
        "early_stopping.monitor belongs to the sweep itself; set metric",
    ),
    **{
        f"{key}, which the sweep sets": (
            {"fixed": {key: "x"}},
            f"{key} belongs to the sweep itself; set {place}",
        )
        for key, place in {
            "name": "study",
            "trainer.default_root_dir": "root",
            "ckpt_path": "root",
            "threads": "--threads",
            "checkpoint.mode": "metric",
            "early_stopping.mode": "metric",
        }.items()
    },
    "too many points": (
        {"enqueue": [{LR: 0.01}, {LR: 0.02}], "n_trials": 1},
        "enqueue has 2 points, n_trials is 1; raise it",
    ),
    "a point outside": (
        {"enqueue": [{LR: 1.0}]},
        f"enqueue: point 1: {LR} must lie in [0.001, 0.1], got 1.0",
    ),
    "a point that is no mapping": (
        {"enqueue": [3]},
        "enqueue: point 1 must be a mapping of keys of space, got 3",
    ),
    "an endless grid": (
        {"sampler": {"name": "grid"}},
        f"sampler grid: {LR} has no steps; give it a step or choices",
    ),
    "a grid too small": (
        {"sampler": {"name": "grid"}, "space": {LR: {"type": "categorical", "choices": [0.1, 0.2]}}},
        "sampler grid: the grid has 2 points, n_trials is 4; lower it",
    ),
}


@pytest.mark.parametrize("name", INVALID)
def test_a_mistake_is_one_line_that_names_file_and_key(name: str, write_sweep: Callable[..., Path]) -> None:
    changes, message = INVALID[name]
    path = write_sweep(**changes)
    with pytest.raises(InputError) as error:
        read_sweep(path)
    text = str(error.value)
    assert text.startswith(f"{path}: ") and message in text and "\n" not in text


@pytest.mark.parametrize(
    ("key", "choices"),
    [
        ("data.split.val", {"spring": ["2015-03-02", "2015-03-20"], "summer": ["2015-06-01", "2015-06-19"]}),
        ("data.split.embargo_days", [2, 9]),
        ("data.split.min_stocks", [2, 9]),
        ("data.split.fold", [0, 1]),
        ("data.split.folds.every", [10, 20]),
        ("data.panel.simulate.seed", [1, 2]),
        ("data.panel.schema.targets", ["target_{h}d", "other_{h}d"]),
        ("data.panel.schema.universe", ["universe", None]),
        ("data.cache.calendar.thin_days", ["exclude", "keep"]),
        ("data.cache.calendar", {"strict": {"gaps": "error"}, "loose": {"gaps": "keep"}}),
        ("model.horizons", {"short": [1], "long": [5]}),
        ("trainer.limit_val_batches", [1, 2]),
        ("checkpoint.select", ["best", "last"]),
        ("data", {"a": {"split": {"embargo_days": 2}}, "b": {"loader": {"lookback": 3}}}),
    ],
)
def test_what_a_value_is_measured_on_is_never_searched(key: str, choices: Any, make_sweep: MakeSweep) -> None:
    searched, lr = {"type": "categorical", "choices": choices}, {"type": "float", "low": 1e-3, "high": 1e-1}
    for space in ({key: searched}, {key: searched, LR: lr}):
        with pytest.raises(InputError, match=r"space: [a-z_.]+ decides what a trial's value is measured on"):
            make_sweep(space=space)


def test_the_least_values_are_taken(make_sweep: MakeSweep) -> None:
    sampler, limits = {"seed": 0, "startup_trials": 1}, {"epochs": 1, "minutes": 0.001}
    least = {"n_trials": 1, "workers": 1, "folds": 2, "max_retry": 0, "pruner": {"floor_epochs": 1}}
    sweep = make_sweep(**least, sampler=sampler, limits=limits, enqueue=[{LR: 0.01}])
    assert (sweep.sampler.seed, sweep.limits.minutes, len(sweep.enqueue)) == (0, 0.001, sweep.n_trials)


@pytest.mark.parametrize(
    "key", ["data.split.train", "data.panel.schema.features", "data.panel.schema.exclude"]
)
def test_the_days_and_features_that_train_may_be_searched(key: str, make_sweep: MakeSweep) -> None:
    space = {key: {"type": "categorical", "choices": {"a": ["x"], "b": ["y"]}}}
    assert make_sweep(space=space).space[key]["choices"] == {"a": ["x"], "b": ["y"]}


def test_a_block_may_be_chosen_by_name_and_a_key_within_it_searched(make_sweep: MakeSweep) -> None:
    blocks = {"adamw": {"class_path": "torch.optim.AdamW"}, "sgd": {"class_path": "torch.optim.SGD"}}
    space = {
        "model.optimizer": {"type": "categorical", "choices": blocks},
        LR: {"type": "float", "low": 1e-3, "high": 1e-1},
    }
    assert list(make_sweep(space=space).space) == ["model.optimizer", LR]
