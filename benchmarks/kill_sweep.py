"""Kill a sweep's workers and supervisor at random moments, start it again each time, and count what was lost.

    python benchmarks/kill_sweep.py                     100 kills, 40 trials, 2 workers: some ten minutes
    python benchmarks/kill_sweep.py --kills 6 --trials 6

Trials train for a few seconds on a small simulated panel. Four of five kills wait until a trial is running and then
up to four seconds more, so that they hit it anywhere between its birth and its end; the others come at any time, so
that they hit starts, reconciling and the supervisor's own work. The exit status is 0 if all kills came and nothing
was lost.
"""

import argparse
import json
import os
import pickle
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import optuna
import torch

from atft.search.question.frozen import identify
from atft.search.question.options import SweepOptions, read_sweep
from atft.search.study.budget import due_for_retry
from atft.search.study.outcome import finished, is_surplus
from atft.search.study.study import begin_study, open_study

SWEEP = Path(__file__).parent.parent / "hpo" / "sweep.py"
LIVELY = 1000
"""Retries of one trial: here each failure is a kill of ours, and none shall use up its point."""


def write_sweep(folder: Path, trials: int, workers: int, epochs: int, seed: int) -> Path:
    """A sweep of short trials: their training config, and the sweep beside it."""
    market = {"stocks": 20, "days": 160, "features": 17, "seed": 1}
    base = {
        "seed_everything": 3,
        "trainer": {"accelerator": "cpu"},
        "model": {
            "horizons": [1],
            "network": {"hidden_size": 8, "gat_layers": 1},
            "objective": {"terms": {"huber": 0.1, "rank_ic": 0.5}},
            "optimizer": {"class_path": "torch.optim.AdamW", "init_args": {"lr": 0.01}},
            "scheduler": {
                "class_path": "atft.optim.schedules.WarmupCosine",
                "init_args": {"warmup_epochs": 0.5},
            },
        },
        "data": {
            "panel": {"simulate": market},
            "split": {
                "train": ["2015-01-01", "2015-05-15"],
                "val": ["2015-05-18", "2015-07-15"],
                "embargo_days": 2,
            },
            "cache": {"dir": str(folder / "cache")},
            "graph": {"k": 3, "window": 20, "min_observations": 10, "refresh_days": 5, "sector_k": 0},
            "loader": {"lookback": 6, "block_days": 3, "batch_size": 60},
        },
    }
    sweep = {
        "study": "killed",
        "base": str(folder / "base.yaml"),
        "root": str(folder / "logs"),
        "n_trials": trials,
        "workers": workers,
        "max_retry": LIVELY,
        "limits": {"epochs": epochs},
        "sampler": {"name": "random", "seed": seed, "startup_trials": 6},
        "pruner": {"name": "median"},  # judges once half as many trials have finished
        "space": {"model.optimizer.init_args.lr": {"type": "float", "low": 1e-3, "high": 1e-1, "log": True}},
    }
    (folder / "base.yaml").write_text(json.dumps(base))
    (folder / "sweep.yaml").write_text(json.dumps(sweep))
    return folder / "sweep.yaml"


def workers_of(folder: Path) -> list[int]:
    """Processes that run trials of the sweep in ``folder``, also those whose supervisor is gone."""
    processes = []
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
        except (FileNotFoundError, ProcessLookupError):
            continue
        if b"--parent" in words.split(b"\0") and str(folder).encode() in words:
            processes.append(int(entry.name))
    return processes


def torment(
    command: list[str],
    study: optuna.Study,
    folder: Path,
    kills: int,
    rng: random.Random,
    limit_seconds: float,
    window_seconds: float = 4.0,
) -> Counter[str]:
    """Run a sweep to its end while killing its processes; how often each kind was killed.

    Args:
        command: starts the sweep's supervisor, again and again.
        study: to see what runs.
        folder: all that the sweep writes lies in it, and its name stands in each worker's command line.
        kills: how many.
        rng: draws moments and victims.
        limit_seconds: after which all is given up.
        window_seconds: a kill that waits for a trial comes within so long of it; give more on a busy machine,
            where a trial takes longer.
    """
    killed: Counter[str] = Counter()
    deadline = time.monotonic() + limit_seconds
    log = (folder / "supervisor.log").open("ab")
    supervisor = subprocess.Popen(command, stdout=log, stderr=log)

    def over() -> bool:
        return supervisor.poll() == 0 or time.monotonic() > deadline

    while not over():
        if supervisor.poll() is not None:
            killed["starts"] += 1
            supervisor = subprocess.Popen(command, stdout=log, stderr=log)
        if killed["worker"] + killed["supervisor"] >= kills:
            time.sleep(0.2)
            continue
        if rng.random() < 0.8:
            while supervisor.poll() is None and not any("directory" in t.user_attrs for t in _running(study)):
                time.sleep(0.05)
            time.sleep(rng.uniform(0, window_seconds))
        else:
            time.sleep(rng.uniform(0, window_seconds))
        victims = workers_of(folder)
        if rng.random() < 0.2 and supervisor.poll() is None:
            supervisor.kill()
            supervisor.wait()
            killed["supervisor"] += 1
        elif victims:
            os.kill(rng.choice(victims), signal.SIGKILL)
            killed["worker"] += 1
    supervisor.kill()
    supervisor.wait()
    log.close()
    return killed


def _running(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    return [t for t in study.get_trials(deepcopy=False) if t.state.name == "RUNNING"]


def loads(path: Path) -> bool:
    """Whether a checkpoint is whole and holds plain values and tensors only."""
    try:
        torch.load(path, weights_only=True)
    except (RuntimeError, EOFError, OSError, pickle.UnpicklingError):
        return False
    return True


def findings(sweep: SweepOptions, loads: Callable[[Path], bool] = loads) -> dict[str, int]:
    """What the study and its directories say when all is over; all but the first three must be 0."""
    trials = open_study(sweep).get_trials(deepcopy=False)
    trained = [t for t in trials if "directory" in t.user_attrs]
    origins = Counter(_origin(trials, t.number) for t in finished(trials))
    successors = Counter(t.user_attrs["retry_of"] for t in trained if "retry_of" in t.user_attrs)
    begun = {_origin(trials, t.number) for t in trained if not is_surplus(t)}
    checkpoints = [p for t in trained for p in (Path(sweep.root) / t.user_attrs["directory"]).glob("*.ckpt")]
    return {
        "finished": len(finished(trials)),
        "failed on the way": sum(t.state.name == "FAIL" and not is_surplus(t) for t in trials),
        "checkpoints": len(checkpoints),
        "budget missed by": abs(len(finished(trials)) - sweep.n_trials),
        "lost": len(begun - set(origins)) + len(due_for_retry(trials, sweep.max_retry)),
        "doubled": sum(n - 1 for n in (*origins.values(), *successors.values())),
        "left running": sum(t.state.name in ("RUNNING", "WAITING") for t in trials),
        "surplus that trained": sum(is_surplus(t) for t in trained),
        "finished without a checkpoint": sum(
            not (Path(sweep.root) / t.user_attrs["directory"] / "best_model.ckpt").is_file()
            for t in finished(trials)
        ),
        "checkpoints that do not load": sum(not loads(p) for p in checkpoints),
    }


def _origin(trials: list[optuna.trial.FrozenTrial], number: int) -> int:
    while "retry_of" in trials[number].user_attrs:
        number = trials[number].user_attrs["retry_of"]
    return number


def main() -> int:
    """Run the benchmark; 0 if nothing was lost, doubled or left behind."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument(
        "--epochs", type=int, default=20, help="of a trial: more, and it lives through more kills"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--window-seconds", type=float, default=4.0)
    parser.add_argument("--limit-minutes", type=float, default=120)
    args = parser.parse_args()
    with TemporaryDirectory() as name:
        config = write_sweep(Path(name), args.trials, args.workers, args.epochs, args.seed)
        sweep = read_sweep(config)
        study = begin_study(sweep, identify(sweep))
        command = [sys.executable, str(SWEEP), "--config", str(config), "--threads", "1"]
        start = time.monotonic()
        rng = random.Random(args.seed)
        limit = 60 * args.limit_minutes
        killed = torment(command, study, Path(name), args.kills, rng, limit, args.window_seconds)
        minutes = (time.monotonic() - start) / 60
        counts = findings(sweep)
        print(
            f"{killed['worker']} workers and {killed['supervisor']} supervisors killed in {minutes:.1f} minutes, "
            f"{args.trials} trials, {args.workers} workers, seed {args.seed}"
        )
        for what, count in counts.items():
            print(f"  {what:<30} {count}")
        log = Path(name) / "supervisor.log"
        missed = args.kills - killed["worker"] - killed["supervisor"]
        if missed > 0:
            print(f"  the sweep was over {missed} kills too early: give it more --trials or --epochs")
        wrong = [w for w in list(counts)[3:] if counts[w]]
        if wrong:
            print("\n".join(log.read_text().splitlines()[-40:]))
    return 1 if wrong or missed > 0 else 0


if __name__ == "__main__":
    sys.exit(main())
