"""What a cross-validation was asked for: its runs, the days of its folds, and the command line of each run."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from atft.crossval.directory import CONFIG, CrossvalRecord
from atft.crossval.options import CrossvalOptions
from atft.crossval.plan import FoldRun
from atft.crossval.run_state import RunState
from atft.data.split import Split
from atft.errors import InputError, counted
from atft.files.checkpoint_file import BEST
from atft.process.cores import core_count
from atft.tasks.day_data import DayData

if TYPE_CHECKING:
    from atft.commands.ranking_cli import RankingCLI


def check_many_runs(cli: "RankingCLI", goes_on: str = "crossval --resume DIR goes on") -> None:
    """Check that no checkpoint of one run, a seed to count from and one device a run are asked for.

    The message says how an interrupted start of the many runs ``goes_on``.
    """
    if cli.config.ckpt_path is not None:
        raise InputError(f"--ckpt_path is the checkpoint of one run, leave it out; {goes_on}")
    if type(cli.config.seed_everything) is not int:
        raise InputError(
            f"seed_everything is {cli.config.seed_everything}; give a number, from which the seeds count"
        )
    if cli.trainer.world_size > 1:
        raise InputError(
            f"trainer.devices: each run trains on one device, got {cli.trainer.world_size}; set it to 1 and raise "
            f"--workers"
        )


def every_split(data: DayData, plain: bool) -> dict[int | None, Split]:
    """The days of every fold by its number, or those of the ``plain`` split under None.

    Raises:
        InputError: there are no folds, or one has no room for its days.
    """
    if plain:
        return {None: data.split}
    options = data.split_options
    if options.folds is None:
        raise InputError(
            "crossval needs data.split.folds, for instance --data.split.folds '{every: 252}'; several seeds of the "
            "plain split: fit --seeds N"
        )
    if options.fold is not None:
        raise InputError(f"data.split.fold is {options.fold}, crossval trains every fold; leave it out")
    if options.folds.val_days is None:
        raise InputError(
            "data.split.folds.val_days is null, so no fold has test days; set it, for instance to 252"
        )
    # All of them: a fold without room for its days is an error before any is trained.
    return {fold: data.split_by(replace(options, fold=fold)) for fold in range(data.fold_count())}


def requested_record(
    cli: "RankingCLI", options: CrossvalOptions, former: CrossvalRecord | None, folds: int | None
) -> CrossvalRecord:
    """What this start asks for; where it does not say, what the directory that it resumes has.

    Raises:
        InputError: a warm start whose folds would know days that later ones score.
    """
    count, warm_start, first = options.seeds, options.warm_start, cli.config.seed_everything
    if former is not None:
        count = len(former.seeds) if count is None else count
        warm_start = former.warm_start if warm_start is None else warm_start
    count = 1 if count is None else count
    folding = cli.datamodule.split_options.folds
    if warm_start and (folds is None or folding is None or folding.scheme != "walk_forward"):
        raise InputError(
            "--warm_start needs data.split.folds of the scheme walk_forward: in another one, the fold before has "
            "trained on days that this one scores"
        )
    return CrossvalRecord(folds, list(range(first, first + count)), bool(warm_start), cli.datamodule.digest)


def threads_of_each(cli: "RankingCLI", workers: int) -> int:
    """Threads of each numerical pool of a run: those asked for, or the cores, divided among the workers."""
    return max(1, (cli.config.threads or core_count()) // workers)


def plan_lines(
    record: CrossvalRecord,
    splits: Mapping[int | None, Split],
    workers: int,
    threads: int,
    directory: Path,
) -> list[str]:
    """What is trained, how, and where."""
    many = f"{len(record.seeds)} seeds" if len(record.seeds) > 1 else f"seed {record.seeds[0]}"
    folds = "" if record.folds is None else f"{record.folds} folds x "
    lines = [f"{'runs':<10}{folds}{many}, {workers} at a time, {counted(threads, 'thread')} each"]
    for fold, split in splits.items():
        days = f"train {len(split.train):,}, val {len(split.val):,}, test {len(split.test):,} days"
        name = "split" if fold is None else f"fold {fold}"
        lines.append(f"{name:<10}{days}{'' if split.causal else ', causal: false'}")
    return [*lines, f"{'directory':<10}{directory}", f"{'watch':<10}tensorboard --logdir {directory}"]


def fit_words(
    directory: Path, threads: int, run: FoldRun, state: RunState, before: RunState | None
) -> list[str]:
    """The words of the ``fit`` that trains a run, or resumes it.

    It reads the configuration in ``directory``, and starts from the weights of the finished fold ``before``.
    """
    words = ["fit", "--config", str(directory / CONFIG), "--trainer.default_root_dir", str(directory)]
    words += ["--name", run.name, "--seed_everything", str(run.seed), "--threads", str(threads)]
    words += ["--baselines", "[]"]  # once for all runs: by this command, or by ``baseline``
    if run.fold is not None:
        words += ["--data.split.fold", str(run.fold)]
    if state.checkpoint is not None:
        words += ["--ckpt_path", str(state.checkpoint)]
    elif before is not None and before.directory is not None:
        words += ["--init_from", str(before.directory / BEST)]
    return words
