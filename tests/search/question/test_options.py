"""A sweep's YAML: typed, checked, and every mistake one line that names its key."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from atft.errors import InputError
from atft.search.question.dimension import Float
from atft.search.question.options import SweepOptions, read_sweep, sweep_of

LR = "model.optimizer.init_args.lr"
MakeSweep = Callable[..., SweepOptions]


def test_a_sweep_reads_with_its_defaults(make_sweep: MakeSweep) -> None:
    sweep = make_sweep()
    assert sweep.space[LR] == Float(1e-3, 1e-1, log=True)
    assert (sweep.metric, sweep.direction, sweep.folds, sweep.storage) == (
        "val/rank_ic",
        "maximize",
        None,
        None,
    )
    assert (sweep.sampler.name, sweep.pruner.name, sweep.pruner.floor_epochs) == ("tpe", "median", 2)


def test_the_command_line_changes_a_sweep_before_it_is_checked(write_sweep: Callable[..., Path]) -> None:
    path = write_sweep(n_trials=0, workers=None)
    changes = {"n_trials": "7", "workers": 3, "limits.minutes": "2", "pruner__name": "none", "storage": None}
    sweep = read_sweep(path, **changes)
    assert (sweep.n_trials, sweep.workers, sweep.limits.minutes, sweep.limits.epochs) == (7, 3, 2.0, 2)
    assert (sweep.pruner.name, sweep.storage) == ("none", None)


def test_a_change_below_a_plain_value_is_refused(write_sweep: Callable[..., Path]) -> None:
    with pytest.raises(InputError, match=r"sweep.yaml: no key 'limits.epochs.x'; epochs holds 2"):
        read_sweep(write_sweep(), **{"limits.epochs.x": 3})


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
def test_a_name_that_is_no_plain_folder_is_refused(name: str, make_sweep: MakeSweep) -> None:
    with pytest.raises(InputError, match=r"study must be 1 to 80 letters, digits or ._-, got"):
        make_sweep(study=name)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown key": ({"n_trails": 3}, "unknown key 'n_trails'; did you mean 'n_trials'?"),
    "an unknown nested key": ({"limits": {"epoch": 3}}, "unknown key 'limits.epoch'; did you mean 'epochs'?"),
    "a missing key": ({"study": None}, "the key 'study' is missing"),
    "no space": ({"space": None}, "the key 'space' is missing"),
    "a space that is no mapping": ({"space": [1]}, "space must be a mapping, got [1]"),
    "a block that is no mapping": (
        {"limits": 3},
        "limits must be a mapping of epochs, minutes, hang_minutes, got 3",
    ),
    "a word for a number": ({"n_trials": "many"}, "n_trials must be a whole number, got 'many'"),
    "a fraction of a trial": ({"n_trials": 2.5}, "n_trials must be a whole number, got 2.5"),
    "true for a number": ({"workers": True}, "workers must be a whole number, got True"),
    "a number for a word": ({"metric": 3}, "metric must be a word, got 3"),
    "a word for a number or null": ({"folds": "two"}, "folds must be a whole number or null, got 'two'"),
    "a storage of no known kind": (
        {"storage": "redis://host"},
        "storage must be sqlite:///FILE, postgresql://USER@HOST/DATABASE or grpc://HOST:PORT, got 'redis://host'",
    ),
    "an unknown sampler": ({"sampler": {"name": "tep"}}, "sampler.name: no 'tep'; did you mean 'tpe'?"),
    "an unknown pruner": ({"pruner": {"name": "mean"}}, "pruner.name: no 'mean'; did you mean 'median'?"),
    "an unknown direction": ({"direction": "max"}, "direction: no 'max'"),
    "no trials": ({"n_trials": 0}, "n_trials must be at least 1, got 0"),
    "no workers": ({"workers": 0}, "workers must be at least 1, got 0"),
    "one fold": ({"folds": 1}, "folds must be at least 2, got 1"),
    "no epochs": ({"limits": {"epochs": 0}}, "limits.epochs must be at least 1, got 0"),
    "no time": ({"limits": {"minutes": 0}}, "limits.minutes must be above 0, got 0.0"),
    "a floor below one epoch": ({"pruner": {"floor_epochs": 0}}, "pruner.floor_epochs must be at least 1"),
    "a negative retry": ({"max_retry": -1}, "max_retry must be at least 0, got -1"),
    "a grace shorter than the heartbeat": (
        {"grace_seconds": 60},
        "grace_seconds must exceed heartbeat_seconds (60)",
    ),
    "a root that is part of a URL": ({"root": "a?b"}, "root must be a folder without ? # { } in its name"),
    "a key set twice": ({"fixed": {LR: 0.1}}, f"{LR} stands in space and in fixed; keep one"),
    "a key within a block that is set": (
        {"fixed": {"model.optimizer.init_args": 3}},
        f"{LR} lies inside of model.optimizer.init_args, which is set too; keep one",
    ),
    "a key with a hole": ({"fixed": {"model..lr": 1}}, "named by dotted keys, got 'model..lr'"),
    "the sweep's own epochs": (
        {"fixed": {"trainer.max_epochs": 3}},
        "belongs to the sweep itself; set limits.epochs",
    ),
    "too many points": (
        {"enqueue": [{LR: 0.01}, {LR: 0.02}], "n_trials": 1},
        "enqueue holds 2 points, n_trials is 1; raise it",
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


@pytest.mark.parametrize("name", REFUSED)
def test_a_mistake_is_one_line_that_names_file_and_key(name: str, write_sweep: Callable[..., Path]) -> None:
    changes, message = REFUSED[name]
    path = write_sweep(**changes)
    with pytest.raises(InputError) as refused:
        read_sweep(path)
    text = str(refused.value)
    assert text.startswith(f"{path}: ") and message in text and "\n" not in text


def test_a_block_may_be_chosen_by_name_and_a_key_within_it_searched(make_sweep: MakeSweep) -> None:
    blocks = {"adamw": {"class_path": "torch.optim.AdamW"}, "sgd": {"class_path": "torch.optim.SGD"}}
    space = {
        "model.optimizer": {"type": "categorical", "choices": blocks},
        LR: {"type": "float", "low": 1e-3, "high": 1e-1},
    }
    assert list(make_sweep(space=space).space) == ["model.optimizer", LR]
