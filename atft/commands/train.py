"""fit, validate, test, predict: LightningCLI over the ranking task and the day data.

Decides where a run lands (``lightning_logs/<name>/version_N``), which callbacks every run has, and what happens
after training: the selected checkpoint scores every later day, and the end-of-fit table compares it with the
baselines on days it has never seen. Checkpoints carry the resolved configuration, so ``--ckpt_path`` alone is
enough for every command but fit.
"""

import logging
import sys
import tempfile
import warnings
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atft.commands.class_paths import check_classes, check_words
from atft.commands.parser_errors import parser_errors
from atft.commands.resume import keep_last, only_concludes, resume_path, stops_say_how_to_go_on
from atft.errors import InputError

if TYPE_CHECKING:
    from atft.commands.ranking_cli import RankingCLI


def run(command: str, arguments: list[str]) -> int:
    """Run ``fit``, ``validate``, ``test`` or ``predict`` with LightningCLI's arguments."""
    cli = build(command, arguments)
    from atft.data.workers import lost_workers

    with lost_workers():
        return fit(cli) if command == "fit" else evaluate(cli, command)


def build(
    command: str,
    arguments: list[str] | dict[str, Any],
    directory: Path | None = None,
    quiet: bool = False,
) -> "RankingCLI":
    """Parse the arguments and build trainer, model and data, without running anything.

    Args:
        command: fit, validate, test or predict.
        arguments: what follows the command, as words or as a nested mapping of keys.
        directory: where the run lies, made by the caller; None for the next version of its name.
        quiet: print no line after an epoch; run.log keeps them.

    Raises:
        InputError: a key or value that is not accepted; the message names the nearest known key.
    """
    _quiet()
    from atft.commands.ranking_cli import RankingCLI

    before = sys.argv
    sys.argv = [before[0]]
    try:
        with parser_errors(command), tempfile.TemporaryDirectory() as folder:
            if isinstance(arguments, list):
                arguments = _with_checkpoint_config(command, arguments, Path(folder))
                check_words(arguments)
            else:
                check_classes(arguments)
            return RankingCLI.of(command, arguments, directory, quiet)
    finally:
        sys.argv = before


def fit(cli: "RankingCLI") -> int:
    """Train, then score the days after training with the selected checkpoint and print the comparison.

    A run that goes on from a finished training only does what follows it.
    """
    import torch

    from atft.callbacks.record.atomic_checkpoint import read_checkpoint
    from atft.callbacks.record.run_log import append_log
    from atft.commands.after_fit import conclude
    from atft.tasks.checkpoint_fit import refuse_other_shapes
    from atft.tasks.resume_check import check_resume

    resumed, wanted = resume_path(cli), cli.trainer.max_epochs
    if resumed is not None:
        content = read_checkpoint(resumed)
        if content.get("optimizer_states"):  # weights alone are answered with the directory
            refuse_other_shapes(content["state_dict"], cli.model.state_dict())
            stepping = None if cli.config.curriculum.phases else cli.model.build_optimizer(wanted or 1)
            check_resume(content, cli.trainer, stepping)
        cli.record.over = only_concludes(resumed, -1 if wanted is None else wanted)
    cli.record.receipt.resumed_from = resumed
    cli.own_directory()
    if cli.trainer.is_global_zero:
        for line in cli.datamodule.lines_of("train"):
            print(line)  # noqa: T201
            append_log(cli.directory, line)
    with stops_say_how_to_go_on(cli):
        cli.trainer.fit(cli.model, datamodule=cli.datamodule, ckpt_path=resumed)
    alone = cli.trainer.is_global_zero
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()  # one process goes on, and must not wait for the others
    if not alone:
        return 0
    with cli.record.concluding(), stops_say_how_to_go_on(cli):
        if resumed is not None:
            keep_last(resumed, cli.directory)
        return conclude(cli)


def evaluate(cli: "RankingCLI", command: str) -> int:
    """Run ``validate``, ``test`` or ``predict`` with a checkpoint."""
    from rich.console import Console

    console = Console()
    path = resume_path(cli)
    if path is None:
        raise InputError(
            f"{command} needs --ckpt_path FILE (or last): an untrained network has nothing to say"
        )
    if command == "predict":
        from atft.commands.predict import predict

        return predict(cli, path)
    metrics = getattr(cli.trainer, command)(
        cli.model, datamodule=cli.datamodule, ckpt_path=path, verbose=False
    )
    if not cli.trainer.is_global_zero:
        return 0
    for line in cli.datamodule.lines_of("test" if command == "test" else "val"):
        console.print(line, soft_wrap=True, highlight=False)
    for name, value in sorted(metrics[0].items()):
        console.print(f"{name:<24} {value:+.4f}", highlight=False)
    return 0


def _with_checkpoint_config(command: str, arguments: list[str], folder: Path) -> list[str]:
    """Without ``--config``, take the configuration that the checkpoint carries; given keys still override it."""
    named = any(a in ("-c", "--config") or a.startswith("--config=") for a in arguments)
    checkpoint = _value_of(arguments, "--ckpt_path")
    helps = any(a in ("-h", "--help") or a.startswith("--help=") for a in arguments)
    if named or helps:
        return arguments
    if command == "fit" or checkpoint is None:
        raise InputError(
            f"{command} needs --config FILE" + ("" if command == "fit" else " or --ckpt_path FILE")
        )
    if checkpoint == "last":
        raise InputError("--ckpt_path=last needs --config FILE, which says the run's name")
    import yaml

    from atft.commands.checkpoint_config import checkpoint_config

    text = yaml.safe_dump(checkpoint_config(Path(checkpoint)))
    (folder / "config.yaml").write_text(text, encoding="utf-8")
    return ["--config", str(folder / "config.yaml"), *arguments]


def _value_of(arguments: list[str], option: str) -> str | None:
    return next(iter(_values_of(arguments, option)), None)


def _values_of(arguments: list[str], *options: str) -> list[str]:
    """What follows each of the options, as ``--option value`` or ``--option=value``."""
    found = [after for before, after in pairwise(arguments) if before in options]
    return found + [a.split("=", 1)[1] for a in arguments if a.startswith(tuple(f"{o}=" for o in options))]


def _quiet() -> None:
    """Keep third parties from talking over our lines: each exception with its reason."""
    import lightning.pytorch  # noqa: F401  (resets its loggers on import)
    from jsonargparse._deprecated import JsonargparseDeprecationWarning

    # Lightning 2.6 calls jsonargparse functions that only version 5 removes; the bound in pyproject is below 5.
    warnings.filterwarnings("ignore", category=JsonargparseDeprecationWarning)
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    for message in (
        ".*LeafSpec.*",
        ".*does not have many workers.*",  # in-process loading is the measured best on small machines
        ".*Trying to infer the `batch_size`.*",
        ".*`weights_only` was not set.*",
        ".*Checkpoint directory .* exists and is not empty.*",  # last.ckpt and config.yaml share the run's folder
        ".*Experiment logs directory .* exists and is not empty.*",  # the TensorBoard logger made it
        ".*have no `val_dataloader`.*",
        ".*It is recommended to use `self.log.*sync_dist=True.*",  # what is logged is the same on all ranks
        ".*Grad strides do not match bucket view strides.*",  # costs a copy of a weight of hidden size squared
        ".*no pre-optimization state was saved.*",  # a checkpoint holds the weights after its step
        ".*smaller than the logging interval.*",  # an epoch's values are logged however short it is
        ".*Be aware that when using `ckpt_path`.*",  # only training selects and stops; scoring needs the weights
    ):
        warnings.filterwarnings("ignore", message=message)
