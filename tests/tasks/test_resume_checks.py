"""A run resumes only from a checkpoint whose entries are like its own."""

import copy
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch.optim.lr_scheduler import CyclicLR, OneCycleLR

from atft.batch import DayBatch
from atft.callbacks.exponential_average import ExponentialAverage
from atft.errors import InputError
from atft.optim.schedules import WarmRestarts, WarmupConstant, WarmupCosine
from atft.tasks.resume_checks import check_optimizer, check_resume
from small_task import IN_MEMORY, fit, small_task

Path_ = tuple[Any, ...]


@pytest.fixture(scope="module")
def last(tiny_run: Any) -> dict[str, Any]:
    content: dict[str, Any] = torch.load(tiny_run.directory / "last.ckpt", weights_only=True)
    return content


@pytest.fixture(scope="module")
def check(tiny_run: Any, tmp_path_factory: pytest.TempPathFactory) -> Callable[[dict[str, Any]], None]:
    """Check a checkpoint for a run of the same configuration."""
    from atft.commands.train import build

    config = yaml.safe_load(tiny_run.config.read_text())
    cli = build("fit", config, tmp_path_factory.mktemp("resume"), quiet=True)
    own = cli.model.build_optimizer(3)
    return lambda checkpoint: check_resume(checkpoint, cli.trainer, own)


def places(value: Any, inside: Path_ = ()) -> Iterator[Path_]:
    """Every entry of nested mappings and lists, two parameters' states and the like of all others left out."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, entry in items:
        if inside[-1:] != ("state",) or key in (0, 1):
            yield (*inside, key)
            yield from places(entry, (*inside, key))


def changed(content: dict[str, Any], place: Path_, *value: Any) -> dict[str, Any]:
    """A copy with another value at a place; without a value it is removed."""
    copied = copy.copy(content)
    key, *inner = place
    if inner:
        copied[key] = changed(content[key], tuple(inner), *value)
    elif value:
        copied[key] = value[0]
    else:
        del copied[key]
    return copied


def test_the_programs_own_checkpoint_passes(
    check: Callable[[dict[str, Any]], None], last: dict[str, Any]
) -> None:
    check(last)


@pytest.mark.parametrize("entry", ["loops", "optimizer_states", "lr_schedulers"])
def test_every_entry_that_is_missing_or_of_another_kind_is_named(
    entry: str, check: Callable[[dict[str, Any]], None], last: dict[str, Any]
) -> None:
    tried = 0
    for place in places(last[entry], (entry,)):
        free = "combined_loader" in place and place[-1] not in (
            "epoch",
            "done",
            "steps",
        )  # one that starts an epoch over
        state = "state" in place and len(place) == 4  # a parameter that no step has moved yet has none
        for value in ((), ([[1]],), ({"a": [1]},), (torch.zeros(7),)):
            holds_anything = str(place[-1]).endswith("state_dict") and value == ({"a": [1]},)
            if holds_anything or ((free or state) and not value):
                continue
            with pytest.raises(InputError, match=r"^checkpoint: ") as caught:
                check(changed(last, place, *value))
            assert len(str(caught.value)) < 220, caught.value
            tried += 1
    assert tried > 30


def test_callbacks_of_another_structure_are_named_or_fit(
    check: Callable[[dict[str, Any]], None], last: dict[str, Any]
) -> None:
    raised = 0
    for place in places(last["callbacks"], ("callbacks",)):
        for value in ((), ("word",), ([[1]],), ({"a": [1]},), (None,), (True,), (torch.zeros(7),)):
            try:
                check(changed(last, place, *value))
            except InputError as error:
                assert str(error).startswith("checkpoint: callbacks.")
                raised += 1
    assert raised > 30


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("loops", "fit_loop", "epoch_progress", "current", "ready"), 7),
        (("loops", "fit_loop", "epoch_progress", "current", "completed"), -1),
        (("loops", "fit_loop", "epoch_loop.batch_progress", "total", "ready"), 10**30),
        (("loops", "fit_loop", "epoch_loop.batch_progress", "total", "unknown"), 1),
        (("loops", "fit_loop", "state_dict", "combined_loader"), [{"epoch": 9, "done": 0, "steps": 0}]),
        (("loops", "fit_loop", "state_dict", "combined_loader"), [{"epoch": 2, "done": -1, "steps": 0}]),
        (("global_step",), 3),
        (("epoch",), 0),
        (("optimizer_states",), []),
        (("lr_schedulers",), []),
        (("lr_schedulers", 0, "base_lrs", 0), 0.5),
        (("lr_schedulers", 0, "eta_min_ratio"), 10**29),
        (("lr_schedulers", 0, "warmup_epochs"), 0.7),
        (("lr_schedulers", 0, "_last_lr"), [0.1, 0.1]),
        (("optimizer_states", 0, "param_groups", 0, "name"), 3),
        (("loops",), {}),
        (("optimizer_states", 0, "param_groups", 0, "lr"), float("nan")),
        (("optimizer_states", 0, "param_groups", 0, "params", 0), 5),
        (("optimizer_states", 0, "state", 0, "exp_avg"), 0.5),
        (("optimizer_states", 0, "state", 0), {}),
        (("optimizer_states", 0, "state", 99), {}),
    ],
)
def test_counts_and_settings_that_contradict_each_other_are_found(
    place: Path_, value: Any, check: Callable[[dict[str, Any]], None], last: dict[str, Any]
) -> None:
    with pytest.raises(InputError, match=r"^checkpoint: "):
        check(changed(last, place, value))


def test_a_callbacks_best_value_is_one_number(
    check: Callable[[dict[str, Any]], None], last: dict[str, Any]
) -> None:
    (stopping,) = (key for key in last["callbacks"] if key.startswith("EarlyStopping"))
    with pytest.raises(InputError, match=r"EarlyStopping.best_score is not a tensor of shape \(\)"):
        check(changed(last, ("callbacks", stopping, "best_score"), torch.zeros(7)))


def test_a_checkpoint_that_does_not_name_its_optimiser_is_compared_by_its_settings(
    check: Callable[[dict[str, Any]], None], last: dict[str, Any]
) -> None:
    check(changed(last, ("atft", "optimizer")))


def test_an_optimiser_of_other_settings_than_the_configs_is_an_error(
    check: Callable[[dict[str, Any]], None], last: dict[str, Any]
) -> None:
    other = changed(last, ("optimizer_states", 0, "param_groups", 0, "weight_decay"), 0.3)
    with pytest.raises(
        InputError, match=r"trained with model.optimizer weight_decay 0.3, the config asks for"
    ):
        check(other)


def test_an_optimiser_of_another_class_or_other_betas_than_the_configs_is_an_error(
    check: Callable[[dict[str, Any]], None], last: dict[str, Any]
) -> None:
    with pytest.raises(InputError, match=r"^checkpoint: Lion trained it, the config asks for AdamW"):
        check(changed(last, ("atft", "optimizer"), "Lion"))
    betas = ("optimizer_states", 0, "param_groups", 0, "betas")
    check(changed(last, betas, [0.9, 0.999]))
    with pytest.raises(
        InputError, match=r"trained with model.optimizer betas \[0.8, 0.999\], the config asks"
    ):
        check(changed(last, betas, [0.8, 0.999]))


@pytest.mark.parametrize("key", ["callbacks", "optimizer_states", "lr_schedulers"])
def test_weights_only_are_nothing_to_go_on_from(
    key: str, check: Callable[[dict[str, Any]], None], last: dict[str, Any]
) -> None:
    with pytest.raises(InputError, match="it holds weights only"):
        check(changed(last, (key,)))


def test_another_class_or_other_groups_of_the_optimiser_are_errors() -> None:
    weight = torch.nn.Parameter(torch.zeros(2))
    own = torch.optim.SGD([{"name": "heads", "params": [weight]}], lr=0.1)
    check_optimizer("SGD", [own.state_dict()], own)
    check_optimizer("SGD", [], own)
    with pytest.raises(InputError, match="Adam trained it, the config asks for SGD"):
        check_optimizer("Adam", [], own)
    other = torch.optim.SGD([{"name": "graph", "params": [weight]}], lr=0.1)
    with pytest.raises(InputError, match="its optimiser trains graph, the config's heads"):
        check_optimizer("SGD", [other.state_dict()], own)


@IN_MEMORY
@pytest.mark.parametrize(
    "schedule",
    [
        partial(WarmupCosine, warmup_epochs=0.5, epochs=3),
        partial(WarmupConstant, warmup_epochs=1.5),
        WarmRestarts,
        partial(OneCycleLR, max_lr=0.1, total_steps=10),
        partial(CyclicLR, base_lr=0.01, max_lr=0.1),
        None,
    ],
)
def test_a_run_of_any_schedule_goes_on_as_if_it_had_not_stopped(
    schedule: Any, make_batch: Callable[..., DayBatch], tmp_path: Path
) -> None:
    blocks = [make_batch(seed=s) for s in range(2)]
    # The last ones cycle the momentum too, which is no setting then.
    options = {"optimizer": partial(torch.optim.SGD, lr=0.01, momentum=0.9), "scheduler": schedule}
    whole, resumed = small_task(**options), small_task(**options)
    fit(whole, blocks, tmp_path, max_epochs=3)
    fit(small_task(**options), blocks, tmp_path).save_checkpoint(tmp_path / "first.ckpt", weights_only=False)
    fit(resumed, blocks, tmp_path, max_epochs=3, ckpt_path=tmp_path / "first.ckpt")
    assert all(torch.equal(v, resumed.state_dict()[name]) for name, v in whole.state_dict().items())


@IN_MEMORY
@pytest.mark.parametrize("schedule", [None, partial(WarmupCosine, warmup_epochs=0, epochs=3)])
def test_another_learning_rate_than_the_checkpoints_is_an_error_with_and_without_a_schedule(
    schedule: Any, make_batch: Callable[..., DayBatch], tmp_path: Path
) -> None:
    kept = tmp_path / "first.ckpt"
    fit(small_task(scheduler=schedule), [make_batch()], tmp_path).save_checkpoint(kept, weights_only=False)
    other = small_task(scheduler=schedule, optimizer=partial(torch.optim.SGD, lr=0.5))
    with pytest.raises(
        InputError, match=r"trained with model.optimizer lr 0.1, the config asks for 0.5; a res"
    ):
        fit(other, [make_batch()], tmp_path, max_epochs=3, ckpt_path=kept)


@IN_MEMORY
def test_averaged_weights_go_on_with_an_average_only(
    make_batch: Callable[..., DayBatch], tmp_path: Path
) -> None:
    kept, average = tmp_path / "first.ckpt", ExponentialAverage(0.9)
    run = fit(small_task(), [make_batch()], tmp_path, average)
    run.save_checkpoint(kept, weights_only=False)
    with pytest.raises(
        InputError, match=r"^checkpoint: its run averages the weights, and this one does not; add"
    ):
        fit(small_task(), [make_batch()], tmp_path, max_epochs=2, ckpt_path=kept)
    fit(small_task(), [make_batch()], tmp_path, ExponentialAverage(0.9), max_epochs=2, ckpt_path=kept)
