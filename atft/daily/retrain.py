"""retrain: keep a registry of checkpoints up to date, one run of ``fit`` each so many trading days, in processes.

It trains what is missing and ends; run again, with a longer panel, it goes on. So one line in a crontab is enough.
"""

import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from atft.commands.arguments import read_count, take_options
from atft.daily.registry import CONFIG, RECORD, registry_states, write_registry_table
from atft.daily.retrain_plan import DatedRun, RetrainPlan, dated_run, due_dates, make_plan
from atft.errors import InputError, counted
from atft.files.publish import parse_json
from atft.files.yaml_text import read_date
from atft.option_types import check_least, check_option_types

if TYPE_CHECKING:
    from atft.commands.ranking_cli import RankingCLI
    from atft.crossval.run_state import RunState

HELP = """\
usage: python -m atft retrain --config FILE ... --every N [options] [--any.key VALUE ...]

Train the configuration every N trading days, each time as if it were that day: no later price is used. The runs go
into a registry, one folder a date; predict --on DATE --registry DIR scores with the checkpoint known on that date.
Run the command again to train what is new or was interrupted. The validation days move along, as many as
data.split.val has; the days before them train, from the first of data.split.train on.

options
  --every N          trading days from one run to the next; 63 is a quarter
  --registry DIR     default lightning_logs/<name>_registry; if the registry exists, --config may be left out
  --from DATE        date of the first run; default: the day on which all labels of data.split.val are known
  --workers N        runs at a time; default 1
  --threads N        most threads of all runs together; default: the cores
  --config, --any.key and --debug as in fit: python -m atft fit --help

With lightgbm among --baselines each run keeps its trees, which predict --scorer blend reads.
--baselines '[]' saves the time that they take.

examples
  python -m atft retrain --config mine.yaml --every 63
      a new checkpoint every quarter
  python -m atft retrain --registry lightning_logs/mine_registry
      continue, for instance once a week from a crontab: docs/daily.md
"""
OPTION_NAMES = ("--every", "--registry", "--from", "--workers")


class RetrainOptions(NamedTuple):
    """Options of the command."""

    every: int | None
    """None for that of the registry that is there."""
    registry: Path | None
    first: date | None
    workers: int


def run(_: str, arguments: Sequence[str]) -> int:
    """Run ``retrain``; 0 once no run is due."""
    from atft.crossval.child import child_program

    if not arguments or {"-h", "--help"} & set(arguments):
        print(HELP, end="")  # noqa: T201
        return 0
    options, words = split_retrain_arguments(arguments)
    retrain(options, words, child_program())
    return 0


def split_retrain_arguments(arguments: Sequence[str]) -> tuple[RetrainOptions, list[str]]:
    """Take the options out of the words of a command line; the others are those of ``fit``, in their order."""
    taken, words = take_options(arguments, *OPTION_NAMES)
    own = dict(taken)
    options = RetrainOptions(
        read_count("--every", own["every"]) if "every" in own else None,
        Path(own["registry"]) if "registry" in own else None,
        read_date("--from", own["from"]) if "from" in own else None,
        read_count("--workers", own.get("workers", "1")),
    )
    return options, words


def retrain(options: RetrainOptions, words: list[str], program: Sequence[str]) -> Path:
    """Train every run of a registry that is due and not finished; the registry's folder.

    ``words`` are those of ``fit``, and ``program`` is the command line of ``python -m atft`` in a child process.

    Raises:
        InputError: a mistake in the options or the configuration, or another one than the registry's.
        RunFailed: a run failed twice; all others are finished.
        KeyboardInterrupt: Ctrl-C or SIGTERM, saying how to go on.
    """
    from atft.commands.train import build
    from atft.crossval.child_run import LOCK
    from atft.crossval.cross_validate import finish_runs
    from atft.crossval.directory import write_record
    from atft.crossval.request import check_many_runs, threads_of_each
    from atft.crossval.run_pool import RunPool
    from atft.files.file_lock import exclusive

    if not any(word.startswith(("-c", "--config")) for word in words):
        if options.registry is None or not (options.registry / RECORD).is_file():
            where = "" if options.registry is None else f": no {RECORD} in {options.registry}"
            raise InputError(f"retrain needs --config FILE, or --registry DIR of one that has begun{where}")
        words = ["--config", f"{options.registry}/{CONFIG}", *words]
    cli = build("fit", words, quiet=True)
    check_many_runs(cli, "the same command again goes on")
    registry = options.registry or cli.run_root.with_name(f"{cli.run_root.name}_registry")
    with exclusive(registry / LOCK, f"{registry}: another process works in it now; wait for its end"):
        plan = registry_plan(cli, registry, options)
        manifest, split = cli.datamodule.open_cache().manifest, cli.datamodule.split_options
        days, left = due_dates(manifest.dates, plan, list(registry_states(registry)))
        reach = manifest.longest_label_days
        runs = [dated_run(manifest.dates, split, reach, plan, day) for day in days]
        check_splits(cli, runs)
        write_record(registry / RECORD, plan, cli.config_text)
        dates = f"{counted(len(runs), 'run')}, {runs[0].name} to {runs[-1].name}, "
        dates += f"{plan.val_days} validation days each"
        print(f"registry  {registry}: {dates}; the next is due in {counted(left, 'trading day')}")  # noqa: T201
        threads = threads_of_each(cli, options.workers)

        def command(run: DatedRun, state: "RunState", _: object) -> list[str]:
            return [*program, *retrain_words(registry, threads, run, state)]

        try:
            pool = RunPool(registry, runs, command, options.workers)
            finish_runs(pool, f"python -m atft retrain --registry {registry}")
        finally:
            write_registry_table(registry, registry_states(registry))
    return registry


def registry_plan(cli: "RankingCLI", registry: Path, options: RetrainOptions) -> RetrainPlan:
    """The plan of a registry: its own where it is there, else that of the options.

    Raises:
        InputError: ``--every`` is missing, or differs from the registry's, as does the configuration.
    """
    from atft.crossval.directory import check_same_config

    path = registry / RECORD
    if not path.is_file():
        if options.every is None:
            raise InputError("retrain needs --every N, the trading days from one run to the next")
        manifest = cli.datamodule.open_cache().manifest
        split, reach = cli.datamodule.split_options, manifest.longest_label_days
        return make_plan(manifest.dates, split, reach, options.every, options.first)
    try:
        plan = RetrainPlan(**parse_json(path))
        check_option_types(RECORD, plan)
        check_least(f"{RECORD}.", plan, every=1, val_days=1)
        date.fromisoformat(plan.first)
    except (TypeError, ValueError) as error:
        raise InputError(f"{path}: cannot be read; name another registry") from error
    check_same_config(registry, cli.config_text, "name another --registry", cli.text_of)
    for name, asked, kept in (
        ("--every", options.every, plan.every),
        ("--from", options.first and options.first.isoformat(), plan.first),
    ):
        if asked not in (None, kept):
            raise InputError(f"{registry}: began with {name} {kept}, now {asked}; name another --registry")
    return plan


def check_splits(cli: "RankingCLI", runs: Sequence[DatedRun]) -> None:
    """Check that every run has days, before the first one trains."""
    data = cli.datamodule
    for run in runs:
        try:
            data.split_by(run.split_options(data.split_options))
        except InputError as error:
            raise InputError(f"the run of {run.name}: {error}") from error


def retrain_words(registry: Path, threads: int, run: DatedRun, state: "RunState") -> list[str]:
    """The words of the ``fit`` that trains a run with the configuration's baselines, or goes on with it."""
    words = ["fit", "--config", str(registry / CONFIG), "--trainer.default_root_dir", str(registry)]
    words += ["--name", run.name, "--threads", str(threads)]
    words += ["--data.split.train", json.dumps(run.train), "--data.split.val", json.dumps(run.val)]
    words += ["--data.split.test", "null", "--data.split.known_to", run.name]
    return words if state.checkpoint is None else [*words, "--ckpt_path", str(state.checkpoint)]
