"""The processes that a sweep starts: their command line, their entry, and a worker that is restarted."""

import argparse
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from atft.errors import InputError, RunFailed
from atft.process.lasting_streams import outlast_readers
from atft.process.termination import on_parent_exit
from atft.search.question.options import SweepOptions, sweep_of
from atft.search.study.storage import storage_errors

MAX_PAUSE_SECONDS = 30.0


def child_command(module: str, sweep: SweepOptions) -> list[str]:
    """The command line of a process of `atft.search.workers`, start or worker, that ends with this one."""
    words = [sys.executable, "-m", f"atft.search.workers.{module}", "--sweep", sweep.as_json()]
    return [*words, "--parent", str(os.getpid())]


def run_child(
    arguments: Sequence[str] | None,
    work: Callable[[SweepOptions], None],
    on_orphaned: Callable[[], None],
) -> int:
    """Run a process that `child_command` started; its exit status: 0, 1 it failed, 2 the input is invalid.

    ``work`` takes the sweep; a thread calls ``on_orphaned`` when the parent has ended.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--sweep", required=True, help="the sweep as JSON")
    parser.add_argument("--parent", type=int, help="process whose end is this one's end too")
    options = parser.parse_args(arguments)
    if options.parent is not None:
        on_parent_exit(options.parent, on_orphaned)
    outlast_readers()
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # as the commands do: `atft.cli`
    try:
        sweep = sweep_of(options.sweep)
        with storage_errors(sweep):
            work(sweep)
    except (InputError, RunFailed) as error:
        print(f"atft: error: {' '.join(str(error).split())}", file=sys.stderr)  # noqa: T201
        return 1 if isinstance(error, RunFailed) else 2
    return 0


class WorkerProcess:
    """A worker of this machine, started again after each crash; its output is appended to the log."""

    def __init__(self, index: int, command: list[str], log: Path) -> None:
        self.index, self.log = index, log
        self.crashes, self.started = 0, 0.0
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self._not_before = 0.0

    @property
    def pid(self) -> int | None:
        """The process's id; None while none runs."""
        return self._process.pid if self._process is not None else None

    @property
    def ready(self) -> bool:
        """Whether none runs and the pause after a crash is over."""
        return self._process is None and time.time() >= self._not_before

    def start(self) -> None:
        """Start a worker in a session of its own: the terminal's Ctrl-C does not reach it."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.started = time.time()
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def exit_status(self) -> int | None:
        """Exit status of a worker that has ended since the last call; else None."""
        code = self._process.poll() if self._process is not None else None
        if code is not None:
            self._process = None
        return code

    def crashed(self, progressed: bool) -> None:
        """Count a crash; the more in a row without progress, the longer the pause."""
        self.crashes = 1 if progressed else self.crashes + 1
        self._not_before = time.time() + min(MAX_PAUSE_SECONDS, 2.0 ** (self.crashes - 1) - 1)

    def request_stop(self) -> None:
        """Let the worker finish its epoch and leave its trial resumable."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)

    def kill(self) -> None:
        """End the worker at once; `exit_status` still returns its status."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def last_line(self) -> str:
        """The last line of its log."""
        text = self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""
        return next((line.strip() for line in reversed(text.split("\n")) if line.strip()), "nothing")
