"""One training run of a trial: a run directory like any other, and the value of its selected checkpoint.

It is `python -m atft fit` in process, without what follows training: nothing is predicted or compared. A retry
resumes from the failed trial's checkpoint; that trial's epochs are reported to the study again and are in its
metrics, as if it had never been interrupted. Where all epochs were done, its files are copied, nothing is trained.
"""

import gc
import math
import shutil
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna

from atft.callbacks.record.messages import append_log
from atft.callbacks.record.receipt import read_receipt, write_receipt
from atft.callbacks.record.run_checkpoint import Measured, measured_of, selected_epoch
from atft.commands.resume import LAST, keep_last
from atft.errors import InputError
from atft.files.checkpoint_file import BEST
from atft.search.question.frozen import check_panel
from atft.search.study.files import PROGRESS, TRIAL, receipt_digests
from atft.search.study.outcome import Outcome
from atft.search.trial.callbacks import EpochEnd, TrialPruning
from atft.search.trial.failures import Interrupted, TrialFailed
from atft.search.trial.record import TrialRecord
from atft.search.trial.resume import PreviousRun, read_previous, report_again

if TYPE_CHECKING:
    from atft.commands.ranking_cli import RankingCLI


def fit(
    record: TrialRecord,
    config: dict[str, Any],
    directory: Path,
    retried_from: Path | None = None,
    is_fold: bool = False,
) -> float:
    """Train once; return the metric at the selected epoch. A fold reports no epoch to the study and is not pruned.

    Raises what `atft.search.trial.run.run_trial` does, and InputError or RunFailed for a fault in the training run.
    """
    from atft.commands.train import build
    from atft.tasks.initial_weights import load_initial_weights

    freeze_gc()
    check_panel(config, record.trial.study)
    sweep, metric = record.sweep, record.sweep.metric
    cli = build("fit", config, directory, quiet=True)
    if (devices := cli.trainer.world_size) > 1:
        raise InputError(
            f"trainer.devices: a trial trains on one device, got {devices}; set it to 1 and give the "
            f"sweep more workers"
        )
    run, receipt = cli.record, cli.record.receipt
    receipt.digests |= receipt_digests(record.labels)
    run.former_retries = record.retries
    previous = None
    if retried_from is not None:
        receipt.retried_from = str(retried_from)
        previous = read_previous(retried_from, receipt.alarms, cli.trainer.max_epochs)
    for alarm in receipt.alarms:
        append_log(directory, f"warning: {alarm}")
    if previous is not None:
        # The metrics, and what the study sees, are as if the trial had never been interrupted.
        run.history = list(previous.history)
        record.charge(previous.history)
        receipt.resumed_from = str(previous.directory / LAST)
        if not is_fold:
            report_again(record.trial, previous.history, metric)
        if previous.over:
            return take_over(previous, directory, metric)
    elif cli.config.init_from is not None:
        load_initial_weights(cli.model, cli.config.init_from, cli.datamodule)
    callbacks: list[Any] = [record.heartbeat]
    if not is_fold:  # folds are compared by their mean, so none is pruned by itself
        callbacks.append(TrialPruning(record.trial, metric, sweep.pruner.name, run))
    callbacks.append(EpochEnd(record.stop, record.deadline, sweep.limits.minutes, run))
    cli.trainer.callbacks.extend(callbacks)
    try:
        cli.trainer.fit(cli.model, datamodule=cli.datamodule, ckpt_path=receipt.resumed_from)
        if receipt.outcome == Outcome.INTERRUPTED:
            raise Interrupted(run.stopped)
        with run.concluding():
            value = _conclude(cli, metric)
    finally:
        _end_wandb_runs(cli)
        release_run(cli)
    # Only now: a pruned run is a whole one, with the figures of its selected epoch in the receipt.
    if receipt.outcome == Outcome.PRUNED:
        raise optuna.TrialPruned(run.stopped)
    return value


def _conclude(cli: "RankingCLI", metric: str) -> float:
    """Write the selected checkpoint's figures into the receipt, and return its value of the metric."""
    record, selected = cli.record, selected_epoch(cli.trainer)
    if selected is None and record.stopped:  # by the clock: what is pruned was validated
        raise TrialFailed("time", f"{record.stopped}, before its first validation")
    if selected is None:
        raise TrialFailed(
            "config",
            f"{record.directory}: no checkpoint was selected; is training limited, or the metric NaN?",
        )
    record.receipt.outcome = record.receipt.outcome or Outcome.COMPLETE
    record.finish(receipt_metrics(selected, metric))
    if record.receipt.status == "failed":
        raise TrialFailed("config", record.receipt.reason)
    return value_of(selected, metric, record.directory)


def receipt_metrics(selected: Measured, metric: str) -> dict[str, float]:
    """Metrics of the selected epoch in a run's receipt: its validation, and the metric that is optimised."""
    return {k: v for k, v in selected.metrics.items() if k.startswith("val/") or k == metric}


def value_of(selected: Measured, metric: str, directory: Path) -> float:
    """The selected epoch's value of a metric; raises TrialFailed where it is missing or not finite."""
    value = selected.metrics.get(metric, math.nan)
    if not math.isfinite(value):
        fault = "not a finite number" if metric in selected.metrics else "missing"
        raise TrialFailed("config", f"{directory}: {metric} of the selected epoch is {fault}")
    return value


def take_over(previous: PreviousRun, directory: Path, metric: str) -> float:
    """Copy the files of a run that had ended normally into this one's directory, without training."""
    others = shutil.ignore_patterns(TRIAL, PROGRESS, LAST)
    shutil.copytree(previous.directory, directory, dirs_exist_ok=True, ignore=others)
    # Last: a directory that a kill left without it is no run to resume, and the previous one is.
    keep_last(str(previous.directory / LAST), directory)
    receipt = read_receipt(directory)
    selected = measured_of(directory / BEST)
    value = value_of(selected, metric, directory)
    receipt.run, receipt.retried_from = str(directory), str(previous.directory)
    receipt.metrics, receipt.selected_step = dict(receipt_metrics(selected, metric)), selected.step
    receipt.outcome = receipt.outcome or Outcome.COMPLETE
    if receipt.status == "running":  # killed after its last epoch, before it was marked
        receipt.status = "completed"
    write_receipt(receipt, directory, previous.history)
    if receipt.outcome == Outcome.PRUNED:
        raise optuna.TrialPruned(receipt.reason)
    return value


@cache
def freeze_gc() -> None:
    """Import what every run needs and exclude it from garbage collection, which would scan it after each run."""
    import atft.commands.ranking_cli  # noqa: F401

    gc.collect()
    gc.freeze()


def _end_wandb_runs(cli: "RankingCLI") -> None:
    """A process has one run of W&B at a time: the next trial's logger would write to this trial's."""
    from lightning.pytorch.loggers import WandbLogger

    for logger in cli.trainer.loggers:
        if isinstance(logger, WandbLogger) and logger._experiment is not None:
            logger._experiment.finish()


def release_run(cli: "RankingCLI") -> None:
    """Free a run's memory: its objects refer to one another, and a worker trains hundreds of them."""
    import torch

    cli.trainer.callbacks.clear()
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
