"""Where the time of training goes, by stage: for networks that read the last day's row, whose matrices cost little.

    python benchmarks/row_speed.py                                        a simulated market, a perceptron
    python benchmarks/row_speed.py --config mine.yaml --trainer.max_epochs 2     what `fit` takes, any network

Prints processor seconds of each stage, without what is called inside of it, for each block and stock-day. The first
epoch reads every day for the first time and compares its checksum. Other programs on the machine disturb processor
time less than wall time.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from atft.process.allocator import keep_freed_memory
from atft.process.threads import cap_threads

EPOCHS = 3


def figures(budget_s: float) -> dict[str, float]:
    """Stock-days per second of processor time of the perceptron, one thread, validation included."""
    return {"stock_days_per_second": main(["--trainer.max_epochs", str(max(2, min(10, int(budget_s / 5))))])}


class Stages:
    """Processor seconds and calls of each stage, without those of the stages that it calls."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.calls: dict[str, int] = {}
        self._inside: list[float] = []  # seconds of the stages called by each open stage

    def watch(self, owner: Any, method: str, stage: str) -> None:
        """Time a method of a class or an object from now on."""
        function: Callable[..., Any] = getattr(owner, method)

        def timed(*args: Any, **named: Any) -> Any:
            began = time.process_time()
            self._inside.append(0.0)
            try:
                return function(*args, **named)
            finally:
                whole = time.process_time() - began
                self.seconds[stage] = self.seconds.get(stage, 0.0) + whole - self._inside.pop()
                self.calls[stage] = self.calls.get(stage, 0) + 1
                if self._inside:
                    self._inside[-1] += whole

        setattr(owner, method, timed)


def watch_all(stages: Stages, cli: Any) -> None:
    """Time the stages of a run that `build` has made."""
    import lightning.pytorch as pl

    from atft.data.blocks import DayBlocks
    from atft.losses.objective import DayObjective

    task = cli.model
    stages.watch(DayBlocks, "__getitem__", "loader")
    stages.watch(type(task.network), "forward", "network")
    stages.watch(DayObjective, "forward", "objective")
    stages.watch(task, "manual_backward", "backward")
    stages.watch(task, "_apply_gradients", "optimiser and step log")
    stages.watch(task.train_metrics, "update", "metrics of training days")
    stages.watch(task.val_metrics, "update", "metrics of validation days")
    stages.watch(task, "training_step", "task")
    stages.watch(task, "validation_step", "task, validating")
    for callback in cli.trainer.callbacks:
        for hook in (name for name in dir(pl.Callback) if name.startswith("on_")):
            if getattr(type(callback), hook) is not getattr(pl.Callback, hook):
                drawing = type(callback).__name__ == "ValidationFigures" and hook == "on_validation_end"
                stages.watch(callback, hook, "figures" if drawing else "callbacks")
    stages.watch(cli.trainer, "fit", "Lightning, and what is not named")


def main(arguments: list[str] | None = None) -> float:
    """Train, print the table, and return stock-days per processor second, validation and figures included."""
    parser = argparse.ArgumentParser(
        description="Where the time of training goes, by stage.",
        epilog="Other options are those of `python -m atft fit`; without --config it trains a perceptron on the "
        "market of configs/quickstart.yaml. Writes into a temporary folder.",
        allow_abbrev=False,
    )
    parser.add_argument("--threads", type=int, default=1, help="cap of each numerical pool (default: 1)")
    known, words = parser.parse_known_args(sys.argv[1:] if arguments is None else arguments)
    cap_threads(known.threads)
    words = ["--threads", str(known.threads), *words]
    from atft.commands.train import build

    with tempfile.TemporaryDirectory() as folder:
        config = Path(__file__).parent.parent / "configs" / "quickstart.yaml"
        perceptron = [
            *("--config", str(config), "--trainer.max_epochs", str(EPOCHS), "--data.graph", "null"),
            *("--data.cache.dir", str(Path(folder) / "cache"), "--data.loader.lookback", "1"),
            *("--model.network", "atft.nn.tabm.TabM", "--model.network.k", "1"),
            *("--model.network.hidden_size", "128", "--name", "row_speed"),
        ]
        run_words = words if any(word.startswith("--config") for word in words) else [*perceptron, *words]
        cli = build("fit", [*run_words, "--trainer.default_root_dir", folder])
        stages = Stages()
        watch_all(stages, cli)
        cli.make_directory()
        cli.trainer.fit(cli.model, datamodule=cli.datamodule)
        receipt = cli.record.receipt
    rows, total = receipt.rows["train"].seen * receipt.epochs, sum(stages.seconds.values())
    for stage, seconds in sorted(stages.seconds.items(), key=lambda item: -item[1]):
        each = 1e3 * seconds / stages.calls[stage]
        print(
            f"{stage:34}{seconds:8.2f} s {seconds / total:6.1%} {each:10.2f} ms a call"
            f"{1e6 * seconds / rows:8.2f} us a stock-day"
        )
    print(f"{rows / total:,.0f} training stock-days per processor second, validation and figures included")
    return rows / total


if __name__ == "__main__":
    keep_freed_memory()
    main()
