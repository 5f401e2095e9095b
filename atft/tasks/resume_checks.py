"""Check a checkpoint before a run resumes from it: its optimiser, schedule, counts and callbacks.

Lightning and torch restore what they find without a check: they fail at the first entry that is missing, or
continue with something else. Here each entry is compared with the run's own before anything is restored: the same
keys, values of the same kind, counts that are possible, and an optimiser of the same settings.
"""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from atft.errors import InputError
from atft.files.checkpoint_file import is_count

if TYPE_CHECKING:
    import lightning.pytorch as pl

LOOPS = ("fit_loop", "validate_loop", "test_loop", "predict_loop")
STAGES = ("ready", "started", "processed", "completed")
"""Counts of Lightning's progress."""
NOT_COMPARED = ("params", "lr", "name")
"""Of an optimiser's group: compared elsewhere, or changed by the schedule."""
CYCLED = ("momentum", "betas")
"""Of a group: changed by those schedules of torch's that cycle the momentum."""
SCHEDULE_SETTINGS = ("base_lrs", "warmup_epochs", "eta_min_ratio", "T_0", "T_mult")
"""State of a schedule that never changes."""


def check_resume(
    checkpoint: Mapping[str, Any],
    trainer: "pl.Trainer",
    expected: tuple[Optimizer, LRScheduler | None] | None,
) -> None:
    """Check a checkpoint before anything of it is restored into a run.

    Optimiser and schedule are ``expected`` as new ones of the run; None where its first phase, which decides what
    they train, is not set yet.
    """
    for key in ("callbacks", "optimizer_states", "lr_schedulers"):
        if key not in checkpoint:
            raise InputError(
                f"checkpoint: it holds weights only ({key} is missing), nothing to resume from; name another one"
            )
    check_loops(checkpoint, trainer)
    _check_counts(checkpoint)
    if expected is not None:
        _check_optimizer_state(checkpoint, *expected)
        _check_schedule(checkpoint["lr_schedulers"], expected[1])
    callbacks = trainer.callbacks  # type: ignore[attr-defined]
    if "current_model_state" in checkpoint and not any(isinstance(c, WeightAveraging) for c in callbacks):
        raise InputError(
            "checkpoint: its run averages the weights, and this one does not; add the same callback to "
            "trainer.callbacks, or begin a new run with --init_from"
        )
    for callback in callbacks:
        state = checkpoint["callbacks"].get(callback.state_key)
        if state is not None:
            _check_kind(state, callback.state_dict(), f"callbacks.{type(callback).__name__}")


def check_loops(checkpoint: Mapping[str, Any], trainer: "pl.Trainer") -> None:
    """Check the state of the trainer's loops, which an evaluation restores too."""
    for loop in LOOPS:
        _check_kind(checkpoint["loops"].get(loop), getattr(trainer, loop).state_dict(), f"loops.{loop}")


def check_optimizer(trained_by: str, states: Sequence[Mapping[str, Any]], expected: Optimizer) -> None:
    """Check that the config's optimiser, ``expected``, is of the class and groups that trained the checkpoint."""
    if type(expected).__name__ != trained_by:
        raise InputError(
            f"checkpoint: {trained_by} trained it, the config asks for {type(expected).__name__}; "
            f"resume with the same model.optimizer, or start again"
        )
    trained = [group.get("name", "all") for state in states[:1] for group in state["param_groups"]]
    asked = [group.get("name", "all") for group in expected.param_groups]
    if trained and trained != asked:
        raise InputError(
            f"checkpoint: its optimiser trains {', '.join(trained)}, the config's {', '.join(asked)}; "
            f"resume with the same network, or start again"
        )


def _check_kind(saved: Any, expected: Any, path: str) -> None:
    """Raise where a value is not of the kind that the run's own value has, keys and lengths included."""
    if needed := _needed(saved, expected):
        raise _wrong(path, needed)
    if isinstance(expected, Mapping):
        for key, value in expected.items():
            if key not in saved:
                raise _wrong(f"{path}.{key}", "there")
            _check_kind(saved[key], value, f"{path}.{key}")
        # The order of a progress's counts means nothing after a resume: Lightning sets only some of them back.
        counts = [saved[stage] for stage in STAGES if stage in expected]
        if counts and not (set(saved) == set(expected) and all(map(is_count, counts))):
            raise _wrong(path, "counts")
    elif isinstance(expected, list | tuple):
        for number, value in enumerate(expected):
            _check_kind(saved[number], value, f"{path}.{number}")


def _needed(saved: Any, expected: Any) -> str:
    """What a value must be to have the kind of the run's own, whatever is inside; empty where it has."""
    if isinstance(expected, Mapping):
        fits, needed = isinstance(saved, Mapping), "a mapping"
    elif isinstance(expected, list | tuple):
        fits = isinstance(saved, list | tuple) and (not expected or len(saved) == len(expected))
        needed = f"a list of {len(expected)}" if expected else "a list"
    elif expected is None:
        several = isinstance(saved, list | Mapping) or (isinstance(saved, Tensor) and saved.numel() != 1)
        fits, needed = not several, "null or one value"
    elif isinstance(expected, Tensor):
        fits = isinstance(saved, Tensor) and saved.shape == expected.shape
        needed = f"a tensor of shape {tuple(expected.shape)}"
    elif _is_number(expected):
        whole = isinstance(expected, int)
        fits = _is_number(saved) and math.isfinite(saved) and not (whole and isinstance(saved, float))
        needed = "a whole number" if whole else "a number"
    else:
        fits, needed = isinstance(saved, type(expected)), f"of type {type(expected).__name__}"
    return "" if fits else needed


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check_counts(checkpoint: Mapping[str, Any]) -> None:
    """Raise where the counts of epochs and steps contradict each other."""
    fit, epoch = checkpoint["loops"]["fit_loop"], checkpoint["epoch"]
    # A checkpoint that is saved when training is over is of the epoch that would be next.
    if fit["epoch_progress"]["current"]["ready"] not in (epoch, epoch + 1):
        raise _wrong("loops.fit_loop.epoch_progress", f"of epoch {epoch + 1}, which the checkpoint is of")
    steps = fit["epoch_loop.manual_optimization.optim_step_progress"]["total"]["completed"]
    if steps != checkpoint["global_step"]:
        raise _wrong("global_step", f"{steps}, the steps that its loops count")
    loaders = fit["state_dict"].get("combined_loader", [])
    for state in loaders if isinstance(loaders, list) else [None]:
        counts = [state.get(k) for k in ("epoch", "done", "steps")] if isinstance(state, Mapping) else [None]
        if not all(map(is_count, counts)) or counts[0] not in (epoch, epoch + 1):
            raise _wrong("loops.fit_loop.state_dict.combined_loader", f"a position after epoch {epoch}")


def _check_optimizer_state(
    checkpoint: Mapping[str, Any], expected: Optimizer, schedule: LRScheduler | None
) -> None:
    states, path = checkpoint["optimizer_states"], "optimizer_states.0"
    if len(states) != 1:
        raise _wrong("optimizer_states", "one optimiser's")
    _check_kind(states[0], {"state": {}, "param_groups": []}, path)
    groups = states[0]["param_groups"]
    if not all(isinstance(group, Mapping) and isinstance(group.get("name", ""), str) for group in groups):
        raise _wrong(f"{path}.param_groups", "a list of named groups")
    check_optimizer(checkpoint.get("atft", {}).get("optimizer") or type(expected).__name__, states, expected)
    left_out = (*NOT_COMPARED, *(CYCLED if getattr(schedule, "cycle_momentum", False) else ()))
    for number, (group, asked) in enumerate(zip(groups, expected.state_dict()["param_groups"], strict=True)):
        _check_kind(group, asked, f"{path}.param_groups.{number}")
        if group["params"] != asked["params"]:
            raise _wrong(f"{path}.param_groups.{number}.params", "the network's")
        for name in sorted(n for n in asked if n not in left_out and _is_setting(asked[n])):
            if _listed(group[name]) != _listed(asked[name]):
                raise InputError(
                    f"checkpoint: trained with model.optimizer {name.removeprefix('initial_')} {group[name]}, the "
                    f"config asks for {asked[name]}; a resume uses the checkpoint's, give the same or start again"
                )
    _check_moments(states[0]["state"], [p for group in expected.param_groups for p in group["params"]])


def _check_schedule(states: list[Any], expected: LRScheduler | None) -> None:
    if len(states) != int(expected is not None):
        raise _wrong("lr_schedulers", "the same model.scheduler as the config asks for")
    if expected is not None:
        settings = expected.state_dict()
        _check_kind(states[0], settings, "lr_schedulers.0")
        for name in sorted(set(SCHEDULE_SETTINGS) & set(settings)):
            if _listed(states[0][name]) != _listed(settings[name]):
                raise _wrong(f"lr_schedulers.0.{name}", f"{settings[name]!r:.60}, which the config asks for")


def _check_moments(states: Mapping[Any, Any], parameters: list[Tensor]) -> None:
    """Raise where the optimiser's state of a parameter has another shape, or other entries than the first."""
    first: dict[str, bool] | None = None  # entry -> whether it is a tensor
    for number, state in states.items():
        path = f"optimizer_states.0.state.{number}"
        if not is_count(number) or number >= len(parameters) or not isinstance(state, Mapping):
            raise _wrong(path, "the state of one of the network's parameters")
        shape = parameters[number].shape
        for name, value in state.items():
            allowed = (
                value.shape in ((), shape) if isinstance(value, Tensor) else isinstance(value, int | float)
            )
            if not allowed:
                raise _wrong(f"{path}.{name}", f"a number, or a tensor of {tuple(shape)}")
        kinds = {str(name): isinstance(value, Tensor) for name, value in state.items()}
        first = first or kinds
        if not kinds or kinds != first:
            raise _wrong(path, f"made of {', '.join(first)} like the first")


def _is_setting(value: Any) -> bool:
    """Whether a value of a group is a plain one: an optimiser may keep other state there too."""
    return all(v is None or isinstance(v, int | float | str) for v in _listed(value))


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, tuple | list) else [value]


def _wrong(path: str, needed: str) -> InputError:
    return InputError(f"checkpoint: {path} is not {needed}; resume from another one, or start again")
