"""Cross-validation, and several seeds: plan the runs, bring them to their end in processes, join and measure them.

This process builds the network and the cache once, so that a mistake in the configuration or in a fold costs no
training, and trains nothing. Memory at the end: the scores of one fold and horizon, of all seeds.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from atft.callbacks.record.messages import print_and_log
from atft.commands.ranking_cli import RankingCLI
from atft.commands.train import build
from atft.crossval.child_run import LOCK
from atft.crossval.directory import (
    CONFIG,
    RECORD,
    check_same,
    check_same_data,
    other_code_line,
    read_record,
    write_record,
)
from atft.crossval.figures import measure_runs
from atft.crossval.join import join_folds, join_seeds
from atft.crossval.options import CrossvalOptions
from atft.crossval.plan import FoldRun, PlannedRun, planned_runs
from atft.crossval.request import (
    check_many_runs,
    every_split,
    fit_words,
    plan_lines,
    requested_record,
    threads_of_each,
)
from atft.crossval.results import table_rows, write_results
from atft.crossval.run_pool import RunPool
from atft.crossval.run_state import RunState
from atft.data.split import Split
from atft.errors import InputError, RunFailed, listed
from atft.evaluation.predictions import PREDICTIONS, check_predictions, read_horizon
from atft.files.digest import text_digest
from atft.files.file_lock import exclusive
from atft.files.publish import publish_text
from atft.process.progress import Progress
from atft.process.termination import how_stopped
from atft.runs.comparison import Comparison, compare_scorers, comparison_text, trades_until_known
from atft.runs.run_directory import make_version, next_version
from atft.tasks.kept_trees import keep_trees

R = TypeVar("R", bound=PlannedRun)


def cross_validate(plain: bool, options: CrossvalOptions, words: list[str], program: Sequence[str]) -> Path:
    """Train every fold and seed that is not finished, and write the result of all; the directory.

    Args:
        plain: train the plain split, not its folds; a directory that is resumed says so itself.
        options: of the command.
        words: keys of ``fit``.
        program: what runs ``python -m atft`` in a child process.

    Raises:
        InputError: a mistake in the configuration or in a fold, or another one than the directory began with.
        RunFailed: a run failed twice; all others are finished.
        KeyboardInterrupt: Ctrl-C or SIGTERM; the message says how to resume.
    """
    former = None if options.resume is None else read_record(options.resume)
    has_config = any(w.startswith(("-c", "--config")) for w in words)
    if options.resume is not None and not has_config:
        words = ["--config", str(options.resume / CONFIG), *words]
    elif not has_config and not plain:
        raise InputError("crossval needs --config FILE, --prices PATH or --resume DIR")
    # Everything is checked before a directory is made: a mistake leaves none behind.
    cli = build("fit", words, quiet=True)
    check_many_runs(cli)
    plain = plain if former is None else former.folds is None
    splits = every_split(cli.datamodule, plain)
    record = requested_record(cli, options, former, None if plain else len(splits))
    if options.resume is None:
        root = cli.run_root.with_name(f"{cli.run_root.name}_{'seeds' if plain else 'crossval'}")
        directory = make_version(next_version(root))
    else:
        directory = options.resume
        check_same(directory, record, cli.config_text, cli.text_of)
    report = partial(print_and_log, directory)
    with exclusive(directory / LOCK, f"{directory}: another process works in it now; wait for its end"):
        write_record(directory / RECORD, record, cli.config_text)
        threads = threads_of_each(cli, options.workers)
        report(*plan_lines(record, splits, options.workers, threads, directory))
        if former is not None and len(former.seeds) > len(record.seeds):
            rest = former.seeds[len(record.seeds) :]
            report(
                f"{'left out':<10}seeds {listed(map(str, rest))}; --seeds {len(former.seeds)} has them too"
            )

        def command(run: FoldRun, state: RunState, before: RunState | None) -> list[str]:
            return [*program, *fit_words(directory, threads, run, state, before)]

        runs = planned_runs(record.folds, record.seeds)
        pool = RunPool(directory, runs, command, options.workers, record.warm_start, report)
        states = finish_runs(pool, f"python -m atft crossval --resume {directory}")
        receipts = {run.name: state.receipt for run, state in states.items() if state.receipt is not None}
        check_same_data(directory, record, receipts)
        if warning := other_code_line(receipts):
            report(warning)
        report(conclude_runs(cli, directory, splits, states))
    return directory


def finish_runs(pool: RunPool[R], goes_on: str) -> dict[R, RunState]:
    """Bring all runs to their end; an error or a stop names the command that ``goes_on``."""
    try:
        return pool.finish()
    except KeyboardInterrupt as stop:
        raise type(stop)(f"{how_stopped(stop)}; {goes_on} goes on") from None
    except (InputError, RunFailed) as error:
        raise type(error)(f"{error}; finished runs are kept, {goes_on} tries again") from error


def conclude_runs(
    cli: RankingCLI,
    directory: Path,
    splits: Mapping[int | None, Split],
    states: Mapping[FoldRun, RunState],
) -> str:
    """Join the predictions of finished runs, measure them, and write the results; the table as text."""
    files = {run: state.directory / PREDICTIONS for run, state in states.items() if state.directory}
    causal = {fold: split.causal for fold, split in splits.items() if fold is not None}
    min_stocks = {fold: split.min_stocks for fold, split in splits.items()}
    name = "test" if all(len(split.test) for split in splits.values()) else "val"
    out, metrics, data = directory / PREDICTIONS, cli.model.metrics, cli.datamodule
    metadata = {"config": text_digest(cli.config_text), "run": str(cli.config.name), "data": data.digest}
    metadata = {f"atft.{key}": value for key, value in metadata.items()}
    with Progress("joining the runs"):
        if causal:
            join_folds(files, causal, out, metadata)
        else:
            join_seeds(files, out, metadata)
    with Progress("measuring the runs"):
        until_known = partial(trades_until_known, data=data)
        measured = measure_runs(files, name, min_stocks, metrics, until_known)
        rows, least = table_rows(measured, causal, metrics), max(min_stocks.values())
        of_baselines = Comparison([], {}, {}, [], simulated="oracle" in check_predictions(out))
        if not causal:  # the baselines of the plain split, beside the seeds
            tables = [until_known(read_horizon(out, horizon, name)) for horizon in data.horizons]
            of_baselines = compare_scorers(
                tables, data, least, metrics, cli.config.baselines, tree_options=cli.tree_options
            )
            if of_baselines.trees is not None:
                keep_trees(directory, {data.seed: of_baselines.trees}, data)
            rows += [row for row in of_baselines.rows if row.scorer != "network"]
    write_results(directory, measured, states, causal, metrics)
    first, last = min(part.dates[0] for part in measured), max(part.dates[-1] for part in measured)
    not_causal = "" if all(split.causal for split in splits.values()) else ", causal: false"
    compared = of_baselines._replace(rows=rows)
    text = comparison_text(compared, f"{name} days {first} to {last}{not_causal}", least, metrics)
    publish_text(directory / "comparison.txt", text + "\n")
    ending = (
        f"everything: {directory}; intervals, controls, costs: python -m atft evaluate --predictions {out}"
    )
    return f"{text}\n\n{ending}"
