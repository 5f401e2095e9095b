"""Training speed end to end beside pytorch-forecasting's TemporalFusionTransformer, in turn on this machine.

    python -m venv .venv-tft                                             the peer needs pandas < 3.1,
    .venv-tft/bin/pip install -e . -c constraints.txt                    so it has an environment
    .venv-tft/bin/pip install pytorch-forecasting==1.8.0 'pandas<3.1'    of its own
    python -m benchmarks.peer_tft                       3 turns of each side, a minute a turn
    python -m benchmarks.peer_tft --search              which batch size and how many workers are best for the peer

Prints windows (stock-days) a second of each side, and how many times as fast ours is. 1,300 stocks, 32 features, 60
days of lookback, hidden size 64, two horizons. Each turn is a process of its own, with the same number of threads,
the same precision and the same settings of the allocator; its loader counts, its start does not. Threads wait as
they do for a user of either: ours sleep after a moment, the peer's spin, which is quicker on quiet cores.

ours: `benchmarks/train.py` as it is: RankIC and three more terms for each horizon, monitors, guards, checkpoints;
epochs after the first, without their validation. The peer: its TimeSeriesDataSet and loader, two days of
prediction, Lightning's trainer without logger and checkpoints, batches after the first two. What the peer leaves
open is set to what is quickest for it: mean absolute error and one output in place of seven quantiles, no metrics
logged, its default of 8 numbers a feature (``--continuous 64``: as many as the hidden size, as in the paper), one
LSTM layer, batches of 128.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from statistics import median
from typing import Any

from atft.errors import InputError
from atft.process.allocator import keep_freed_memory
from atft.process.cores import core_count
from atft.process.threads import SPIN_COUNT, WAIT_POLICY, cap_threads, pool_threads

ROOT = Path(__file__).parent.parent
PEER_PYTHON = ROOT / ".venv-tft" / "bin" / "python"
STOCKS, DAYS, FEATURES, LOOKBACK, HIDDEN, HORIZONS = 1300, 24, 32, 60, 64, 2
BATCH_SIZE, WORKERS, CONTINUOUS = 128, 0, 8
WARM_UP_BATCHES = 2
OPENMP_TURNS = "300000"
"""Turns of a waiting thread before it sleeps where nothing is set, in GNU's OpenMP."""
SEARCHED = ((64, 0), (64, 1), (128, 0), (128, 1), (256, 0), (1024, 0), (4096, 0))
"""Batch sizes and numbers of workers; 4,096 windows need 40 GB."""
INSTALL = (
    "pytorch-forecasting is missing; run: python -m venv .venv-tft && .venv-tft/bin/pip install -e . -c "
    "constraints.txt && .venv-tft/bin/pip install pytorch-forecasting==1.8.0 'pandas<3.1'"
)


def figures(budget_s: float) -> dict[str, float]:
    """Windows a second of both sides, and their ratio, by the median of some turns."""
    turns = 3 if budget_s >= 240 else 1
    options = make_parser().parse_args(["--turns", str(turns), "--threads", str(pool_threads())])
    options.seconds = max(5.0, budget_s / (2 * turns) - 20)
    return compare(options)


def compare(options: argparse.Namespace) -> dict[str, float]:
    """Run both sides in turn, ours first, and print each turn."""
    python = peer_python(options.python)
    rates: dict[str, list[float]] = {"ours": [], "peer": []}
    for turn in range(options.turns):
        for side in rates:
            rates[side].append(run_side(side, options, python if side == "peer" else Path(sys.executable)))
        print(
            f"turn {turn + 1}: ours {rates['ours'][-1]:,.0f}, peer {rates['peer'][-1]:,.1f} windows/s",
            flush=True,
        )
    ours, peer = median(rates["ours"]), median(rates["peer"])
    return {"ours_per_second": ours, "peer_per_second": peer, "times_as_fast": ours / peer}


def peer_python(asked: Path | None) -> Path:
    """The interpreter that has the peer: the one asked for, this one, or that of .venv-tft.

    Raises:
        InputError: none of them has it, or there is no such program; the message says what to do.
    """
    if asked is not None:
        if which(asked) is None:
            raise InputError(
                f"--python {asked}: no such program; name the Python that has pytorch-forecasting"
            )
        return asked
    if find_spec("pytorch_forecasting") is not None:
        return Path(sys.executable)
    if PEER_PYTHON.exists():
        return PEER_PYTHON
    raise InputError(INSTALL)


def run_side(side: str, options: argparse.Namespace, python: Path) -> float:
    """Windows a second of one side, in a process of its own.

    Raises:
        InputError: the process failed; the message has its last line.
    """
    words = {
        name: getattr(options, name)
        for name in ("seconds", "threads", "batch_size", "workers", "continuous", "precision")
    }
    command = [str(python), "-m", "benchmarks.peer_tft", "--side", side]
    command += [word for name, value in words.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=side_environment(side))
    if ended.returncode != 0:
        last = (ended.stderr.strip().splitlines() or ["nothing printed"])[-1]
        raise InputError(f"{side}: ended with {ended.returncode}: {last[:160]}")
    return float(json.loads(ended.stdout.strip().splitlines()[-1]))


def side_environment(side: str) -> dict[str, str]:
    """The environment of a side's process: ours as it comes, the peer's with threads that spin while they wait.

    That is OpenMP's default, and quicker for the peer where no other program needs the cores.
    """
    ours = {name: value for name, value in os.environ.items() if name not in (WAIT_POLICY, SPIN_COUNT)}
    return ours if side == "ours" else {**ours, WAIT_POLICY: "ACTIVE", SPIN_COUNT: OPENMP_TURNS}


def our_rate(options: argparse.Namespace) -> float:
    """Stock-days a second of `benchmarks/train.py`, training and loader."""
    from benchmarks.train import figures as train_figures

    return train_figures(options.seconds, options.precision)["stock_days_per_second"]


def peer_rate(options: argparse.Namespace) -> float:
    """Windows a second of the peer, from the end of its second batch until the seconds are over."""
    import lightning.pytorch as pl
    import torch

    torch.set_num_threads(options.threads)
    network, loader = peer_network(options)

    class Clock(pl.Callback):
        """Stops training when the seconds are over."""

        ends: list[float] = []  # noqa: RUF012 (one run a process)

        def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
            self.ends.append(time.perf_counter())
            timed = self.ends[WARM_UP_BATCHES - 1 :]
            trainer.should_stop = len(timed) > 2 and timed[-1] - timed[0] > options.seconds

    clock = Clock()
    trainer = pl.Trainer(
        accelerator="cpu",
        precision=options.precision,
        max_epochs=1,
        gradient_clip_val=0.1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[clock],
    )
    trainer.fit(network, train_dataloaders=loader)
    ends = clock.ends[WARM_UP_BATCHES - 1 :]
    return options.batch_size * (len(ends) - 1) / (ends[-1] - ends[0])


def peer_network(options: argparse.Namespace) -> tuple[Any, Any]:
    """The peer's network and its loader over noise of our shape."""
    import numpy as np
    import pandas as pd
    from pytorch_forecasting import TemporalFusionTransformer, TimeSeriesDataSet
    from pytorch_forecasting.metrics import MAE
    from torch.nn import ModuleList

    rng, days = np.random.default_rng(0), LOOKBACK - 1 + DAYS + HORIZONS
    names = [f"x_{i}" for i in range(FEATURES)]
    frame = pd.DataFrame(rng.standard_normal((STOCKS * days, FEATURES), dtype=np.float32), columns=names)
    frame["target"] = rng.standard_normal(len(frame), dtype=np.float32)
    frame["stock"] = np.repeat([f"s{i}" for i in range(STOCKS)], days)
    frame["day"] = np.tile(np.arange(days), STOCKS)
    data = TimeSeriesDataSet(
        frame,
        time_idx="day",
        target="target",
        group_ids=["stock"],
        min_encoder_length=LOOKBACK,
        max_encoder_length=LOOKBACK,
        min_prediction_length=HORIZONS,
        max_prediction_length=HORIZONS,
        time_varying_known_reals=["day"],  # its decoder needs a variable
        time_varying_unknown_reals=names,
    )
    network = TemporalFusionTransformer.from_dataset(
        data,
        hidden_size=HIDDEN,
        hidden_continuous_size=options.continuous,
        loss=MAE(),
        output_size=1,
        logging_metrics=ModuleList(),
        optimizer="adam",
    )
    return network, data.to_dataloader(train=True, batch_size=options.batch_size, num_workers=options.workers)


def search(options: argparse.Namespace) -> None:
    """Print the peer's windows a second by batch size and workers."""
    python = peer_python(options.python)
    for options.batch_size, options.workers in SEARCHED:
        try:
            result = f"{run_side('peer', options, python):,.1f} windows/s"
        except InputError as error:
            result = str(error)
        print(f"batch size {options.batch_size}, {options.workers} workers: {result}", flush=True)


def make_parser() -> argparse.ArgumentParser:
    """The arguments, with their defaults."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=30.0, help="measured in a turn of one side")
    parser.add_argument("--threads", type=int, default=core_count())
    parser.add_argument("--batch-size", type=int, default=BATCH_SIZE, help="of the peer")
    parser.add_argument("--workers", type=int, default=WORKERS, help="of the peer's loader")
    parser.add_argument("--continuous", type=int, default=CONTINUOUS, help="the peer's numbers a feature")
    parser.add_argument(
        "--precision", choices=("32-true", "bf16-mixed"), default="32-true", help="of both sides"
    )
    parser.add_argument("--python", type=Path, help="interpreter that has the peer")
    parser.add_argument("--search", action="store_true", help="find the peer's best batch size and workers")
    parser.add_argument("--side", choices=("ours", "peer"), help="measure one side in this process")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Compare, search, or measure one side."""
    options = make_parser().parse_args(arguments)
    if options.side:
        cap_threads(options.threads)
        print(json.dumps((our_rate if options.side == "ours" else peer_rate)(options)))
        return 0
    try:
        if options.search:
            search(options)
        else:
            result = compare(options)
            print(
                f"ours {result['ours_per_second']:,.0f} windows/s, peer {result['peer_per_second']:,.1f}: "
                f"{result['times_as_fast']:.1f} times as fast, {options.threads} threads"
            )
    except InputError as error:
        print(f"benchmarks: error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    keep_freed_memory()
    sys.exit(main())
