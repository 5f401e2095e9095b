"""The checkpoint from which a run resumes, and what is left to do after it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atft.errors import InputError
from atft.files.publish import published
from atft.process.termination import how_stopped

if TYPE_CHECKING:
    from atft.commands.ranking_cli import RankingCLI

LAST = "last.ckpt"
START_AGAIN = "no epoch was finished, start again"


def newest_checkpoint(root: Path) -> Path | None:
    """The newest ``last.ckpt`` of all versions of a run's name."""
    return max(root.glob(f"version_*/{LAST}"), key=lambda path: path.stat().st_mtime, default=None)


def resume_path(cli: "RankingCLI") -> str | None:
    """The checkpoint that ``--ckpt_path`` names; ``last`` is the newest of the run's name, an error without one."""
    asked = cli.config.get("ckpt_path")
    if asked != "last":
        return None if asked is None else str(asked)
    newest = newest_checkpoint(cli.run_root)
    if newest is None:
        raise InputError(f"--ckpt_path=last: no {LAST} under {cli.run_root}; leave it out to start again")
    return str(newest)


def only_conclusion_left(cli: "RankingCLI", checkpoint: str) -> bool:
    """Whether training was over at a checkpoint, and what follows training was not written.

    Raises:
        InputError: the checkpoint does not match the model or the curriculum, or knows days that the run scores;
            or training was over, and all is written.
    """
    from atft.files.checkpoint_file import read_checkpoint
    from atft.runs.resumed_run import all_done, check_resumed

    content = read_checkpoint(checkpoint)
    whole = check_resumed(
        content, checkpoint, cli.trainer, cli.model, cli.datamodule, cli.config_text, bool(cli.phases)
    )
    written = _all_written(Path(checkpoint).parent)
    if whole and written:
        raise all_done(content, checkpoint, cli.trainer.max_epochs)
    return not written and (whole or _stopped_by_itself(content.get("callbacks", {})))


def _all_written(directory: Path) -> bool:
    from atft.callbacks.record.receipt import read_receipt

    try:
        return not read_receipt(directory).missing
    except (InputError, OSError):  # moved away from its run, or the files are damaged
        return False


def _stopped_by_itself(callbacks: dict[str, Any]) -> bool:
    """Whether early stopping or a criterion had ended the training when the checkpoint was written."""
    early = [state for key, state in callbacks.items() if key.startswith("EarlyStopping")]
    # With a patience of 0 the first epoch that is no better ends the training, as with 1.
    patient = all(state["wait_count"] < max(1, state["patience"]) for state in early)
    return not patient or bool(callbacks.get("RunRecord", {}).get("stopped"))


def keep_last(checkpoint: str, directory: Path) -> None:
    """Copy the resumed checkpoint to the run's own ``last.ckpt``, where the run has trained no further."""
    last = directory / LAST
    if not last.is_file():
        with published(last) as beside:
            shutil.copyfile(checkpoint, beside)


@contextmanager
def resume_advice(cli: "RankingCLI") -> Iterator[None]:
    """Raise Ctrl-C and SIGTERM, which Lightning turns into an exit, as they came, and say how to resume."""
    try:
        yield
    except (SystemExit, KeyboardInterrupt) as ended:
        stop = ended if isinstance(ended, KeyboardInterrupt) else ended.__context__
        if not isinstance(stop, KeyboardInterrupt):
            raise
        how = _after_pretraining(cli) if cli.command == "pretrain" else _after_fit(cli)
        raise type(stop)(f"{how_stopped(stop)}; {how}") from None


def _after_fit(cli: "RankingCLI") -> str:
    """How a stopped fit goes on: from the file with the most steps of its own and the one that it resumed."""
    from atft.callbacks.record.run_checkpoint import find_checkpoint, measured_of
    from atft.files.checkpoint_file import BEST

    kept = [path for path in (cli.directory / LAST, cli.directory / BEST) if path.is_file()]
    callback, resumed = find_checkpoint(cli.trainer), cli.record.receipt.resumed_from
    weights_only = callback is not None and callback.save_weights_only
    usable = [*([] if resumed is None else [Path(resumed)]), *([] if weights_only else kept)]
    if not usable:
        return (
            "checkpoint.save_weights_only keeps nothing to go on from, start again" if kept else START_AGAIN
        )
    # A resumed run has taken over the best epoch of the run before it, which may be as late as its last one.
    latest = usable[0] if len(usable) == 1 else max(usable, key=lambda path: measured_of(path).step)
    newest = newest_checkpoint(cli.run_root)
    last = newest is not None and newest.resolve() == latest.resolve()
    return f"the same command with --ckpt_path {'last' if last else latest} goes on"


def _after_pretraining(cli: "RankingCLI") -> str:
    """What a stopped pretraining, which cannot be resumed, leaves."""
    from atft.runs.pretraining_callbacks import PRETRAINED

    weights, epochs = cli.directory / PRETRAINED, cli.record.receipt.epochs
    if not weights.is_file():
        return START_AGAIN
    return f"pretrain does not resume; fit --init_from {weights} begins with the weights of epoch {epochs}"
