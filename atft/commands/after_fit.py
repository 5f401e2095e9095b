"""What follows training: score the unseen days with the selected checkpoint, compare, print one table.

The comparison is on the test days where the config has them (they were never used to choose anything), else on
the validation days, and the table's title says which. The numbers also go to metrics.json and the receipt.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from atft.callbacks.record.messages import print_and_log
from atft.callbacks.record.run_checkpoint import RunCheckpoint, find_checkpoint
from atft.data.purge import valid_labels
from atft.errors import counted
from atft.evaluation.predictions import read_horizon
from atft.evaluation.summary import SummaryRow, summarise_predictions
from atft.files.publish import publish_text
from atft.runs.comparison import compare_scorers, comparison_text, trades_until_known
from atft.runs.scores import write_scores
from atft.tasks.day_data import DayData
from atft.tasks.kept_trees import keep_trees

if TYPE_CHECKING:
    from atft.commands.ranking_cli import RankingCLI


AFTER_TRAINING = ("predictions.parquet", "comparison.txt", "final metrics")
"""What is written here, as the receipt names it while it is missing."""


def conclude(cli: "RankingCLI") -> int:
    """Score, compare and print; the exit status: 0, or 1 where the run failed."""
    checkpoint = find_checkpoint(cli.trainer)
    if checkpoint is None or checkpoint.selected is None:
        cli.record.finish({})
        print_and_log(cli.directory, f"no checkpoint was kept, nothing to compare; {status_line(cli)}")
        return 0 if cli.record.receipt.status == "limited" else 1
    # Every day from validation on, or of the fold, whatever `predict` scores.
    cli.datamodule.predict_dates = None
    path = write_predictions_of(cli, checkpoint.best_model_path, cli.directory / "predictions.parquet")
    split = "test" if len(cli.datamodule.split.test) else "val"
    text, rows = compare_with_baselines(cli, path, split)
    text = f"{text}\n{weights_line(checkpoint, cli.record.history)}"
    print_and_log(cli.directory, text)
    publish_text(cli.directory / "comparison.txt", text + "\n")
    final = named_metrics(rows, split)
    if split == "test":
        min_stocks, metrics = cli.datamodule.split.min_stocks, cli.model.metrics
        final |= named_metrics(summarise_predictions(path, "val", min_stocks, metrics), "val")
    cli.record.finish(final)
    print_and_log(cli.directory, "", status_line(cli))
    return 1 if cli.record.receipt.status == "failed" else 0


def weights_line(checkpoint: RunCheckpoint, history: Sequence[Mapping[str, float]]) -> str:
    """Which epoch's weights were scored, of how many, and why; where it is the last one, the best one too.

    ``history`` has the metrics of each epoch by name, and ``epoch``, from 0.
    """
    monitor, selected = checkpoint.monitor, checkpoint.selected
    assert selected is not None
    line = f"weights of epoch {selected.epoch + 1} of {len(history)}"
    scores = {int(row["epoch"]): row.get(str(monitor), math.nan) for row in history}
    scores = {epoch: score for epoch, score in scores.items() if math.isfinite(score)}
    best = (max if checkpoint.mode == "max" else min)(scores, key=lambda epoch: scores[epoch], default=None)
    is_best = best is None or scores[best] == scores.get(selected.epoch)
    selects_best = checkpoint.select == "best"
    if not selects_best:
        line += ", the last" if selected.epoch + 1 == len(history) else ", the last that was validated"
    if selects_best and is_best:
        return f"{line}, the best by {monitor}"
    if best is None or selected.epoch not in scores:
        return line
    if is_best:
        return f"{line}, and the best by {monitor}"
    gone = ", whose weights were not there when the run went on" if selects_best else ""
    values = f"{scores[best]:+.4f} against {scores[selected.epoch]:+.4f}"
    return f"{line}; the best by {monitor} was epoch {best + 1}, {values}{gone}"


def status_line(cli: "RankingCLI") -> str:
    """The run's status and its reason, and its directory."""
    receipt = cli.record.receipt
    why = f" ({receipt.reason})" if receipt.reason else ""
    return f"{receipt.status}{why}; everything about the run: {cli.directory}"


def write_predictions_of(cli: "RankingCLI", checkpoint: str, path: Path) -> Path:
    """Score every day to predict with a checkpoint and write the file."""
    digests = {"config": cli.record.receipt.digests["config"], "run": str(cli.config.name)}
    trainer = cli.config.trainer
    return write_scores(
        cli.model, cli.datamodule, path, checkpoint, digests, trainer.accelerator, trainer.precision
    )


def compare_with_baselines(cli: "RankingCLI", path: Path, split: str) -> tuple[str, list[SummaryRow]]:
    """The end-of-fit table as text, and its rows; LightGBM's trees are kept in the run's directory."""
    data, metrics = cli.datamodule, cli.model.metrics
    tables = [trades_until_known(read_horizon(path, horizon, split), data) for horizon in data.horizons]
    comparison = compare_scorers(
        tables, data, data.split.min_stocks, metrics, cli.config.baselines, tree_options=cli.tree_options
    )
    if comparison.trees is not None:
        keep_trees(cli.directory, {data.seed: comparison.trees}, data)
    text = comparison_text(comparison, days_title(data, split), data.split.min_stocks, metrics)
    return text, comparison.rows


def days_title(data: DayData, split: str) -> str:
    """The first and last of the panel's days of test or val; of a fold its number, and whether it is causal.

    Of val also how many labels the figures count that select no checkpoint; see `atft.data.purge`.
    """
    cache, days, purge = data.open_cache(), getattr(data.split, split), data.row_purge
    dates, late = cache.manifest.dates, 0
    if split == "val" and purge is not None:
        late = sum(
            int(cache.known_labels[d].sum() - valid_labels(cache, d, 0, purge).sum()) for d in days.tolist()
        )
    more = f", with {counted(late, 'label')} that end{'s' * (late == 1)} too late to select" if late else ""
    fold = f", {data.split.fold}" if data.split.fold else ""
    return f"{split} days {dates[days[0]]} to {dates[days[-1]]}{fold}{more}"


def named_metrics(rows: list[SummaryRow], split: str, scorer: str = "network") -> dict[str, float]:
    """A scorer's figures by their names (``test/rank_ic_5d``), means over horizons included."""
    metrics = {}
    for name in rows[0].figures if rows else ():
        for lag, suffix in ((0, ""), (1, "_lag1")):
            measured = [r for r in rows if r.scorer == scorer and r.lag == lag]
            for row in measured:
                full_name = f"{split}/{name}_{row.horizon}d{suffix}"
                metrics[full_name], metrics[f"{full_name}_error"] = row.figures[name]
            if measured:
                metrics[f"{split}/{name}{suffix}"] = float(np.mean([r.figures[name].value for r in measured]))
    return metrics
