"""One training run of a trial: a run directory like any other, and the value of its selected checkpoint.

It is `python -m atft fit` in process, without what follows training: nothing is predicted or compared, since only
the chosen configuration will be. The run goes on from the directory of a failed trial where that left a checkpoint:
the epochs that it finished are told to the study again and stand in the metrics, so that the trial looks as if it
had never been interrupted. Where it had finished them all, its files are taken over and nothing is trained.
"""

import gc
import math
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from atft.callbacks.record.measured import Measured, measured_of
from atft.callbacks.record.messages import append_log
from atft.callbacks.record.receipt import metrics_file, publish_json, read_receipt, write_receipt
from atft.callbacks.record.run_checkpoint import BEST, find_checkpoint
from atft.data.opened import OpenedCaches
from atft.errors import InputError
from atft.search.question.identity import data_digest
from atft.search.trial.callbacks import (
    PROGRESS,
    PRUNED,
    EpochEnd,
    Heartbeat,
    TrialPruning,
)
from atft.search.trial.failures import TrialFailed
from atft.search.trial.files import TRIAL
from atft.search.trial.resume import LAST, Former, read_former, report_again

if TYPE_CHECKING:
    import optuna

    from atft.commands.ranking_cli import RankingCLI

OPENED = OpenedCaches()
"""The caches of this process: its trials read the same days."""

Ended = Literal["finished", "pruned", "late", "interrupted"]


@dataclass
class RunPlan:
    """What is the same for all training runs of a trial.

    Args:
        config: nested configuration, complete but for what a run decides.
        metric: whose value at the selected epoch is the objective.
        labels: digests that the run's receipt carries beside its own.
        stop: asked after each epoch; True interrupts.
        deadline: of `time.monotonic`; None for no limit.
        minutes: the limit in words.
        retries: what the receipt says of a halved batch.
    """

    config: dict[str, Any]
    metric: str
    labels: dict[str, str]
    stop: Callable[[], bool]
    deadline: float | None = None
    minutes: float | None = None
    retries: list[dict[str, Any]] = field(default_factory=list)


class Fitted(NamedTuple):
    """What a training run came to."""

    ended: Ended
    reason: str
    value: float
    """Of the metric at the selected epoch; NaN where there is none."""


def fit(
    plan: RunPlan,
    directory: Path,
    heartbeat: Heartbeat,
    former: Path | None = None,
    trial: "optuna.Trial | None" = None,
    pruner: str = "",
    split: dict[str, Any] | None = None,
) -> Fitted:
    """Train once and say what came of it.

    Args:
        plan: configuration, metric and limits.
        directory: of the run; made by the caller.
        heartbeat: publishes how far the trial is.
        former: directory of the failed run that this one takes the place of.
        trial: reported to and pruned after each epoch; None for neither.
        pruner: its name, for the receipt.
        split: replaces ``data.split`` of the configuration.

    Raises:
        InputError: the configuration or the data cannot be used.
        RunFailed: a guard ended the run.
        TrialFailed: the selected epoch has no value.
    """
    from atft.commands.train import build

    settle()
    config = (
        plan.config if split is None else {**plan.config, "data": {**plan.config["data"], "split": split}}
    )
    cli = build("fit", config, directory, quiet=True)
    if cli.trainer.world_size > 1:
        raise InputError(
            f"trainer.devices: a trial trains on one device, got {cli.trainer.world_size}; set it to 1 and "
            f"give the sweep more workers"
        )
    refuse_other_data(data_digest(cli.datamodule.panel), plan.labels.get("study_data", ""))
    cli.datamodule.opened = OPENED
    receipt = cli.record.receipt
    cli.record.to_write = ()
    receipt.digests |= plan.labels
    cli.record.former_retries = plan.retries
    receipt.retried_from = str(former) if former is not None else None
    found = read_former(former, receipt.alarms, cli.trainer.max_epochs or 0) if former is not None else None
    for alarm in receipt.alarms:
        append_log(directory, f"warning: {alarm}")
    if found is not None:
        cli.record.history = list(found.history)
        if trial is not None:
            report_again(trial, found.history, plan.metric)
        if found.over:
            return take_over(found, directory, plan)
    pruning = TrialPruning(trial, plan.metric, pruner, cli.record) if trial is not None else None
    end = EpochEnd(plan.stop, plan.deadline, plan.minutes, cli.record)
    added = [heartbeat, *([pruning] if pruning is not None else []), end]
    cli.trainer.callbacks.extend(added)  # type: ignore[attr-defined]
    receipt.resumed_from = str(found.directory / LAST) if found is not None else None
    try:
        cli.trainer.fit(cli.model, datamodule=cli.datamodule, ckpt_path=receipt.resumed_from)
        if end.interrupted:
            return Fitted("interrupted", cli.record.stopped, math.nan)
        with cli.record.concluding():
            checkpoint = find_checkpoint(cli.trainer)
            chosen = checkpoint.selected if checkpoint is not None else None
            if end.late and chosen is None:
                raise TrialFailed("time", f"{cli.record.stopped}, before its first validation")
            value = _conclude(cli, directory, chosen, plan.metric)
    finally:
        _let_go(cli)
    if pruning is not None and pruning.pruned:
        return Fitted("pruned", pruning.pruned, value)
    return Fitted("late" if end.late else "finished", cli.record.stopped, value)


def refuse_other_data(now: str, began: str) -> None:
    """Refuse to train on another panel than the study's other trials.

    Args:
        now: digest of the panel that lies there.
        began: digest that the study began with; empty where it is not known.

    Raises:
        TrialFailed: they differ.
    """
    if began and now != began:
        raise TrialFailed(
            "data",
            f"the panel is not the one that the study began with (digest {began}, now {now}); put it back, or give "
            f"the sweep another study name",
        )


def _conclude(cli: "RankingCLI", directory: Path, chosen: Measured | None, metric: str) -> float:
    """Let the receipt say what the selected checkpoint is worth, and return its value of the metric."""
    if chosen is None:
        raise TrialFailed(
            "config", f"{directory}: no checkpoint was selected; is training limited, or the metric NaN?"
        )
    cli.record.finish(final_metrics(chosen, metric))
    if cli.record.receipt.status == "failed":
        raise TrialFailed("config", cli.record.receipt.reason)
    return value_of(chosen, metric, directory)


def final_metrics(chosen: Measured, metric: str) -> dict[str, float]:
    """What a run's receipt keeps of the selected epoch: its validation, and the metric that is optimised."""
    return {k: v for k, v in chosen.metrics.items() if k.startswith("val/") or k == metric}


def value_of(chosen: Measured, metric: str, directory: Path) -> float:
    """The selected epoch's value of a metric.

    Raises:
        TrialFailed: it is missing or not finite; nothing stands in for it.
    """
    value = chosen.metrics.get(metric, math.nan)
    if not math.isfinite(value):
        said = "not a finite number" if metric in chosen.metrics else "missing"
        raise TrialFailed("config", f"{directory}: {metric} of the selected epoch is {said}")
    return value


def take_over(former: Former, directory: Path, plan: RunPlan) -> Fitted:
    """Make the files of a run that had ended by itself those of this one, without training."""
    shutil.copytree(
        former.directory, directory, dirs_exist_ok=True, ignore=shutil.ignore_patterns(TRIAL, PROGRESS)
    )
    receipt = read_receipt(directory)
    chosen = measured_of(directory / BEST)
    value = value_of(chosen, plan.metric, directory)
    receipt.run, receipt.retried_from = str(directory), str(former.directory)
    receipt.metrics, receipt.selected_step = dict(final_metrics(chosen, plan.metric)), chosen.step
    if receipt.status == "running":  # killed after its last epoch, before it could say so
        receipt.status = "completed"
    write_receipt(receipt, directory)
    publish_json(directory / "metrics.json", metrics_file(receipt, former.history))
    return Fitted("pruned" if receipt.reason.startswith(PRUNED) else "finished", receipt.reason, value)


@cache
def settle() -> None:
    """Load what every run needs, and spare the garbage collector from looking through it after each of them."""
    import atft.commands.ranking_cli  # noqa: F401

    gc.collect()
    gc.freeze()


def _let_go(cli: "RankingCLI") -> None:
    """Give back what a run holds: its parts refer to one another, and a worker trains hundreds of them."""
    import torch

    cli.trainer.callbacks.clear()  # type: ignore[attr-defined]
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
