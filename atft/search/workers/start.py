"""``python -m atft sweep [run]``: prepare the sweep in a process of its own, then supervise its workers.

Preparation (``python -m atft.search.workers.start``) builds what trials build, so it needs torch; the supervisor
that follows it stays light for days. A new sweep is tried over its whole space first, so that a mistake in it
leaves no study behind; one whose study exists is compared with what that was made of. The cache, and the simulated
market where there is one, are built here once and not by each worker.
"""

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import optuna

from atft.errors import InputError, RunFailed, counted, nearest
from atft.process.console import plain_console
from atft.process.cores import core_count
from atft.process.progress import Progress
from atft.process.termination import end_process
from atft.process.threads import cap_threads
from atft.search.question.frozen import freeze, frozen, identify
from atft.search.question.options import SweepOptions, read_sweep
from atft.search.study.at_work import at_work
from atft.search.study.files import check_no_trials
from atft.search.study.storage import NoStudy, storage_errors
from atft.search.study.study import begin_study, open_study
from atft.search.workers.process import child_command, run_child
from atft.search.workers.supervisor import Supervisor

STOPPED = 130
"""Exit status of a preparation that a signal ended; the terminal's Ctrl-C ends this process too, which says so."""


def run(arguments: Sequence[str]) -> int:
    """Run or resume a sweep; 0 when its budget is spent, 130 when it was interrupted.

    Raises InputError for an invalid sweep, SweepFailed where it was aborted or none of its trials is complete.
    """
    options = run_arguments(arguments)
    sweep = read_sweep(options.config, options.changes)
    # Workers inherit the cap.
    cap_threads(options.threads or max(1, core_count() // sweep.workers))
    if options.dry_run:
        from atft.search.workers.dry_run import dry_run

        with storage_errors(sweep):
            return dry_run(sweep)

    with at_work(sweep.directory):
        failed = subprocess.run(child_command("start", sweep), check=False).returncode
        if failed < 0 or failed == STOPPED:
            signal_of = f"ended by signal {-failed} (9: often by the system, out of memory)"
            how = "stopped" if failed == STOPPED else signal_of
            raise RunFailed(f"preparing the sweep was {how}; the same command begins it again")
        if failed:
            return failed  # it has printed why
        print(_start_line(sweep, options.config), file=sys.stderr)  # noqa: T201
        command = child_command("worker", frozen(sweep))
        with storage_errors(sweep):
            return Supervisor(sweep, open_study(sweep), command, plain_console(stderr=True)).run()


def _start_line(sweep: SweepOptions, config: Path) -> str:
    return (
        f"{sweep.study}: {counted(sweep.n_trials, 'trial')}, {sweep.workers} at a time, in "
        f"{sweep.directory}; to watch it: "
        f"python -m atft sweep status --config {config} --watch 30"
    )


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``run``."""
    parser.add_argument("-c", "--config", type=Path)
    for option in ("--n-trials", "--workers", "--threads"):
        parser.add_argument(option, type=int)
    parser.add_argument("--storage")
    parser.add_argument("--study")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--dry-run", action="store_true")


def run_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """Parse what follows ``run``: ``config``, ``threads``, ``dry_run`` and ``changes``, keys to values."""
    parser = argparse.ArgumentParser(prog="sweep", add_help=False, allow_abbrev=False, exit_on_error=False)
    add_run_arguments(parser)
    options, unknown = parser.parse_known_args(arguments)
    if unknown:
        names = [name for action in parser._actions for name in action.option_strings]
        raise InputError(f"unknown option {unknown[0]!r}{nearest(unknown[0], names)}")
    if options.config is None:
        raise InputError("a sweep needs --config FILE, such as --config quick")
    if options.threads is not None and options.threads < 1:
        raise InputError(f"--threads must be at least 1, got {options.threads}")
    keys = {key: getattr(options, key) for key in ("n_trials", "workers", "storage", "study")}
    options.changes = {key: value for key, value in keys.items() if value is not None}
    for pair in options.set:
        key, equals, value = pair.partition("=")
        if not equals:
            raise InputError(f"--set takes KEY=VALUE, got {pair!r}; such as --set limits.epochs=5")
        options.changes[key] = value
    return options


def prepare(sweep: SweepOptions) -> None:
    """Check the sweep, make or open its study, and build what all trials share."""
    from atft.commands.train import build
    from atft.search.question.config import trial_config
    from atft.search.question.days import check_days
    from atft.search.question.preflight import preflight

    optuna.logging.set_verbosity(optuna.logging.WARNING)  # that it made a study is no news to its user
    with Progress("preparing the sweep"):
        try:
            open_study(sweep)
        except NoStudy:
            check_no_trials(sweep)
            print(preflight(sweep), file=sys.stderr)  # noqa: T201
            check_days(sweep)
        study = begin_study(sweep, identify(sweep))
        build("fit", trial_config(freeze(sweep, study), {}), quiet=True).datamodule.prepare_data()


def main(arguments: Sequence[str] | None = None) -> int:
    """Prepare a sweep; see `atft.search.workers.process.run_child`."""
    # The end of the parent acts like Ctrl-C, so that temporary folders are removed; SIGINT itself may be ignored.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return run_child(arguments, prepare, lambda: os.kill(os.getpid(), signal.SIGTERM))
    except KeyboardInterrupt:
        return STOPPED


if __name__ == "__main__":
    end_process(main())
