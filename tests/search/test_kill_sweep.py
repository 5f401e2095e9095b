"""A sweep whose processes are killed again and again; the whole of it is benchmarks/kill_sweep.py."""

import json
import random
import subprocess
import sys
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import optuna
import pytest

from atft.search.question.options import SweepOptions

ROOT = Path(__file__).parents[2]
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


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    spec = spec_from_file_location("kill_sweep", ROOT / "benchmarks" / "kill_sweep.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_kills_lose_no_trial_and_double_none(
    benchmark: ModuleType,
    toy_sweep: Callable[..., SweepOptions],
    toy_study: Callable[[SweepOptions], optuna.Study],
    toy_command: Callable[[SweepOptions, int], list[str]],
    tmp_path: Path,
) -> None:
    sweep = toy_sweep(n_trials=6, workers=2, max_retry=1000, limits={"epochs": 12})
    study = toy_study(sweep)
    command = [sys.executable, "-c", SUPERVISE, sweep.as_json(), json.dumps(toy_command(sweep, 0))]
    killed = benchmark.torment(command, study, tmp_path, 6, random.Random(3), 200, window_seconds=1.5)
    found = benchmark.findings(sweep, loads=lambda path: path.read_text().isdigit())
    assert killed["worker"] + killed["supervisor"] >= 5, killed
    assert found.pop("finished") == 6
    assert found.pop("failed on the way") >= 1
    assert found.pop("checkpoints") >= 12
    assert not any(found.values()), found


@pytest.mark.slow
def test_kills_lose_no_training_run_and_damage_no_checkpoint() -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / "kill_sweep.py"), "--kills", "6", "--trials", "6"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "budget missed by               0" in ended.stdout
