"""Check and make once what every worker needs: ``python -m atft.search.workers.prepare``, a process of its own.

It builds what trials build, so it needs torch; the supervisor that waits for it stays light for days. A new sweep
is tried over its whole space first, so that a mistake in it leaves no study behind; one whose study exists is
compared with what that was made of. Then the market is simulated where there is one, and the
cache is built, once and not by each worker beside the others.
"""

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Sequence

from atft.errors import InputError, RunFailed
from atft.search.question.options import SweepOptions, sweep_of
from atft.search.study.owner import on_parent_exit
from atft.threads import cap_threads


def prepare(sweep: SweepOptions) -> None:
    """Check the sweep, make or open its study, and build what all trials share.

    Raises:
        InputError: a point of the space cannot be built, or the study was made of something else.
    """
    import optuna

    from atft.commands.train import build
    from atft.search.question.config import trial_config
    from atft.search.question.frozen import freeze
    from atft.search.question.preflight import preflight
    from atft.search.study.study import open_study

    optuna.logging.set_verbosity(optuna.logging.WARNING)  # that it made a study is no news to its user
    if not exists(sweep):
        print(preflight(sweep).line(), file=sys.stderr)  # noqa: T201
    study = open_study(sweep)
    build("fit", trial_config(freeze(sweep, study), {}), quiet=True).datamodule.prepare_data()


def exists(sweep: SweepOptions) -> bool:
    """Whether the study was made, which it was after a preflight."""
    from atft.search.study.study import open_study

    try:
        return "study_id" in open_study(sweep, create=False).user_attrs
    except InputError:  # there is none, or no storage: opening it for the sweep says which
        return False


def in_own_process(sweep: SweepOptions, threads: int) -> int:
    """Prepare in a process that ends with it; its exit status, after it has said itself what was wrong."""
    command = [sys.executable, "-m", "atft.search.workers.prepare", "--sweep", sweep.as_json()]
    command += ["--threads", str(threads), "--parent", str(os.getpid())]
    return subprocess.run(command, check=False).returncode


def main(arguments: Sequence[str] | None = None) -> int:
    """Prepare a sweep; the exit status: 0 ready, 1 it failed, 2 the sweep was refused.

    Args:
        arguments: what follows ``python -m atft.search.workers.prepare``; the process's own by default.
    """
    parser = argparse.ArgumentParser(prog="python -m atft.search.workers.prepare", description=__doc__)
    parser.add_argument("--sweep", required=True, help="the sweep as JSON")
    parser.add_argument("--threads", type=int, default=1, help="cap of each numerical pool")
    parser.add_argument("--parent", type=int, help="process whose end is this one's end too")
    given = parser.parse_args(arguments)
    cap_threads(given.threads)
    try:
        if given.parent is not None:
            # Like Ctrl-C, so that temporary folders are removed; a shell may have switched SIGINT itself off.
            signal.signal(signal.SIGTERM, signal.default_int_handler)
            on_parent_exit(given.parent, lambda: os.kill(os.getpid(), signal.SIGTERM))
        prepare(sweep_of(given.sweep))
    except (InputError, RunFailed) as error:
        print(f"atft: error: {' '.join(str(error).split())}", file=sys.stderr)  # noqa: T201
        return 1 if isinstance(error, RunFailed) else 2
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
