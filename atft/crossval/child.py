"""A child process that ends with its parent: ``python -m atft.crossval.child PARENT COMMAND ...``.

It is ``python -m atft COMMAND ...``, and SIGTERM within a second after the process PARENT has ended: a run that
nothing waits for stops like one after Ctrl-C, and can be resumed from its last checkpoint.
"""

import os
import runpy
import signal
import sys
from functools import partial

from atft.process.termination import on_parent_exit


def child_program() -> list[str]:
    """The command line of ``python -m atft`` in a child process that ends with this one, without a command."""
    return [sys.executable, "-m", "atft.crossval.child", str(os.getpid())]


if __name__ == "__main__":
    on_parent_exit(int(sys.argv.pop(1)), partial(os.kill, os.getpid(), signal.SIGTERM))
    runpy.run_module("atft", run_name="__main__", alter_sys=True)
