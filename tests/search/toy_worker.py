"""A worker whose trials train nothing: each sleeps, reports and writes checkpoints as a real one does.

What its trials do is the word that the sweep names as its base config. It is the real worker: only the module that
trains is another one in this process, which spares it importing torch.
"""

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

import optuna

from atft.files.publish import publish_text
from atft.search.question.options import SweepOptions
from atft.search.trial.failures import Interrupted, TrialFailed
from atft.search.trial.resume import nearest_run


def run_trial(
    sweep: SweepOptions, trial: optuna.Trial, former: Sequence[Path], stop: Callable[[], bool]
) -> float:
    """Sleep through the epochs, from the one after the last checkpoint on; the value is the point's distance."""
    directory = sweep.directory / f"trial_{trial.number}"
    retried_from = nearest_run(former)
    x = trial.suggest_float("x", 0, 1)
    if sweep.base == "dies early":
        print("no such library")
        sys.exit(7)
    directory.mkdir(parents=True)
    if retried_from is not None:
        publish_text(directory / "retried_from", str(retried_from))
        # As the real one does: the last epoch may have been done when the process was killed.
        for name in ("best_model.ckpt", "last.ckpt"):
            publish_text(directory / name, (retried_from / "last.ckpt").read_text())
    first = int((retried_from / "last.ckpt").read_text()) + 1 if retried_from else 0
    for epoch in range(first, sweep.limits.epochs):
        for _ in range(4):
            (directory / "progress.json").touch()
            time.sleep(0.02)
        if sweep.base == "hangs" and epoch == 1 and retried_from is None:
            time.sleep(600)
        if sweep.base == "fails":
            raise TrialFailed("config", f"x = {x} cannot be built")
        trial.report(x + epoch, epoch)
        for name in ("best_model.ckpt", "last.ckpt"):
            publish_text(directory / name, str(epoch))
        if stop():
            raise Interrupted
        if sweep.base == "prunes":
            raise optuna.TrialPruned
    return x


if __name__ == "__main__":
    training = ModuleType("atft.search.trial.run")
    training.run_trial = run_trial  # type: ignore[attr-defined]
    sys.modules[training.__name__] = training
    from atft.search.workers.worker import main

    sys.exit(main())
