"""One run as a child process, in its folder: its lock, its output, its end.

The lock belongs to the child, not to this process: the kernel releases it when the child ends, however that
happens, so that a run is never trained twice at a time, also after the process that started it was killed.
"""

import subprocess
from collections.abc import Sequence
from io import IOBase
from pathlib import Path

OUTPUT = "output.log"
LOCK = ".lock"


class ChildRun:
    """A running child; its output is appended to ``output.log`` in its folder, whose lock it takes over."""

    def __init__(self, command: Sequence[str], folder: Path, lock: IOBase) -> None:
        self._log = folder / OUTPUT
        with lock, self._log.open("ab") as output:
            self._begin = output.tell()
            # In a session of its own, the terminal's Ctrl-C does not reach it.
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=[lock.fileno()],
            )

    def exit_status(self) -> int | None:
        """Exit status, negative the signal that ended it; None while it runs."""
        return self._process.poll()

    def stop(self) -> None:
        """Ask it to end, as Ctrl-C does; SIGINT itself may be ignored."""
        self._process.terminate()

    def wait(self, seconds: float) -> None:
        """Wait for its end, and kill it after ``seconds``."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def last_line(self) -> str:
        """The last line that it printed, without the opening of an error; empty where it printed none."""
        text = self._log.read_bytes()[self._begin :].decode("utf-8", errors="replace")
        line = next((line.strip() for line in reversed(text.split("\n")) if line.strip()), "")
        return line.removeprefix("atft: error: ")
