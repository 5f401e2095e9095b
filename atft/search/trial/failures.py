"""Why a trial fails, in five classes that say who has to act.

===========  ======================================================================================
``config``   the point or the base config: a value that is refused, a loss that does not stay finite,
             scores that collapse, an objective that is no number. Training again gives the same
``data``     the panel, the cache or the disk
``memory``   the device or the machine is full: a smaller batch may fit
``time``     the trial's wall clock ran out before its first value
``code``     everything else is a bug, of this program or of a class that the config names
===========  ======================================================================================

The class is decided by the exception's type, and where one type serves several (`InputError`), by the module
of ours that raised it.
"""

import traceback
from collections.abc import Iterator
from typing import Literal, get_args

from atft.errors import InputError, RunFailed

FailureClass = Literal["config", "data", "memory", "code", "time"]
CLASSES: tuple[FailureClass, ...] = get_args(FailureClass)

OF_DATA = (
    "atft.cells",
    "atft.data.build",
    "atft.data.cache",
    "atft.data.fingerprint",
    "atft.data.gates",
    "atft.data.graph_build",
    "atft.data.label_gate",
    "atft.data.manifest",
    "atft.data.panel_pass",
    "atft.data.panel_stream",
    "atft.data.record_file",
    "atft.data.survey",
    "atft.data.training_gates",
    "atft.data.whole_days",
    "atft.dates",
    "atft.market.write",
    "atft.panel",
    "atft.parquet",
    "atft.publish",
    "atft.trading_days",
)
"""Modules that refuse what lies on the disk; all others refuse what stands in the configuration."""

OUT_OF_MEMORY = ("OutOfMemoryError", "OutOfMemory", "MemoryError")
"""Names of torch's, our own and Python's exceptions; by name, since nothing that reads a study imports torch."""

LONGEST_REASON = 400


class TrialFailed(Exception):
    """A trial without a value.

    Args:
        kind: one of `CLASSES`.
        reason: one line.
    """

    def __init__(self, kind: FailureClass, reason: str) -> None:
        super().__init__(f"{kind}: {reason}")
        self.kind: FailureClass = kind
        self.reason = reason


class Interrupted(Exception):
    """The user stopped the trial; its last checkpoint is whole, and a retry goes on from there."""


def classify(error: BaseException) -> FailureClass:
    """The class of an exception that ended a trial."""
    if isinstance(error, TrialFailed):
        return error.kind
    if _is_memory(error):
        return "memory"
    if isinstance(error, InputError):
        return "data" if _raised_in(error).startswith(OF_DATA) else "config"
    if isinstance(error, RunFailed):
        return "config"
    if isinstance(error, OSError):
        return "data"
    return "code"


def reason_of(error: BaseException) -> str:
    """What an exception says, in one line; with its type where the type says more than that the user erred."""
    if isinstance(error, TrialFailed):
        return error.reason
    said = " ".join(str(error).split())
    own = isinstance(error, InputError | RunFailed) and said
    text = said if own else f"{type(error).__name__}: {said}".strip(": ")
    return text if len(text) <= LONGEST_REASON else text[: LONGEST_REASON - 1] + "…"


def _is_memory(error: BaseException) -> bool:
    if any(kind.__name__ in OUT_OF_MEMORY for kind in type(error).__mro__):
        return True
    # torch's allocator on the processor raises a plain RuntimeError.
    return isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error)


def _raised_in(error: BaseException) -> str:
    """The module of ours that raised an exception first, before others passed it on in their own words."""
    deepest = ""
    for link in _chain(error):
        for frame, _ in traceback.walk_tb(link.__traceback__):
            name = str(frame.f_globals.get("__name__", ""))
            if name.startswith("atft."):
                deepest = name
    return deepest


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
