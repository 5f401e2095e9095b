"""fit, pretrain, validate, test, predict, cache: LightningCLI over the ranking task and the day data.

Decides what happens around training: where a run resumes, and that the selected checkpoint scores every later day
and is compared with the baselines on unseen days. Checkpoints carry the resolved configuration, so
``--ckpt_path`` alone is enough for every command but fit.
"""

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atft.commands.arguments import check_read, read_words
from atft.commands.from_prices import COMMANDS as FROM_PRICES
from atft.commands.key_help import TRAINING
from atft.commands.parser_errors import parser_errors
from atft.commands.pretrain import OVERLOOKED, pretrain
from atft.commands.resume import keep_last, only_conclusion_left, resume_advice, resume_path
from atft.errors import InputError
from atft.process.allocator import return_freed_memory
from atft.process.console import plain_console
from atft.process.garbage import collect_as_usual

if TYPE_CHECKING:
    from atft.commands.ranking_cli import RankingCLI
    from atft.tasks.ranking import RankingTask

NETWORK_KEYS = ("--model.network", "--model.network.class_path")
"""Words that name the network's class."""


def run(command: str, arguments: list[str]) -> int:
    """Run a command with LightningCLI's arguments."""
    if command == "cache" and "--prune" in arguments:
        from atft.commands.prune import run_prune

        return run_prune(arguments)
    if command == "pretrain":
        check_read(arguments, OVERLOOKED, command)
    cli = build(command, arguments)
    from atft.data.loader import lost_workers
    from atft.process.progress import Progress

    action = {"fit": fit, "pretrain": pretrain, "cache": verify}.get(command, evaluate_checkpoint)
    with lost_workers(), Progress(command) if cli.trainer.is_global_zero else nullcontext():
        return action(cli)


def build(
    command: str,
    arguments: list[str] | dict[str, Any],
    directory: Path | None = None,
    quiet: bool = False,
) -> "RankingCLI":
    """Parse the arguments and build trainer, model and data, without running anything.

    Args:
        command: fit, pretrain, validate, test, predict or cache.
        arguments: what follows the command, as words or as a nested mapping of keys.
        directory: of the run, made by the caller; None for the next version of its name.
        quiet: print no line after an epoch; run.log keeps them.

    Raises:
        InputError: a key or value that is not accepted; the message names the nearest known key.
    """
    from atft.runs.third_parties import silence_third_parties

    silence_third_parties()
    from atft.commands.ranking_cli import RankingCLI

    try:
        with parser_errors(command):
            if isinstance(arguments, list):
                arguments = _with_checkpoint_config(command, arguments)
            return RankingCLI(command, arguments, directory, quiet)
    finally:
        collect_as_usual()  # all that is large is imported


def load_weights(task: "RankingTask", checkpoint: Path) -> None:
    """Set the weights, parts and scaling of a task to those of a checkpoint."""
    from atft.files.checkpoint_file import read_checkpoint

    content = read_checkpoint(checkpoint)
    task.on_load_checkpoint(content)
    task.load_state_dict(content["state_dict"])


def fit(cli: "RankingCLI") -> int:
    """Train, then score the days after training with the selected checkpoint and print the comparison.

    A run that resumes a finished training only does what follows it.
    """
    import torch

    from atft.callbacks.record.messages import print_and_log
    from atft.commands.after_fit import AFTER_TRAINING, conclude
    from atft.commands.start_lines import start_lines
    from atft.tasks.initial_weights import load_initial_weights

    resumed = resume_path(cli)
    if resumed is not None:
        cli.record.over = only_conclusion_left(cli, resumed)
    elif cli.config.init_from is not None:
        load_initial_weights(cli.model, cli.config.init_from, cli.datamodule)
    cli.record.receipt.resumed_from, cli.record.to_write = resumed, AFTER_TRAINING
    cli.make_directory()
    if cli.trainer.is_global_zero:
        print_and_log(cli.directory, *start_lines(cli), *cli.datamodule.lines_of("train"))
    return_freed_memory()  # of the panel's and the cache's build
    with resume_advice(cli):
        cli.trainer.fit(cli.model, datamodule=cli.datamodule, ckpt_path=resumed)
    first = cli.trainer.is_global_zero
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()  # one process continues, and must not wait for the others
    if not first:
        return 0
    with cli.record.concluding(), resume_advice(cli):
        if resumed is not None:
            keep_last(resumed, cli.directory)
        return conclude(cli)


def evaluate_checkpoint(cli: "RankingCLI") -> int:
    """Run ``validate``, ``test`` or ``predict`` with a checkpoint."""
    from atft.files.checkpoint_file import read_checkpoint
    from atft.tasks.seen_days import seen_lines

    console, command = plain_console(), cli.command
    path = resume_path(cli)
    if path is None:
        raise InputError(f"{command} needs --ckpt_path FILE (or last): an untrained network measures nothing")
    if command == "predict":
        from atft.commands.predict import predict_to_file

        return predict_to_file(cli, path)
    metrics = getattr(cli.trainer, command)(
        cli.model, datamodule=cli.datamodule, ckpt_path=path, verbose=False
    )
    if not cli.trainer.is_global_zero:
        return 0
    period = "test" if command == "test" else "val"
    dates, days = cli.datamodule.open_cache().manifest.dates, getattr(cli.datamodule.split, period)
    known = seen_lines(read_checkpoint(path)["atft"], path, [dates[day] for day in days], period == "val")
    for line in (*cli.datamodule.lines_of(period), *known):
        console.print(line, soft_wrap=True)
    for name, value in sorted(metrics[0].items()):
        console.print(f"{name:<24} {value:+.4f}")
    return 0


def verify(cli: "RankingCLI") -> int:
    """Build the cache where it is missing (fit does that too), print what is in it, and verify it if asked to."""
    import numpy as np

    from atft.data.cache import cache_lines, verify_cache
    from atft.data.day_checks import check_features

    cache = cli.datamodule.open_cache(append_only=cli.config.append)
    everything = np.arange(len(cache), dtype=np.int64)
    check_features(cache, everything, f"the panel's {len(cache)} days")
    for line in cache_lines(cache):
        print(line)  # noqa: T201
    if cli.config.verify:
        verify_cache(cache.path)
        print("verified: every digest matches")  # noqa: T201
    return 0


def _with_checkpoint_config(command: str, arguments: list[str]) -> list[Any]:
    """Without ``--config``, take the configuration that the checkpoint carries; given keys still override it."""
    words = ["--help" if word == "--help-all" else word for word in arguments]
    read = list(read_words(words))
    names = {word.name for word in read}
    # --data.cache.help and its like print the keys of a section, and need no values.
    of_section = any(name.endswith(".help") for name in names)
    if of_section:
        sys.argv[0] = f"python -m atft {command}"  # by which that help names the program
    if of_section or {"-h", "--help", "--config"} & names:
        return words
    paths = [word.value for word in read if word.name == "--ckpt_path" and word.value is not None]
    if command in TRAINING or not paths:
        ways = ["--config FILE, such as --config quickstart"]
        ways += ["--prices PATH"] if command in FROM_PRICES else []
        ways += [] if command in TRAINING else ["--ckpt_path FILE"]
        raise InputError(f"{command} needs {', or '.join(ways)}")
    if paths[-1] == "last":
        raise InputError("--ckpt_path=last needs --config FILE, which gives the run's name")
    from atft.commands.checkpoint_config import checkpoint_config

    named = [word.value for word in read if word.name in NETWORK_KEYS and word.value is not None]
    return ["--config", checkpoint_config(Path(paths[-1]), named[-1] if named else None), *words]
