"""The process that runs a trial, and whether it has ended: known at once on this machine, from /proc.

A process id alone is not enough, since ids are reused. The id with the time of its start, in clock ticks since
boot, names a process for the life of a machine; the boot and the process table (two containers of one machine have
two) tell where the id is valid. Processes elsewhere are not visible: that is what heartbeats are for.
"""

import os
import socket
from pathlib import Path
from typing import Any

from atft.files.publish import is_running

Owner = dict[str, Any]
"""A trial's user attribute: ``host``, ``pid``, ``started``, ``parent``, ``boot``, ``table``."""


def this_process() -> Owner:
    """The owner attribute of trials that this process runs."""
    pid = os.getpid()
    return {**_machine(), "pid": pid, "started": start_ticks(pid), "parent": os.getppid()}


def _machine() -> Owner:
    """This host, its boot and this process's table of processes; the last two are empty without /proc."""
    boot, table = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")
    return {
        "host": socket.gethostname(),
        "boot": boot.read_text().strip() if boot.exists() else "",
        "table": str(table.readlink()) if table.is_symlink() else "",
    }


def is_here(owner: Owner) -> bool:
    """Whether the process is one of this machine's, in this process table and since its last boot."""
    return all(owner.get(key) == value for key, value in _machine().items())


def is_gone(owner: Owner) -> bool:
    """Whether the process that ran a trial has surely ended, perhaps with the last boot of this machine.

    False for every process of another machine or container, of which nothing is known here.
    """
    here = _machine()
    if owner.get("host") != here["host"]:
        return False
    if owner.get("boot") != here["boot"]:
        return True
    if owner.get("table") != here["table"]:
        return False
    return start_ticks(int(owner["pid"])) != owner.get("started")


def is_orphaned(owner: Owner) -> bool:
    """Whether the parent of a living process of this machine has ended; False without /proc."""
    fields = _stat(int(owner["pid"]))
    return bool(fields) and int(fields[1]) != owner.get("parent")


def start_ticks(pid: int) -> int | None:
    """When a process was started, in clock ticks since boot; None if there is none, or it has ended.

    Without /proc (macOS) every living process answers 0: then only its id names it.
    """
    if not Path("/proc/self/stat").exists():
        return 0 if is_running(pid) else None
    fields = _stat(pid)
    return int(fields[19]) if fields else None


def _stat(pid: int) -> list[str]:
    """Fields of /proc/PID/stat from the state on; none for a process that has ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return []
    fields = text.rpartition(")")[2].split()  # the name before it may contain anything
    return [] if fields[0] in "ZX" else fields  # a zombie has ended, its parent has not reaped it yet
