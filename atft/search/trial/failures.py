"""Why a trial fails, in six classes by who has to act.

===========  ======================================================================================
``config``   the point or the base config: an invalid value, a loss that does not stay finite, scores
             that collapse, an objective that is no number. Training again gives the same
``data``     the panel or the cache
``disk``     it is full, or takes no files. Every trial would fail, so the sweep stops: this one is interrupted
``memory``   the device or the machine is full: a smaller batch may fit
``time``     the trial's wall clock ran out before its first value
``code``     everything else is a bug, of this program or of a class that the config names
===========  ======================================================================================

The type of the exception decides; for an `InputError`, which has several causes, the module that raised it.
"""

import traceback
from typing import Literal

from atft.errors import InputError, RunFailed
from atft.files.publish import is_of_the_disk

FailureClass = Literal["config", "data", "disk", "memory", "code", "time"]

DATA_MODULES = (
    *("atft.data", "atft.market.write", "atft.panel", "atft.trading_days"),
    *(f"atft.files.{name}" for name in ("cells", "dates", "panel_files", "parquet", "publish")),
)
"""Modules, and packages, whose `InputError` is about files on the disk."""
CONFIG_MODULES = tuple(
    f"atft.data.{name}"
    for name in ("block_plan", "blocks", "folds", "graph", "loader", "scaling", "split", "tuning_folds")
)
"""Modules in those packages whose `InputError` is about the configuration, as that of all other modules is."""

MEMORY_ERRORS = {"OutOfMemoryError", "OutOfMemory", "MemoryError"}
"""Names of torch's, our own and Python's exceptions; by name, since nothing that reads a study imports torch."""

MAX_REASON_CHARACTERS = 400


class TrialFailed(Exception):
    """A trial without a value: the class of its failure, and the reason in one line."""

    def __init__(self, kind: FailureClass, reason: str) -> None:
        super().__init__(f"{kind}: {reason}")
        self.kind: FailureClass = kind
        self.reason = reason


class DiskFailed(InputError):
    """The disk is full, or takes no files any more: no trial can train until it does."""


class Interrupted(Exception):
    """The user stopped the trial; its last checkpoint is whole, and a retry resumes there."""


def classify(error: BaseException) -> FailureClass:
    """The class of an exception that ended a trial."""
    if isinstance(error, TrialFailed):
        return error.kind
    if is_of_the_disk(error):
        return "disk"
    # torch's CPU allocator raises a plain RuntimeError.
    cpu_full = isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error)
    if cpu_full or MEMORY_ERRORS & {kind.__name__ for kind in type(error).__mro__}:
        return "memory"
    if isinstance(error, InputError):
        module = _raised_in(error)
        return "data" if module.startswith(DATA_MODULES) and module not in CONFIG_MODULES else "config"
    if isinstance(error, RunFailed):
        return "config"
    return "data" if isinstance(error, OSError) else "code"


def describe_error(error: BaseException) -> str:
    """An exception's message in one line, with its type where it is not one of our own."""
    if isinstance(error, TrialFailed):
        return error.reason
    text = " ".join(str(error).split())
    if not text or not isinstance(error, InputError | RunFailed):
        text = f"{type(error).__name__}: {text}".strip(": ")
    return text if len(text) <= MAX_REASON_CHARACTERS else text[: MAX_REASON_CHARACTERS - 1] + "…"


def _raised_in(error: BaseException | None) -> str:
    """The module of atft that raised an exception first, before others raised it again with another message."""
    module = ""
    while error is not None:
        for frame, _ in traceback.walk_tb(error.__traceback__):
            name = str(frame.f_globals.get("__name__", ""))
            module = name if name.startswith("atft.") else module
        error = error.__cause__ or error.__context__
    return module
