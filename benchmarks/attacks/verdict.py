"""What one attack came to: the program said one line, gave the sound result, or failed in a way that it must not.

`observe` runs an attack's action behind the same guard as the command line and classifies what a user would see.
Whether an accepted input gave the sound result is the action's to say: it returns what differs, bit by bit.
"""

import io
import re
import traceback
import warnings
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from typing import NamedTuple

from atft.cli import guarded, main

LONGEST = 300
"""Characters of an error line that is still one line for a reader."""
OF_A_RUN = re.compile(r"epoch |warning: |.*, \d+:\d\d:\d\d so far$")
"""Lines that a run prints before the error that ends it: of training, and of work that takes over a second."""
GOOD = ("clean", "harmless")
BAD = ("untidy", "traceback", "silent", "crash", "hang", "executed")
"""untidy: an error that is not one short line, or that leaves files behind."""


class Result(NamedTuple):
    """What was done to the input, what it came to, and what the program said."""

    what: str
    verdict: str
    said: str = ""


def observe(what: str, action: Callable[[], str], left: Callable[[], str] = str) -> Result:
    """Run an attack in this process and say what it came to.

    Args:
        what: what was done to the input, in a few words.
        action: uses the input; returns what differs from the sound result, empty where nothing does.
        left: after an error, names what should not be there.
    """
    differs: list[str] = []

    def run() -> int:
        differs.append(action())
        return 0

    out, err = io.StringIO(), io.StringIO()
    with warnings.catch_warnings(), redirect_stdout(out), redirect_stderr(err):
        try:
            code = guarded(run, debug=False)
        except BaseException:  # noqa: BLE001  (whatever an attack raises is what it found; Polars' panics too)
            return Result(what, "traceback", _last_call(traceback.format_exc()))
    said = err.getvalue().strip()
    if code == 0:
        return Result(what, "silent" if differs[0] else "harmless", differs[0])
    lines = [line for line in said.splitlines() if not OF_A_RUN.match(line)]
    tidy = len(lines) == 1 and lines[0].startswith("atft: error: ") and len(lines[0]) < LONGEST
    tidy = tidy and lines[0].isprintable()
    remains = left()
    if remains:
        return Result(what, "untidy", f"left behind: {remains}; {said}")
    return Result(what, "clean" if tidy and code in (1, 2) else "untidy", said)


def command(*words: object) -> str:
    """Run ``python -m atft`` in this process, for use inside `observe`: a command that fails raises its message.

    Returns:
        What it printed.
    """
    out = io.StringIO()
    with redirect_stdout(out):
        code = main([*map(str, words), "--debug"])  # --debug lets the error pass, to be judged by `observe`
    if code != 0:
        raise AssertionError(f"exit status {code} without an error: {out.getvalue()[-200:]}")
    return out.getvalue()


def _last_call(text: str) -> str:
    """The end of a traceback: where in the program it was raised, and the error."""
    lines = text.strip().splitlines()
    places = [line.strip() for line in lines if line.lstrip().startswith("File ")]
    in_program = [p for p in places if "/atft/" in p and "attacks" not in p]
    return " | ".join([*(in_program[-1:] or places[-1:]), *([lines[-1]] if lines else [])])[:600]
