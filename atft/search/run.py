"""``python hpo/sweep.py [run]``: prepare the sweep in a process of its own, then supervise its workers."""

import os
from collections.abc import Sequence

from atft.search.cli import run_arguments, threads_per_worker
from atft.search.question.options import read_sweep


def run(arguments: Sequence[str]) -> int:
    """Run or go on with a sweep; 0 when its budget is spent, 130 when it was interrupted.

    Args:
        arguments: what follows ``run``.

    Raises:
        InputError: the sweep is refused.
        SweepFailed: it stopped early, or none of its trials is complete.
    """
    given = run_arguments(arguments)
    sweep = read_sweep(given.config, given.changes)
    threads = threads_per_worker(given.threads, sweep.workers)
    if given.dry_run:
        from atft.search.workers.dry_run import dry_run

        return dry_run(sweep, threads)

    from rich.console import Console

    from atft.search.question.frozen import frozen
    from atft.search.study.study import open_study, while_storage_answers
    from atft.search.workers.prepare import in_own_process
    from atft.search.workers.process import worker_command
    from atft.search.workers.supervisor import Supervisor

    refused = in_own_process(sweep, threads)
    if refused:
        return refused
    command = worker_command(frozen(sweep), threads, os.getpid())
    with while_storage_answers(sweep):
        return Supervisor(sweep, open_study(sweep, create=False), command, Console(stderr=True)).run()
