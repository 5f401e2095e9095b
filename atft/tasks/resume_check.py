"""Whether a run can go on from a checkpoint: loops, optimiser, schedule and callbacks are like the run's own.

Lightning and torch restore what they are given without a check: they stop at the first thing that is missing, or go
on with something else. Here each entry is compared with the same entry of the run that is to go on: the same keys,
values of the same kind, counts that can be, and an optimiser of the same settings.
"""

import math
from collections.abc import Mapping
from typing import Any

import lightning.pytorch as pl
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from atft.errors import InputError
from atft.tasks.checkpoint_fit import refuse_other_optimizer

LOOPS = ("fit_loop", "validate_loop", "test_loop", "predict_loop")
STAGES = ("ready", "started", "processed", "completed")
"""Counts of a progress."""
MOVES = ("params", "lr", "initial_lr", "name")
"""Of an optimiser's group: compared elsewhere, or moved by the schedule."""
SCHEDULE = ("base_lrs", "warmup_epochs", "eta_min_ratio", "ratio", "T_0", "T_mult")
"""Settings of a schedule, which do not move."""


def check_resume(
    checkpoint: Mapping[str, Any], trainer: pl.Trainer, stepping: tuple[Optimizer, LRScheduler | None] | None
) -> None:
    """Check a checkpoint before anything of it is restored into a run.

    Args:
        checkpoint: its content.
        trainer: of the run that is to go on.
        stepping: optimiser and schedule of the run, new; None where its first phase is not set yet, which decides
            what they train.

    Raises:
        InputError: an entry that the run cannot go on from; the line names it.
    """
    for key in ("callbacks", "optimizer_states", "lr_schedulers"):
        if key not in checkpoint:
            raise InputError(
                f"checkpoint: it holds weights only ({key} is missing), nothing to go on from; name another one"
            )
    check_loops(checkpoint, trainer)
    _check_counts(checkpoint)
    if stepping is not None:
        _check_optimizer(checkpoint, stepping[0])
        _check_schedule(checkpoint["lr_schedulers"], stepping[1])
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        state = checkpoint["callbacks"].get(callback.state_key)
        if state is not None:
            _check_like(state, callback.state_dict(), f"callbacks.{type(callback).__name__}")


def check_loops(checkpoint: Mapping[str, Any], trainer: pl.Trainer) -> None:
    """Check what a checkpoint says of the trainer's loops, which an evaluation restores too.

    Raises:
        InputError: an entry that is missing or of another kind.
    """
    for loop in LOOPS:
        _check_like(checkpoint["loops"].get(loop), getattr(trainer, loop).state_dict(), f"loops.{loop}")


def _check_like(saved: Any, own: Any, place: str) -> None:
    """Raise where a value is not of the kind that the run's own value has, keys and lengths included."""
    if isinstance(own, Mapping):
        if not isinstance(saved, Mapping):
            raise _wrong(place, "a mapping")
        for key, value in own.items():
            if key not in saved:
                raise _wrong(f"{place}.{key}", "there")
            _check_like(saved[key], value, f"{place}.{key}")
        if set(STAGES) & set(own):
            _check_progress(saved, own, place)
    elif isinstance(own, list | tuple):
        if not isinstance(saved, list | tuple) or (own and len(saved) != len(own)):
            raise _wrong(place, f"a list of {len(own)}" if own else "a list")
        for number, value in enumerate(own):
            _check_like(saved[number], value, f"{place}.{number}")
    elif own is None:
        if isinstance(saved, list | Mapping) or (isinstance(saved, Tensor) and saved.numel() != 1):
            raise _wrong(place, "null or one value")
    elif isinstance(own, Tensor):
        if not isinstance(saved, Tensor) or saved.shape != own.shape:
            raise _wrong(place, f"a tensor of shape {tuple(own.shape)}")
    elif isinstance(own, bool) or not isinstance(own, int | float):
        if not isinstance(saved, type(own)):
            raise _wrong(place, f"of type {type(own).__name__}")
    elif isinstance(saved, bool) or not isinstance(saved, int | float) or not math.isfinite(saved):
        raise _wrong(place, "a number")
    elif isinstance(own, int) and not isinstance(saved, int):
        raise _wrong(place, "a whole number")


def _check_progress(saved: Mapping[str, Any], own: Mapping[str, Any], place: str) -> None:
    # Their order means nothing after a resume: Lightning sets some of them back, and not others.
    if set(saved) != set(own) or not all(_is_count(saved[stage]) for stage in STAGES if stage in own):
        raise _wrong(place, "counts")


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
        counts = [state.get(k) for k in ("epoch", "done")] if isinstance(state, Mapping) else [None]
        if not all(map(_is_count, counts)) or counts[0] not in (epoch, epoch + 1):
            raise _wrong("loops.fit_loop.state_dict.combined_loader", f"a place after epoch {epoch}")


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 53


def _check_optimizer(checkpoint: Mapping[str, Any], own: Optimizer) -> None:
    states = checkpoint["optimizer_states"]
    place = "optimizer_states.0"
    if len(states) != 1:
        raise _wrong("optimizer_states", "one optimiser's")
    _check_like(states[0], {"state": {}, "param_groups": []}, place)
    groups = states[0]["param_groups"]
    if not all(isinstance(group, Mapping) and isinstance(group.get("name", ""), str) for group in groups):
        raise _wrong(f"{place}.param_groups", "a list of named groups")
    stepped = checkpoint.get("atft", {}).get("optimizer") or type(own).__name__
    refuse_other_optimizer(stepped, states, own)
    for number, (group, asked) in enumerate(zip(groups, own.state_dict()["param_groups"], strict=True)):
        _check_like(group, asked, f"{place}.param_groups.{number}")
        if group["params"] != asked["params"]:
            raise _wrong(f"{place}.param_groups.{number}.params", "the network's")
        for name in sorted(n for n in asked if n not in MOVES and _is_setting(asked[n])):
            if _plain(group[name]) != _plain(asked[name]):
                raise InputError(
                    f"checkpoint: trained with model.optimizer {name} {group[name]}, the config asks for "
                    f"{asked[name]}; a resume goes on with the checkpoint's, give the same or start again"
                )
    _check_moments(states[0]["state"], [p for group in own.param_groups for p in group["params"]])


def _check_schedule(states: list[Any], own: LRScheduler | None) -> None:
    if len(states) != int(own is not None):
        raise _wrong("lr_schedulers", "the same model.scheduler as the config asks for")
    if own is not None:
        _check_like(states[0], own.state_dict(), "lr_schedulers.0")
        for name in set(SCHEDULE) & set(own.state_dict()):
            if _plain(states[0][name]) != _plain(own.state_dict()[name]):
                raise _wrong(
                    f"lr_schedulers.0.{name}", f"{own.state_dict()[name]!r:.60}, which the config asks for"
                )


def _check_moments(states: Mapping[Any, Any], parameters: list[Tensor]) -> None:
    """Raise where what the optimiser remembers of a parameter has another shape, or other parts than the first."""
    kinds: dict[str, bool] | None = None  # whether a part is shaped like its parameter
    for number, state in states.items():
        where = f"optimizer_states.0.state.{number}"
        if not _is_count(number) or number >= len(parameters) or not isinstance(state, Mapping):
            raise _wrong(where, "the state of one of the network's parameters")
        shape = parameters[number].shape
        for name, value in state.items():
            if not isinstance(value, Tensor | int | float) or getattr(value, "shape", ()) not in ((), shape):
                raise _wrong(f"{where}.{name}", f"a number, or a tensor of {tuple(shape)}")
        found = {str(name): isinstance(value, Tensor) for name, value in state.items()}
        kinds = kinds or found
        if not found or found != kinds:
            raise _wrong(where, f"made of {', '.join(kinds)} like the first")


def _is_setting(value: Any) -> bool:
    """Whether a value of a group is a plain one: an optimiser may keep a memory of its own there too."""
    return all(v is None or isinstance(v, int | float | str) for v in _plain(value))


def _plain(value: Any) -> list[Any]:
    return list(value) if isinstance(value, tuple | list) else [value]


def _wrong(place: str, needed: str) -> InputError:
    return InputError(f"checkpoint: {place} is not {needed}; go on from another one, or start again")
