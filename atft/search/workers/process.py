"""One place for a worker: its process, its log, and how soon it is tried again after it has died."""

import signal
import subprocess
import sys
import time
from pathlib import Path

from atft.search.question.options import SweepOptions

LONGEST_PAUSE_SECONDS = 30.0


def worker_command(sweep: SweepOptions, threads: int, parent: int) -> list[str]:
    """The command line of this sweep's workers, but for their index.

    Args:
        sweep: what they work on.
        threads: cap of each numerical pool of one of them.
        parent: the process whose end is theirs.
    """
    words = [sys.executable, "-m", "atft.search.workers.worker", "--sweep", sweep.as_json()]
    return [*words, "--threads", str(threads), "--parent", str(parent)]


class WorkerProcess:
    """A place for a worker.

    Args:
        index: which of this machine's places it is.
        command: the worker's command line, without its index.
        log: file that takes what it writes, appended.
    """

    def __init__(self, index: int, command: list[str], log: Path) -> None:
        self.index, self.log = index, log
        self.deaths, self.started = 0, 0.0
        self._command = [*command, "--index", str(index)]
        self._process: subprocess.Popen[bytes] | None = None
        self._not_before = 0.0

    @property
    def pid(self) -> int | None:
        """The process's id; None while the place is free."""
        return self._process.pid if self._process is not None else None

    @property
    def ready(self) -> bool:
        """Whether the place is free and its pause after a death is over."""
        return self._process is None and time.time() >= self._not_before

    def start(self) -> None:
        """Start a worker here, in a session of its own: the terminal's Ctrl-C does not reach it."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.started = time.time()
        with self.log.open("ab") as written:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=written,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def ended(self) -> int | None:
        """Exit status of a worker that has ended since the last look, which frees the place; else None."""
        code = self._process.poll() if self._process is not None else None
        if code is not None:
            self._process = None
        return code

    def died(self, progressed: bool) -> None:
        """Count a death, and pause the longer the more of them came without progress between."""
        self.deaths = 1 if progressed else self.deaths + 1
        self._not_before = time.time() + min(LONGEST_PAUSE_SECONDS, 2.0 ** (self.deaths - 1) - 1)

    def ask_to_leave(self) -> None:
        """Let the worker finish its epoch and leave its trial resumable."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)

    def kill(self) -> None:
        """End the worker at once; `ended` still tells of it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def last_line(self) -> str:
        """The last thing that a worker here has said."""
        text = self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""
        return next((line.strip() for line in reversed(text.split("\n")) if line.strip()), "nothing")
