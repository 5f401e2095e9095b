"""A supervisor in a process of its own, as another machine has one, and waits for what its trials do."""

import json
import subprocess
import sys
import time
from collections.abc import Callable

import optuna

from atft.search.question.options import SweepOptions

SUPERVISE = """
import json, os, sys
from rich.console import Console
from atft.search.question.options import sweep_of
from atft.search.study.study import open_study
from atft.search.workers.supervisor import Supervisor

sweep, command = sweep_of(sys.argv[1]), json.loads(sys.argv[2])
command[-1] = str(os.getpid())
sys.exit(Supervisor(sweep, open_study(sweep), command, Console()).run())
"""


def machine(sweep: SweepOptions, command: list[str]) -> subprocess.Popen[str]:
    """Start a supervisor of a sweep whose study is there."""
    words = [sys.executable, "-c", SUPERVISE, sweep.as_json(), json.dumps(command)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def until(true: Callable[[], object]) -> None:
    """Wait; the test's own limit of time ends one that hangs."""
    while not true():
        time.sleep(0.05)


def running(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    """Trials that train and have reported an epoch."""
    return [t for t in study.trials if t.state.name == "RUNNING" and t.last_step is not None]
