"""Commands of several processes, as torchrun starts them: forked from one process that has imported everything.

A start of Lightning takes seconds, a fork milliseconds, so that a test can train on one, two and three ranks.
"""

import os
import subprocess
import sys
import time
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NamedTuple

IMPORTED = [
    "atft.commands.after_fit",
    "atft.commands.start_lines",
    "atft.commands.train",
    "atft.nn.atft_gat_fan",
]
IMPORTED += ["atft.commands.ranking_cli", "pandas", "polars"]


class Rank(NamedTuple):
    """What a process of a command did."""

    code: int
    """Exit status; below 0 the signal that ended it."""
    out: str
    err: str


def start_ranks(count: int, folder: Path, *arguments: object) -> list[BaseProcess]:
    """Start a command in ``count`` processes of this machine; what they print goes to files in ``folder``."""
    from torch.distributed.elastic.utils.distributed import get_free_port

    context = get_context("forkserver")
    context.set_forkserver_preload(IMPORTED)
    folder.mkdir(parents=True, exist_ok=True)
    shared = {"WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count, "GROUP_RANK": 0, "GROUP_WORLD_SIZE": 1}
    if count > 1:
        shared |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": get_free_port(), "TORCHELASTIC_RUN_ID": "test"}
    started = []
    for rank in range(count):
        environment = {k: str(v) for k, v in (shared | {"RANK": rank, "LOCAL_RANK": rank}).items()}
        words = [str(a) for a in arguments]
        process = context.Process(
            target=_run, args=(words, environment if count > 1 else {}, folder / str(rank))
        )
        process.start()
        started.append(process)
    return started


def ends_of(started: list[BaseProcess], folder: Path, seconds: float = 120) -> list[Rank]:
    """Wait for the processes; one that runs longer is killed, and shows its signal."""
    until = time.monotonic() + seconds
    for process in started:
        process.join(max(0.0, until - time.monotonic()))
        process.kill()
        process.join()
    texts = [
        [(folder / f"{rank}.{end}").read_text() for end in ("out", "err")] for rank in range(len(started))
    ]
    return [Rank(process.exitcode or 0, *text) for process, text in zip(started, texts, strict=True)]


def run_ranks(count: int, folder: Path, *arguments: object) -> list[Rank]:
    """Run a command in ``count`` processes until all have ended."""
    return ends_of(start_ranks(count, folder, *arguments), folder)


def run_script_twice(script: str, folder: Path) -> list[str]:
    """What a script prints in two processes at a time; its words are its rank and the folder."""
    words = [sys.executable, "-W", "ignore", "-c", script]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen([*words, str(rank), str(folder)], **pipes) for rank in (0, 1)]
    outputs = [process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    return [out for out, _ in outputs]


def _run(words: list[str], environment: dict[str, str], files: Path) -> None:
    os.environ.update(environment)
    for number, end in ((1, "out"), (2, "err")):
        os.dup2(os.open(f"{files}.{end}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    import torch

    torch.set_num_threads(1)
    from atft.cli import main
    from atft.process.progress import OF_PROCESS

    OF_PROCESS.due = lambda: False  # type: ignore[method-assign]  # no line because the machine is slow
    code = main(words)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
