"""Seconds of a training epoch on this machine's GPU at the reference load, by where the panel is kept.

    python -m benchmarks.gpu_epoch --json gpu_epoch.json          at most 8 minutes, all of it
    python -m benchmarks.gpu_epoch --scale 0.2 --steps 20         a fifth of the days, fewer steps
    python -m benchmarks.gpu_epoch --tiny                         any machine, in seconds

Writes a cache of noise (8.9 M rows of 112 features, `benchmarks.reference_load`), measures what the device can do
(bfloat16 product, copy, copy from the host), then trains ``configs/tokyo.yaml`` and ``configs/nasdaq.yaml`` for
some steps each way, with their own blocks, guards and averages. A line each: seconds an epoch, extrapolated from
the measured steps; stock-days (rows) a second; share of the measured rate of matrix products; share of the time in
which a kernel runs; launches a step; peak memory. Each case is a process of its own: one that fails costs its line.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch

from atft.batch import DayBatch
from atft.callbacks.exponential_average import ExponentialAverage
from atft.callbacks.guards.non_finite import NonFiniteGuard
from atft.callbacks.guards.spike import SpikeGuard
from atft.callbacks.record.gradient_monitor import GradientMonitor
from atft.data.loader import LoaderOptions
from atft.data.split import SplitOptions
from atft.errors import InputError
from atft.files.yaml_text import read_mapping
from atft.losses.options import ObjectiveOptions
from atft.nn.atft_gat_fan import ATFTGATFAN
from atft.optim.schedules import WarmupConstant
from atft.runs.run_trainer import RunTrainer
from atft.runs.third_parties import third_parties_silenced
from atft.tasks.day_data import DayData
from atft.tasks.ranking import RankingTask
from benchmarks.reference_load import LOADS, Load, weekdays, write_cache
from benchmarks.roofline import flop_per_stock_day

CONFIGS = Path(__file__).parent.parent / "configs"
TINY = Load(days=100, stocks=40, listed=50, features=6)
RESERVE_SECONDS = 20.0
"""Left of the budget below which no further case starts."""
PROFILED_STEPS = 8
TOP_KERNELS = 12


@dataclass(frozen=True)
class Case:
    """One way to train one setting."""

    config: str
    residency: str
    precision: str = "bf16-mixed"
    graphs: bool = True
    """Each block is replayed as one CUDA graph."""
    workers: int = 0
    encoder: str = ""
    """Instead of the config's."""

    @property
    def name(self) -> str:
        graphs = " graphs" if self.graphs else ""
        workers = f" {self.workers} workers" if self.workers else ""
        encoder = f" {self.encoder}" if self.encoder else ""
        return f"{self.config} {self.residency}{workers} {self.precision}{graphs}{encoder}"


CASES = (
    Case("tokyo", "device"),
    Case("tokyo", "device", encoder="lstm"),
    Case("nasdaq", "device"),
    Case("tokyo", "pinned", workers=8),
    Case("tokyo", "device", graphs=False),
    Case("nasdaq", "device", graphs=False),
    Case("tokyo", "host", workers=8),
    Case("tokyo", "device", precision="32-true"),
)
"""The most important first: the budget may end before the last."""


class Clock(pl.Callback):
    """Time the steps after the first ones, then profile some more.

    Args:
        warm_up: steps before the clock starts.
        steps: steps that are timed.
    """

    def __init__(self, warm_up: int, steps: int) -> None:
        self.warm_up, self.steps = warm_up, steps
        self.stock_days = torch.zeros((), dtype=torch.int64)
        self.seconds = self.peak_gb = 0.0
        self.kernels: dict[str, float] = {}
        """Busy milliseconds and launches of a step, and the share of the kernels that take longest."""
        self._closed = 0
        self._profiler: Any = None

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: DayBatch, *_: Any
    ) -> None:
        timed = self.warm_up <= self._closed < self.warm_up + self.steps
        if timed:
            self.stock_days = self.stock_days.to(batch.universe.device) + batch.universe.sum()
        if not batch.closes_step:
            return
        self._closed += 1
        cuda = pl_module.device.type == "cuda"
        if self._closed == self.warm_up:
            if cuda:
                torch.cuda.synchronize()
                torch.cuda.reset_peak_memory_stats()
            self._begin = time.perf_counter()
        if self._closed == self.warm_up + self.steps:
            if cuda:
                torch.cuda.synchronize()
                self.peak_gb = torch.cuda.max_memory_allocated() / 1e9
            self.seconds = time.perf_counter() - self._begin
            if cuda:
                activities = [torch.profiler.ProfilerActivity.CUDA]
                self._profiler = torch.profiler.profile(activities=activities)
                self._profiler.__enter__()
        if self._profiler is not None and self._closed == self.warm_up + self.steps + PROFILED_STEPS:
            torch.cuda.synchronize()
            self._profiler.__exit__(None, None, None)
            self.kernels = kernel_figures(self._profiler, PROFILED_STEPS)
            self._profiler = None


def kernel_figures(profiler: Any, steps: int) -> dict[str, float]:
    """Milliseconds of a step in which a kernel or a copy runs, launches a step, and the longest kernels."""
    spans, by_name, launches = [], Counter[str](), 0
    for event in profiler.events():
        if event.device_type != torch.autograd.DeviceType.CUDA:
            continue
        spans.append((event.time_range.start, event.time_range.end))
        by_name[event.name[:70]] += event.time_range.end - event.time_range.start
        launches += 1
    busy = reached = 0.0
    for start, end in sorted(spans):
        busy += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    figures = {"busy_ms": busy / 1e3 / steps, "launches": launches / steps}
    return figures | {f"kernel {name}": us / 1e3 / steps for name, us in by_name.most_common(TOP_KERNELS)}


def measure_device(device: torch.device) -> dict[str, float]:
    """Rate of a bfloat16 product in TFLOP/s, of a copy on the device and of one from pinned memory in GB/s."""
    cuda = device.type == "cuda"
    size = 8192 if cuda else 512

    def seconds(work: Any, repeats: int = 10) -> float:
        for _ in range(3):
            work()
        if cuda:
            torch.cuda.synchronize()
        begin = time.perf_counter()
        for _ in range(repeats):
            work()
        if cuda:
            torch.cuda.synchronize()
        return (time.perf_counter() - begin) / repeats

    left, right = (torch.randn(size, size, device=device, dtype=torch.bfloat16) for _ in range(2))
    source = torch.empty((1 << 30) if cuda else (1 << 24), dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    host = torch.empty(1 << 28 if cuda else 1 << 20, dtype=torch.uint8, pin_memory=cuda)
    on_device = torch.empty_like(host, device=device)
    return {
        "matmul_tflops": 2 * size**3 / seconds(lambda: left @ right) / 1e12,
        "copy_gbps": 2 * source.numel() / seconds(lambda: target.copy_(source)) / 1e9,
        "host_to_device_gbps": host.numel() / seconds(lambda: on_device.copy_(host)) / 1e9,
    }


def build(case: Case, load: Load, cache: Path, tiny: bool) -> tuple[RankingTask, DayData]:
    """The task and the data of a shipped config, on a cache of noise."""
    config: Any = read_mapping(CONFIGS / f"{case.config}.yaml")
    model, loader = config["model"], dict(config["data"]["loader"])
    dates = [day.isoformat() for day in weekdays(load.days)]
    first = loader["lookback"] if not tiny else 20
    split = SplitOptions([dates[first], dates[-46]], [dates[-22], dates[-1]], embargo_days=0)
    if tiny:
        loader |= {"lookback": min(loader["lookback"], 8), "batch_size": 3 * load.stocks, "block_days": 2}
    loader |= {"num_workers": 0 if tiny else case.workers}
    if "residency" in {field.name for field in fields(LoaderOptions)}:
        loader["residency"] = case.residency
    data = DayData.from_cache(cache, split, LoaderOptions(**loader))
    network = dict(model["network"]["init_args"]) | ({"hidden_size": 16} if tiny else {})
    network |= {"encoder": case.encoder} if case.encoder else {}
    objective = dict(model["objective"])
    task = RankingTask.for_data(
        data,
        network=partial(ATFTGATFAN, **network),
        objective=ObjectiveOptions(**objective),
        optimizer=partial(torch.optim.AdamW, **model["optimizer"]["init_args"]),
        scheduler=partial(WarmupConstant, **model["scheduler"]["init_args"]),
        cuda_graphs=case.graphs,
    )
    return task, data


def measure(case: Case, load: Load, cache: Path, steps: int, warm_up: int, tiny: bool) -> dict[str, float]:
    """Train ``warm_up`` and ``steps`` steps of a case and some that are profiled; its figures."""
    torch.manual_seed(0)
    begin = time.perf_counter()
    task, data = build(case, load, cache, tiny)
    clock = Clock(warm_up, steps)
    loader = data.loader_options
    block = min(loader.block_days, max(1, loader.batch_size // load.stocks))
    blocks_a_step = -(-loader.batch_size // (block * load.stocks)) + 1
    total = (warm_up + steps + PROFILED_STEPS + 1) * blocks_a_step
    with tempfile.TemporaryDirectory() as folder:
        trainer = RunTrainer(
            default_root_dir=folder,
            max_epochs=1,
            limit_train_batches=total,
            limit_val_batches=0,
            precision=case.precision if not tiny else None,
            accelerator="auto",
            devices=1,
            use_distributed_sampler=False,
            num_sanity_val_steps=0,
            callbacks=[
                NonFiniteGuard(),
                SpikeGuard(),
                GradientMonitor(),
                ExponentialAverage(0.995),
                clock,
            ],
            **dict.fromkeys(
                ("logger", "enable_progress_bar", "enable_model_summary", "enable_checkpointing"), False
            ),
        )
        with third_parties_silenced():
            trainer.fit(task, datamodule=data)
    if task.block_graphs.failure:
        sys.stderr.write(f"{case.name}: no graphs: {task.block_graphs.failure}\n")
    if not clock.seconds:
        raise RuntimeError(f"{case.name}: fewer than {warm_up + steps} steps")
    rate = float(clock.stock_days) / clock.seconds
    step_ms = 1e3 * clock.seconds / steps
    figures = {
        "stock_days_per_second": rate,
        "epoch_seconds": load.rows / rate,
        "step_ms": step_ms,
        "peak_gb": clock.peak_gb,
        "start_seconds": time.perf_counter() - begin - clock.seconds,
        **clock.kernels,
    }
    if clock.kernels:
        figures["utilisation"] = min(1.0, clock.kernels["busy_ms"] / step_ms)
    return figures


def run_case(case: Case, args: argparse.Namespace, load: Load, cache: Path, seconds: float) -> dict[str, Any]:
    """Measure in a process of its own; what it raised where it failed."""
    if args.tiny:
        return dict(measure(case, load, cache, args.steps, args.warm_up, tiny=True))
    command = [sys.executable, "-m", "benchmarks.gpu_epoch", "--case", json.dumps(asdict(case))]
    command += ["--load", json.dumps(asdict(load)), "--cache", str(cache)]
    command += ["--steps", str(args.steps), "--warm-up", str(args.warm_up)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        return {"failed": f"took longer than {seconds:.0f} s"}
    result = done.stdout.rpartition("RESULT ")[2]
    if done.returncode or not result:
        sys.stderr.write(done.stderr[-3000:])
        lines = done.stderr.strip().splitlines() or ["no output"]
        return {"failed": lines[-1][:300]}
    figures: dict[str, Any] = json.loads(result)
    return figures


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scale", type=float, default=1.0, help="share of the reference days in the cache")
    parser.add_argument("--steps", type=int, default=40, help="steps that are timed")
    parser.add_argument("--warm-up", type=int, default=12, help="steps before")
    parser.add_argument("--budget", type=float, default=450.0, help="seconds for everything")
    parser.add_argument("--only", default="", help="part of the names of the cases to run")
    parser.add_argument("--folder", type=Path, help="of the caches; default: a temporary one")
    parser.add_argument("--json", type=Path, help="file for all figures")
    parser.add_argument("--tiny", action="store_true", help="a few stocks, in this process, on any device")
    for hidden in ("--case", "--load", "--cache"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    args = parser.parse_args(arguments)
    if args.case:
        case, load = Case(**json.loads(args.case)), Load(**json.loads(args.load))
        figures = measure(case, load, Path(args.cache), args.steps, args.warm_up, tiny=False)
        print("RESULT " + json.dumps(figures))
        return figures
    begin = time.perf_counter()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    name = torch.cuda.get_device_name() if device.type == "cuda" else "cpu"
    limits = measure_device(device)
    print(f"{name}, torch {torch.__version__}: " + ", ".join(f"{k} {v:,.1f}" for k, v in limits.items()))
    report: dict[str, Any] = {"device": name, "torch": torch.__version__, "limits": limits, "cases": {}}
    if device.type == "cuda":
        torch.cuda.empty_cache()
    with tempfile.TemporaryDirectory() as temporary:
        root = args.folder or Path(temporary)
        caches: dict[str, Path] = {}
        for case in CASES:
            left = args.budget - (time.perf_counter() - begin)
            if args.only not in case.name:
                continue
            if left < RESERVE_SECONDS:
                print(f"{case.name:44} left out: the budget is used up")
                continue
            load = LOADS[case.config]
            load = replace(TINY, regimes=load.regimes, graph=load.graph) if args.tiny else load
            load = replace(load, days=max(int(args.scale * load.days), 100))
            if case.config not in caches:
                started = time.perf_counter()
                caches[case.config] = write_cache(root, load)
                print(f"cache of {load.rows:,} rows in {time.perf_counter() - started:.1f} s")
            figures = run_case(case, args, load, caches[case.config], left)
            if "failed" not in figures:
                flop = 0.0 if args.tiny else flop_per_stock_day(case.config, LOADS[case.config])
                reached = figures["stock_days_per_second"] * flop / 1e12
                figures |= {"tflops": reached, "matrix_share": reached / limits["matmul_tflops"]}
                figures["epoch_seconds"] = LOADS[case.config].rows / figures["stock_days_per_second"]
            report["cases"][case.name] = figures
            print(line(case.name, figures))
            sys.stdout.flush()
            if args.json:
                args.json.write_text(json.dumps(report, indent=2))
    print(f"{time.perf_counter() - begin:.0f} s in all")
    return report


def line(name: str, figures: dict[str, Any]) -> str:
    """A case's figures, and below it the kernels that take longest."""
    if "failed" in figures:
        return f"{name:44} failed: {figures['failed']}"
    used = (
        f"{figures['utilisation']:4.0%} busy, {figures['launches']:5.0f} launches a step"
        if "utilisation" in figures
        else ""
    )
    text = (
        f"{name:44} {figures['epoch_seconds']:7.1f} s an epoch {figures['stock_days_per_second']:11,.0f} rows/s "
        f"{figures['step_ms']:7.2f} ms a step {figures['matrix_share']:6.1%} of the matrix rate {used} "
        f"{figures['peak_gb']:5.1f} GB"
    )
    kernels = [
        f"    {ms:7.3f} ms {kernel[7:]}" for kernel, ms in figures.items() if kernel.startswith("kernel ")
    ]
    return "\n".join([text, *kernels])


def figures(budget_s: float) -> dict[str, float]:
    """All figures in one flat table, for ``python -m benchmarks``; needs a GPU."""
    if not torch.cuda.is_available():
        raise InputError("needs a CUDA device")
    report = main(["--budget", str(budget_s)])
    flat = {f"device/{k}": v for k, v in report["limits"].items()}
    for name, case in report["cases"].items():
        flat |= {
            f"{name}/{k}": v for k, v in case.items() if isinstance(v, float) and not k.startswith("kernel")
        }
    return flat


if __name__ == "__main__":
    main()
