"""Where a run goes on: the checkpoint that ``--ckpt_path`` names, and what is left to do from there."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atft.errors import InputError
from atft.publish import published
from atft.termination import how_stopped

if TYPE_CHECKING:
    from atft.commands.ranking_cli import RankingCLI

LAST = "last.ckpt"


def newest_checkpoint(root: Path) -> Path | None:
    """The newest ``last.ckpt`` of all versions of a run's name."""
    found = sorted(root.glob(f"version_*/{LAST}"), key=lambda p: p.stat().st_mtime)
    return found[-1] if found else None


def resume_path(cli: "RankingCLI") -> str | None:
    """The checkpoint that ``--ckpt_path`` names; ``last`` is the newest of the run's name.

    Raises:
        InputError: there is none.
    """
    wanted = cli.config.get("ckpt_path")
    if wanted != "last":
        return None if wanted is None else str(wanted)
    newest = newest_checkpoint(cli.run_root)
    if newest is None:
        raise InputError(f"--ckpt_path=last: no {LAST} under {cli.run_root}; leave it out to start again")
    return str(newest)


def only_concludes(checkpoint: str, max_epochs: int) -> bool:
    """Whether training was over at a checkpoint, and what follows training was not written.

    Args:
        checkpoint: the one to go on from.
        max_epochs: that are asked for now; -1 for no bound.

    Raises:
        InputError: training was over, and all is written.
    """
    from atft.callbacks.record.atomic_checkpoint import read_checkpoint

    content = read_checkpoint(checkpoint)
    done = int(content["loops"]["fit_loop"]["epoch_progress"]["current"]["processed"])
    whole = 0 <= max_epochs <= done
    written = _all_written(Path(checkpoint).parent)
    if whole and written:
        raise InputError(
            f"{checkpoint}: {done} epochs are done and trainer.max_epochs is {max_epochs}; raise it to go on"
        )
    return not written and (whole or _stopped_by_itself(content.get("callbacks", {})))


def _all_written(directory: Path) -> bool:
    from atft.callbacks.record.receipt import read_receipt

    try:
        return not read_receipt(directory).missing
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
    ):  # moved away from its run, or the run's files are damaged
        return False


def _stopped_by_itself(callbacks: dict[str, Any]) -> bool:
    """Early stopping, or a gate, had ended the training when the checkpoint was written."""
    early = [state for key, state in callbacks.items() if key.startswith("EarlyStopping")]
    patient = all(state["wait_count"] < state["patience"] for state in early)
    return not patient or bool(callbacks.get("RunRecord", {}).get("stopped"))


def keep_last(checkpoint: str, directory: Path) -> None:
    """Keep the checkpoint that a run went on from as its own last one, where it has trained no further."""
    place = directory / LAST
    if not place.is_file():
        with published(place) as beside:
            shutil.copyfile(checkpoint, beside)


@contextmanager
def stops_say_how_to_go_on(cli: "RankingCLI") -> Iterator[None]:
    """Pass on Ctrl-C and SIGTERM, which Lightning turns into an exit, with how to go on.

    Raises:
        KeyboardInterrupt: the block was stopped; of the same kind as what stopped it.
    """
    try:
        yield
    except (SystemExit, KeyboardInterrupt) as ended:
        stop = ended if isinstance(ended, KeyboardInterrupt) else ended.__context__
        if not isinstance(stop, KeyboardInterrupt):
            raise
        goes_on = "the same command with --ckpt_path last goes on"
        how = goes_on if newest_checkpoint(cli.run_root) is not None else "no epoch was finished, start again"
        raise type(stop)(f"{how_stopped(stop)}; {how}") from None
