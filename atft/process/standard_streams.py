"""A program started with closed standard streams, as a daemon may be, gets the null device in their place.

Python has None for such a stream, which fails at the first print, and the system gives its number to the next file
that is opened: what a library prints would end up in that file.
"""

import os
import sys
from pathlib import Path


def open_closed_streams() -> None:
    """Open the null device for each of the standard streams that is closed; child processes inherit it."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            # The lowest number that is free: the stream's own.
            stream = Path(os.devnull).open(mode, encoding="utf-8")  # noqa: SIM115
            os.set_inheritable(stream.fileno(), True)
            setattr(sys, name, stream)
