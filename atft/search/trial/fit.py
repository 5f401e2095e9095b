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
from typing import TYPE_CHECKING, Any

import optuna

from atft.callbacks.record.messages import append_log
from atft.callbacks.record.receipt import metrics_file, publish_json, read_receipt, write_receipt
from atft.callbacks.record.run_checkpoint import BEST, Measured, find_checkpoint, measured_of
from atft.errors import InputError
from atft.search.question.frozen import data_digest
from atft.search.question.options import SweepOptions
from atft.search.study.files import study_labels
from atft.search.study.outcome import Outcome
from atft.search.trial.callbacks import PROGRESS, EpochEnd, Heartbeat, TrialPruning
from atft.search.trial.failures import Interrupted, TrialFailed
from atft.search.trial.record import TRIAL, receipt_digests
from atft.search.trial.resume import LAST, PreviousRun, read_previous, report_again

if TYPE_CHECKING:
    from atft.commands.ranking_cli import RankingCLI


@dataclass
class RunPlan:
    """What all training runs of a trial share: one, or one a fold.

    Args:
        sweep: metric, pruner and limits.
        trial: running.
        config: nested configuration, complete but for what a run decides.
        heartbeat: publishes how far the trial is.
        stop: called after each epoch; True interrupts.
        deadline: of `time.monotonic`; None for no limit.
        retries: what the receipt says of a halved batch.
    """

    sweep: SweepOptions
    trial: optuna.Trial
    config: dict[str, Any]
    heartbeat: Heartbeat
    stop: Callable[[], bool]
    deadline: float | None = None
    retries: list[dict[str, Any]] = field(default_factory=list)


def fit(
    plan: RunPlan, directory: Path, retried_from: Path | None = None, split: dict[str, Any] | None = None
) -> float:
    """Train once; return the metric at the selected epoch.

    Args:
        plan: configuration, metric and limits.
        directory: of the run; made by the caller.
        retried_from: directory of the failed run that this one takes the place of.
        split: of one fold, in place of ``data.split``; without it the run reports each epoch to the study and may
            be pruned.

    Raises:
        optuna.TrialPruned: it is not worth going on.
        Interrupted: ``plan.stop`` said so.
        InputError: the configuration or the data cannot be used.
        RunFailed: a guard ended the run.
        TrialFailed: the selected epoch has no value.
    """
    from atft.commands.train import build

    freeze_gc()
    metric = plan.sweep.metric
    config = (
        plan.config if split is None else {**plan.config, "data": {**plan.config["data"], "split": split}}
    )
    cli = build("fit", config, directory, quiet=True)
    _check(cli, plan.trial.study)
    record, receipt = cli.record, cli.record.receipt
    record.to_write = ()
    receipt.digests |= receipt_digests(study_labels(plan.trial.study))
    record.former_retries = plan.retries
    previous = None
    if retried_from is not None:
        receipt.retried_from = str(retried_from)
        previous = read_previous(retried_from, receipt.alarms, cli.trainer.max_epochs or 0)
    for alarm in receipt.alarms:
        append_log(directory, f"warning: {alarm}")
    if previous is not None:
        record.history = list(previous.history)
        receipt.resumed_from = str(previous.directory / LAST)
        if split is None:
            report_again(plan.trial, previous.history, metric)
        if previous.over:
            return take_over(previous, directory, metric)
    callbacks: list[Any] = [plan.heartbeat]
    if split is None:
        callbacks.append(TrialPruning(plan.trial, metric, plan.sweep.pruner.name, record))
    callbacks.append(EpochEnd(plan.stop, plan.deadline, plan.sweep.limits.minutes, record))
    cli.trainer.callbacks.extend(callbacks)  # type: ignore[attr-defined]
    try:
        cli.trainer.fit(cli.model, datamodule=cli.datamodule, ckpt_path=receipt.resumed_from)
        if receipt.outcome == Outcome.INTERRUPTED:
            raise Interrupted(record.stopped)
        with record.concluding():
            value = _conclude(cli, metric)
    finally:
        release_run(cli)
    if receipt.outcome == Outcome.PRUNED:
        raise optuna.TrialPruned(record.stopped)
    return value


def _check(cli: "RankingCLI", study: optuna.Study) -> None:
    """Check that a run trains on one device, and on the panel of the study's other trials."""
    devices = cli.trainer.world_size
    if devices > 1:
        raise InputError(
            f"trainer.devices: a trial trains on one device, got {devices}; set it to 1 and give the "
            f"sweep more workers"
        )
    now, began = data_digest(cli.datamodule.panel), study.user_attrs.get("data_digest")
    if began and now != began:
        raise TrialFailed(
            "data",
            f"the panel is not the one that the study began with (digest {began}, now {now}); put it back, or give "
            f"the sweep another study name",
        )


def _conclude(cli: "RankingCLI", metric: str) -> float:
    """Write the selected checkpoint's figures into the receipt, and return its value of the metric."""
    record, checkpoint = cli.record, find_checkpoint(cli.trainer)
    selected = checkpoint.selected if checkpoint is not None else None
    if selected is None and record.stopped:  # by the clock: what is pruned was validated
        raise TrialFailed("time", f"{record.stopped}, before its first validation")
    if selected is None:
        raise TrialFailed(
            "config",
            f"{record.directory}: no checkpoint was selected; is training limited, or the metric NaN?",
        )
    record.receipt.outcome = record.receipt.outcome or Outcome.COMPLETE
    record.finish(final_metrics(selected, metric))
    if record.receipt.status == "failed":
        raise TrialFailed("config", record.receipt.reason)
    return value_of(selected, metric, record.directory)


def final_metrics(selected: Measured, metric: str) -> dict[str, float]:
    """Metrics of the selected epoch in a run's receipt: its validation, and the metric that is optimised."""
    return {k: v for k, v in selected.metrics.items() if k.startswith("val/") or k == metric}


def value_of(selected: Measured, metric: str, directory: Path) -> float:
    """The selected epoch's value of a metric.

    Raises:
        TrialFailed: it is missing or not finite; nothing stands in for it.
    """
    value = selected.metrics.get(metric, math.nan)
    if not math.isfinite(value):
        fault = "not a finite number" if metric in selected.metrics else "missing"
        raise TrialFailed("config", f"{directory}: {metric} of the selected epoch is {fault}")
    return value


def take_over(previous: PreviousRun, directory: Path, metric: str) -> float:
    """Copy the files of a run that had ended by itself into this one's directory, without training."""
    shutil.copytree(
        previous.directory, directory, dirs_exist_ok=True, ignore=shutil.ignore_patterns(TRIAL, PROGRESS)
    )
    receipt = read_receipt(directory)
    selected = measured_of(directory / BEST)
    value = value_of(selected, metric, directory)
    receipt.run, receipt.retried_from = str(directory), str(previous.directory)
    receipt.metrics, receipt.selected_step = dict(final_metrics(selected, metric)), selected.step
    receipt.outcome = receipt.outcome or Outcome.COMPLETE
    if receipt.status == "running":  # killed after its last epoch, before it could say so
        receipt.status = "completed"
    write_receipt(receipt, directory)
    publish_json(directory / "metrics.json", metrics_file(receipt, previous.history))
    if receipt.outcome == Outcome.PRUNED:
        raise optuna.TrialPruned(receipt.reason)
    return value


@cache
def freeze_gc() -> None:
    """Import what every run needs and exclude it from garbage collection, which would scan it after each run."""
    import atft.commands.ranking_cli  # noqa: F401

    gc.collect()
    gc.freeze()


def release_run(cli: "RankingCLI") -> None:
    """Free a run's memory: its objects refer to one another, and a worker trains hundreds of them."""
    import torch

    cli.trainer.callbacks.clear()  # type: ignore[attr-defined]
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
