"""Run one trial of a study: draw a point and train it; the result is a number, or a failure with its reason.

The objective is the metric at the epoch that the run selected by that metric, or the mean of that over purged
folds; the running mean is reported after each fold, so the pruner compares trials over the same folds. A trial
whose time (``limits.minutes``) is over ends after its epoch and counts with the value that it has; one that has
none, or has folds still to train, fails for time. Epochs that a retry resumes from count into its time.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import optuna

from atft.callbacks.record.receipt import Receipt, write_receipt
from atft.data.split import period_days
from atft.files.digest import text_digest
from atft.files.publish import publish_json, publish_text
from atft.search.question.config import halve_batch, run_config
from atft.search.question.days import fold_splits
from atft.search.question.frozen import check_frozen, check_panel
from atft.search.question.options import SweepOptions
from atft.search.question.space import suggest
from atft.search.study.files import CONFIG, receipt_digests
from atft.search.trial.failures import Interrupted, TrialFailed
from atft.search.trial.fit import fit
from atft.search.trial.record import TrialRecord
from atft.search.trial.resume import nearest_run


def run_trial(
    sweep: SweepOptions, trial: optuna.Trial, former: Sequence[Path], stop: Callable[[], bool]
) -> float:
    """Train one trial in this process, in ``<root>/<study>/trial_<n>``, and return its objective.

    A retry resumes from the nearest of the ``former`` directories with a checkpoint, each fold from the nearest
    with one of that fold; ``stop`` is called before training and after each epoch. Raises optuna.TrialPruned where
    the pruner ends it, TrialFailed where it has no value, and Interrupted, resumable, where ``stop()`` was true.
    """
    point = suggest(trial, sweep.space)
    with TrialRecord(sweep, trial, stop) as record:
        if stop():
            raise Interrupted("interrupted by the user before training")
        check_frozen(sweep, trial.study)
        config = run_config(sweep, point)
        if trial.user_attrs.get("halved_batch"):
            record.retries.append(halve_batch(config))
        if sweep.folds is None:
            record.value = value = fit(record, config, record.directory, nearest_run(former))
        else:
            record.value = value = mean_over_folds(record, config, former)
    return value


def mean_over_folds(record: TrialRecord, config: dict[str, Any], former: Sequence[Path]) -> float:
    """Train on each fold, in ``fold_<i>`` of the trial's directory, and report the running mean at step = fold.

    Raises as `fit` does, and TrialFailed where the time is over before the last fold.
    """
    from atft.commands.train import build

    sweep, trial, directory = record.sweep, record.trial, record.directory
    check_panel(config, trial.study)
    cli = build("fit", config, directory)
    publish_text(directory / CONFIG, cli.config_text)  # each fold's own differs from it in the split
    data = cli.datamodule
    manifest, lookback = data.open_cache().manifest, data.loader_options.lookback
    reach = manifest.longest_label_days
    splits = fold_splits(data, sweep.folds or 1)
    values: list[float] = []
    trained: list[dict[str, Any]] = []
    for fold, split in enumerate(splits):
        fold_directory = directory / f"fold_{fold}"
        fold_directory.mkdir()
        record.heartbeat.fold = fold
        # The last trial may have been stopped before it reached a fold that one before it had trained.
        previous = nearest_run(place / fold_directory.name for place in former)
        fold_config = {**config, "data": {**config["data"], "split": asdict(split)}}
        values.append(fit(record, fold_config, fold_directory, previous, is_fold=True))
        mean = math.fsum(values) / len(values)
        val = period_days(manifest.dates, split, reach, lookback)["val"][[0, -1]]
        dates = [manifest.dates[day].isoformat() for day in val]
        trained.append({"fold": fold, "val": dates, sweep.metric: values[-1]})
        _publish_folds(record, mean, trained, former, text_digest(cli.config_text))
        trial.report(mean, step=fold)
        if fold + 1 == len(splits):
            break
        if record.deadline is not None and time.monotonic() >= record.deadline:
            limit = f"limits.minutes: {sweep.limits.minutes:g} minutes"
            raise TrialFailed("time", f"{limit} were over after fold {fold + 1} of {len(splits)}")
        if trial.should_prune():
            reason = f"pruned by {sweep.pruner.name} at fold {fold + 1}: mean {sweep.metric} {mean:+.4f}"
            raise optuna.TrialPruned(reason)
        if record.stop():
            raise Interrupted(f"interrupted by the user after fold {fold + 1}")
    return mean


def _publish_folds(
    record: TrialRecord,
    mean: float,
    trained: list[dict[str, Any]],
    former: Sequence[Path],
    config_digest: str,
) -> None:
    """Write the folds that are trained into the trial's own metrics and receipt."""
    metric, digests = record.sweep.metric, receipt_digests(record.labels)
    metrics = {"final": {metric: mean}, "folds": trained, "digests": digests}
    publish_json(record.directory / "metrics.json", metrics)
    digests = {**digests, "config": config_digest}
    receipt = Receipt(run=str(record.directory), digests=digests, metrics={metric: mean})
    receipt.retried_from = str(former[0]) if former else None
    write_receipt(receipt, record.directory)
