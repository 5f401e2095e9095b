"""`sweep.py best`: the best trial's own configuration, for ``python -m atft fit``.

A copy of the ``config.yaml`` that the trial trained with, under another run's name; its head says where it comes
from and what its number is worth.
"""

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING

from atft.errors import InputError
from atft.publish import publish_text
from atft.search.show.overview import Overview, overview

if TYPE_CHECKING:
    from atft.search.question.options import SweepOptions


def run(arguments: list[str]) -> int:
    """Write the best point as a config; the exit code is 1 where no trial has completed.

    Args:
        arguments: what follows ``sweep.py best``.

    Raises:
        InputError: there is no such sweep or study, or the file cannot be written there.
    """
    parser = argparse.ArgumentParser("sweep.py best", description=__doc__.partition("\n")[0])
    parser.add_argument("--config", required=True, type=Path, help="the sweep, for instance hpo/quick.yaml")
    parser.add_argument("--storage", help="URL of the storage, in place of the sweep's")
    parser.add_argument("--out", type=Path, help="file to write; without it the config is printed")
    given = parser.parse_args(arguments)
    from rich.console import Console

    from atft.search.question.options import read_sweep
    from atft.search.study.study import open_study

    changes = {"storage": given.storage} if given.storage else {}
    sweep = read_sweep(given.config, changes)
    seen = overview(open_study(sweep, create=False), sweep)
    console = Console(highlight=False)
    if seen.best_number is None:
        console.print(f"study {seen.study}: no trial has completed, so there is no best one")
        return 1
    text = best_config(seen, sweep, given.out)
    if given.out is None:
        console.print(text, soft_wrap=True, markup=False, end="")
        return 0
    if not given.out.parent.is_dir():
        raise InputError(f"--out {given.out}: no folder {given.out.parent}; make it first")
    publish_text(given.out, text)
    console.print(
        f"trial {seen.best_number}, {seen.metric} {seen.best_value:+.4f}: written to {given.out}\n"
        f"train it with  python -m atft fit --config {given.out}",
        soft_wrap=True,
    )
    return 0


def best_config(seen: Overview, sweep: "SweepOptions", path: Path | None) -> str:
    """The YAML text: the head, then the trial's own configuration.

    Args:
        seen: where the sweep stands; it has a best trial.
        sweep: its options.
        path: where the text will stand, for the command in its head.

    Raises:
        InputError: the trial's directory is not on this machine.
    """
    from atft.search.trial.record import CONFIG

    own = seen.directory / f"trial_{seen.best_number}" / CONFIG
    if not own.is_file():
        raise InputError(
            f"{own}: no such file; run this on the machine that trained trial {seen.best_number}"
        )
    config = re.sub(
        r"^name: .*$", f"name: {sweep.study}-best"[:86], own.read_text("utf-8"), count=1, flags=re.M
    )
    head = [
        f"# Trial {seen.best_number} of study {seen.study}, the best of {seen.finished}: "
        f"{seen.metric} {seen.best_value:+.4f} on the validation days",
        "#",
        f"#   python -m atft fit --config {path or 'FILE'}",
        "#",
        "# The best of many trials promises too much. "
        + (
            f"After taking off what choosing gains by luck alone, expect {seen.deflated.expected:+.4f};"
            if seen.deflated is not None
            else "One completed trial tells nothing about how much;"
        ),
        "# the test days, which the sweep has not seen, tell the truth.",
    ]
    return "\n".join(head) + "\n" + config
