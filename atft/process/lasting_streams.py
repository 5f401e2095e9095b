"""Standard output and error whose reader may leave, as ``head`` does: later lines go nowhere, the work goes on.

A standard error that takes no line for any other reason, such as a full disk, loses it, for a training has these in
``run.log`` too; of the standard output, which has a command's result, that is an error.

So who reads the lines of a command changes neither its files nor its exit status: an alarm or a leak that was
found still shows in it. A training whose reader has left trains to its end; its lines are in ``run.log``. The cost:
a long table ends no sooner for ``| head``.
"""

import os
import sys
from io import BufferedWriter, FileIO, TextIOWrapper
from typing import Any


class _LastingFile(FileIO):
    """A file descriptor that is pointed at nowhere once its reader has left."""

    def __init__(self, number: int, may_lose: bool) -> None:
        super().__init__(number, "w", closefd=False)
        self._may_lose = may_lose

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            # Processes that are started from here on inherit it too.
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            return super().write(data)
        except OSError:
            if not self._may_lose:
                raise
            return len(data)


def outlast_readers() -> None:
    """Go on without a reader of the standard output or error; leave streams alone that another program has set.

    A log shows each line when it is printed, and a "?" for what its encoding has not: a table's lines and ±.
    """
    for name, errors in (("stdout", "replace"), ("stderr", "backslashreplace")):
        stream = getattr(sys, name)
        if stream is not None and stream is getattr(sys, f"__{name}__"):
            stream.flush()
            raw = BufferedWriter(_LastingFile(stream.fileno(), may_lose=name == "stderr"))
            lasting = TextIOWrapper(raw, stream.encoding, errors, line_buffering=True)
            setattr(sys, name, lasting)
