"""The one error a user sees: a single line with what is needed, what came, and what to do.

Anything a user can cause (a file, a key, a number) raises `InputError`; the command line prints its text
without a traceback and exits with 2. A run that a guard ends raises `RunFailed` and exits with 1. Everything
else is a bug and keeps its traceback.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path
from sysconfig import get_path
from traceback import extract_tb

LISTED, LISTED_CHARACTERS = 12, 80
"""Names that a message lists at most, and the characters that they may take."""
_FRAME_FILE = re.compile(r"\bframe-[0-9a-f]{32}\.parquet\b(?! \()")
"""What `atft.files.frames` writes a frame to: a file that its user has never seen."""


class InputError(ValueError):
    """Input that cannot be used. The message is one line: what, where, what to do.

    Control characters, which a file's names and cells may contain, are escaped. A file that was made of a frame is
    said to be one.
    """

    def __init__(self, message: str) -> None:
        super().__init__(printable(_FRAME_FILE.sub(r"\g<0> (the frame given in Python)", message)))


class RunFailed(RuntimeError):
    """A run that must not go on, for a reason that is no bug. The message is one line; the command ends with 1."""

    on_every_device = True
    """All processes of a run raise it alike: one on each machine prints it."""


class NonFiniteLoss(RunFailed):
    """A step's loss or gradient is not finite: applying it would have made the weights invalid."""


class DeadTerm(RunFailed):
    """A term of the loss has a weight and no gradient in a whole epoch: it costs time and trains nothing."""


class VarianceCollapse(RunFailed):
    """The network gives (nearly) one score to all stocks of a day: its ranking has no meaning."""


class LossScaleCollapse(RunFailed):
    """Gradients overflow float16 even unscaled: every further step would be skipped."""


class LowCoverage(RunFailed):
    """An epoch showed fewer days or rows than its plan: the figures would speak of a part of the data."""


class OutOfMemory(RunFailed):
    """A single day does not fit in the device's memory: there is no smaller chunk to try."""

    on_every_device = False


class WorkerLost(RunFailed):
    """A process that reads blocks ahead has died, or has delivered none for too long."""

    on_every_device = False


class LostProcess(RunFailed):
    """Another process of the run has died or does not answer."""

    on_every_device = False


class CriterionFailed(RunFailed):
    """A phase of the training has not met its criterion: going on would cost time for nothing."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Say which known name was probably meant: ``"; did you mean 'hidden_size'?"``, or list them."""
    names = sorted(known)
    meant = closest(name, names)
    return f"; known: {listed(names)}" if meant is None else f"; did you mean {meant!r}?"


def closest(name: str, known: Iterable[str], least: float = 0.6) -> str | None:
    """The known name that is most like another one, upper and lower case being alike; None where none is.

    ``least`` is how like, from 0 to 1: twice the characters that both have in order over all of both.
    """
    of_lower = {one.lower(): one for one in sorted(known, reverse=True)}
    close = get_close_matches(name.lower(), of_lower, n=1, cutoff=least)
    return of_lower[close[0]] if close else None


def check_unique(where: object, names: Sequence[str]) -> None:
    """Check that no two columns have one name; ``where`` they are is for the message."""
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise InputError(f"{where}: two columns are named {twice[0]!r}; rename or drop one")


def listed(names: Iterable[str]) -> str:
    """Names in alphabetical order, as many as a line holds: ``a, b, ... (3 more)``."""
    every = sorted(names)
    shown = every[:LISTED]
    while len(shown) > 1 and len(", ".join(shown)) > LISTED_CHARACTERS:
        shown.pop()
    more = f", ... ({len(every) - len(shown)} more)" if len(every) > len(shown) else ""
    return f"{', '.join(shown) or 'none'}{more}"


def counted(number: int, noun: str) -> str:
    """A number of things in words: ``1 day``, ``2,345 days``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def first_of(names: Sequence[str], most: int, what: str = "") -> str:
    """The first names in their order, and how many more there are: ``a, b, c and 7 more``, of ``what`` they are."""
    more = f" and {len(names) - most:,} more {what}".rstrip() if len(names) > most else ""
    return ", ".join(names[:most]) + more


def clip(text: str, most: int) -> str:
    """Text of at most ``most`` characters: its beginning and its end where it is longer."""
    start = (most - 3) // 2
    return text if len(text) <= most else f"{text[:start]}...{text[len(text) - (most - 3 - start) :]}"


def printable(text: str) -> str:
    r"""Escape what is not printable: a line break becomes ``\n``."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def one_line(error: BaseException, most: int = 120) -> str:
    """The text of a library's error, printable, on one line and without its full stop, to stand inside a message.

    A text of more than ``most`` characters ends in three dots.
    """
    text = printable(" ".join(str(error).split()))
    return text.removesuffix(".") if len(text) <= most else f"{text[: most - 3]}..."


def kind_and_text(error: BaseException) -> str:
    """An exception on one line, for a receipt or a log: ``KeyError at mine.py line 17: 'close'``."""
    return " ".join(f"{type(error).__name__}{users_line(error)}: {error}".strip(": ").split())


def users_line(error: BaseException) -> str:
    """The innermost line of the user's own code on the way to an error, `` at mine.py line 17``.

    Empty where none is: in files of this package, of Python and of installed packages, and for the errors above,
    which say where themselves.
    """
    if isinstance(error, InputError | RunFailed):
        return ""
    folders = [Path(__file__).parent, *(Path(get_path(name)) for name in ("stdlib", "purelib", "platlib"))]
    libraries = {folder.resolve() for folder in folders}
    for frame in reversed(extract_tb(error.__traceback__)):
        file = Path(frame.filename).resolve()
        # An import's own frames are of no file, "<frozen importlib._bootstrap>".
        if file.is_file() and libraries.isdisjoint(file.parents):
            return f" at {file.name} line {frame.lineno}"
    return ""
