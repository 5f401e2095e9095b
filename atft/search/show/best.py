"""Print the best trial's own configuration, for python -m atft fit, or write it to a file.

A copy of the ``config.yaml`` that the trial trained with, under another run's name; its head says which trial that
is and what its value is worth.
"""

import re
from contextlib import suppress
from pathlib import Path

from atft.callbacks.record.receipt import read_receipt
from atft.errors import InputError
from atft.files.digest import text_digest
from atft.files.publish import publish_text
from atft.process.console import plain_console
from atft.search.question.options import SweepOptions
from atft.search.show.arguments import sweep_arguments
from atft.search.show.overview import Overview, overview
from atft.search.study.files import CONFIG
from atft.search.study.storage import storage_errors
from atft.search.study.study import open_study


def run(arguments: list[str]) -> int:
    """Write the best point as a config; the exit code is 1 where no trial is complete."""
    options, sweep = sweep_arguments("best", (__doc__ or "").partition("\n")[0], arguments)
    path: Path | None = options.out
    with storage_errors(sweep):
        now = overview(open_study(sweep), sweep)
    console = plain_console()
    if now.best is None:
        console.print(f"study {sweep.study}: no trial is complete, so there is no best one")
        return 1
    text = best_config(now, sweep, path)
    if path is None:
        console.print(text, soft_wrap=True, markup=False, end="")
        return 0
    if not path.parent.is_dir():
        raise InputError(f"--out {path}: no folder {path.parent}; make it first")
    publish_text(path, text)
    console.print(
        f"trial {now.best.number}, {sweep.metric} {now.best.value:+.4f}: written to {path}\n"
        f"train it with  python -m atft fit --config {path}",
        soft_wrap=True,
    )
    return 0


def best_config(now: Overview, sweep: SweepOptions, path: Path | None) -> str:
    """The YAML text of the best trial: the head, then its own configuration, which must be on this machine."""
    assert now.best is not None
    text = _trained_config(sweep, now.best.number)
    name = f"name: {sweep.study}-best"[:86]
    worth = "One completed trial says nothing about how much;"
    if now.deflated is not None:
        worth = f"After taking off what choosing gains by luck alone, expect {now.deflated.expected:+.4f};"
    return f"""\
# Trial {now.best.number} of study {sweep.study}, the best of {now.finished}: {sweep.metric} {now.best.value:+.4f} \
on the validation days
#
#   python -m atft fit --config {path or "FILE"}
#
# The best of many trials promises too much. {worth}
# the test days, which the sweep has not used, decide.
{re.sub(r"^name: .*$", name, text, count=1, flags=re.MULTILINE)}"""


def _trained_config(sweep: SweepOptions, number: int) -> str:
    """A trial's ``config.yaml``; raises InputError where it is missing, or not what the trial's receipt says."""
    config = sweep.trial_directory(number) / CONFIG
    if not config.is_file():
        raise InputError(f"{config}: no such file; run this on the machine that trained trial {number}")
    content = config.read_bytes()
    with suppress(FileNotFoundError):
        trained, now = read_receipt(config.parent).digests.get("config"), text_digest(content)
        if trained not in (None, now):
            raise InputError(
                f"{config}: edited or damaged since trial {number} trained with it (digest {trained}, now {now}); "
                "put it back as it was"
            )
    return content.decode()
