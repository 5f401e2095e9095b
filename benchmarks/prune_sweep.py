"""What pruning saves and what it costs: the same sweep with its pruner and without, over several seeds.

    python benchmarks/prune_sweep.py                  hpo/quick.yaml, 5 seeds, 2 sweeps at a time
    python benchmarks/prune_sweep.py --seeds 2        a shorter look

A seed is one of the sampler: which points are tried. Both sweeps of a seed begin with the same points. Prints
the epochs that each trained and the best value that each found; passes where pruning took at most 70 % of the
epochs and its best value, mean over the seeds, is no more than one standard error of the difference below.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from statistics import fmean, stdev
from typing import NamedTuple

from atft.process.threads import cap_threads

MOST_EPOCHS = 0.70
"""Share of the unpruned sweep's epochs that a pruned one may take."""


class Outcome(NamedTuple):
    """What one sweep took and found."""

    epochs: int
    best: float


def sweep_once(config: str, seed: int, pruner: str | None, root: str) -> Outcome:
    """Run a sweep in this process, to its end.

    Args:
        config: the sweep's YAML.
        seed: of the sampler.
        pruner: name of the pruner in place of the sweep's; None keeps it.
        root: folder of the runs.
    """
    import optuna

    from atft.search.question.frozen import identify
    from atft.search.question.options import read_sweep
    from atft.search.study.study import begin_study
    from atft.search.trial.run import run_trial
    from atft.search.workers.worker import work

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    changes = {"study": f"{pruner or 'pruned'}-{seed}", "root": root, "sampler.seed": seed, "workers": 1}
    sweep = read_sweep(Path(config), changes | ({"pruner.name": pruner} if pruner else {}))
    study = begin_study(sweep, identify(sweep))
    work(sweep, study, run_trial, lambda: False)
    summary = json.loads((Path(root) / sweep.study / "all_trials.json").read_text())
    return Outcome(sum(len(row["values"]) for row in summary["trials"]), float(study.best_value))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", default=str(Path(__file__).parent.parent / "hpo" / "quick.yaml"))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--at-once", type=int, default=2, help="sweeps that run at the same time")
    args = parser.parse_args(arguments)
    cap_threads(1)
    with tempfile.TemporaryDirectory() as root:
        kinds = (None, "none")
        with ProcessPoolExecutor(args.at_once, get_context("spawn")) as pool:
            asked = [
                [pool.submit(sweep_once, args.config, seed, kind, root) for kind in kinds]
                for seed in range(1, args.seeds + 1)
            ]
            pairs = []
            print("seed   epochs pruned / all        best pruned    best of all")
            for seed, (pruned, full) in enumerate(asked, start=1):
                pairs.append((pruned.result(), full.result()))
                (epochs, best), (all_epochs, all_best) = pairs[-1]
                share = epochs / all_epochs
                print(
                    f"{seed:>4}   {epochs:>5} / {all_epochs:<5} {share:>6.0%} {best:>+13.4f} {all_best:>+14.4f}"
                )
    share = sum(p.epochs for p, _ in pairs) / sum(f.epochs for _, f in pairs)
    difference = [p.best - f.best for p, f in pairs]
    error = stdev(difference) / len(difference) ** 0.5 if len(difference) > 1 else float("nan")
    passed = share <= MOST_EPOCHS and fmean(difference) >= -error
    print(
        f"pruning took {share:.0%} of the epochs; its best value lies {fmean(difference):+.4f} ± {error:.4f} from "
        f"the unpruned one: {'passed' if passed else 'FAILED'} (at most {MOST_EPOCHS:.0%}, not below by more than "
        f"one standard error)"
    )
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
