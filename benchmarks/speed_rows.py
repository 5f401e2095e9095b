"""What `python -m benchmarks` measures: the benchmarks with their share of the time, and the rows of the table."""

from typing import NamedTuple

MACHINE = "machine"
BENCHMARKS = {
    MACHINE: 1.0,
    "train": 3.0,
    "peer_tft": 8.0,
    "network": 3.0,
    "row_speed": 2.0,
    "encoding_speed": 1.0,
    "loss_speed": 2.0,
    "loader": 3.0,
    "cache": 4.0,
    "features": 3.0,
    "append": 2.0,
    "evaluate": 4.0,
    "sweep_overhead": 3.0,
    "start": 2.0,
    "scaling": 6.0,
    "gpu_epoch": 10.0,
    "roofline": 1.0,
}
"""Modules of this folder with a function ``figures(budget_s)``, and each one's share of the time."""


class Row(NamedTuple):
    """A line of the table: a figure, and what it is compared with, at most one of the three."""

    figure: str
    """``benchmark.figure``."""
    what: str
    unit: str
    at_least: float | None = None
    """The goal of a rate."""
    at_most: float | None = None
    """The goal of a time or of memory."""
    of: str = ""
    """``benchmark.figure`` of the same run that bounds it: a limit of the machine, or a part of the work."""


COPY, PRODUCTS = "machine.copy_gb_per_second", "encoding_speed.matrix_products_rows_per_second"
FP32 = "machine.matrix_fp32_gflop_per_second"
LIMITS = {COPY: "copy", FP32: "matrix product", PRODUCTS: "its products"}
"""What the table calls a figure that is a limit."""
SPEED, ROWS_SPEED = "stock-days/s", "rows/s"
ROWS = (
    Row("train.stock_days_per_second", "training end to end, 60 days, 32 features, hidden 64", SPEED),
    Row("train.gflop_per_second", "its matrix products", "GFLOP/s", of=FP32),
    Row("train.waiting_percent", "time that it waits for data", "%"),
    Row("peer_tft.times_as_fast", "beside pytorch-forecasting's TemporalFusionTransformer", "times", 60),
    Row("peer_tft.ours_per_second", "ours in that comparison", SPEED),
    Row("peer_tft.peer_per_second", "pytorch-forecasting's, in turn", SPEED),
    Row("network.stock_days_per_second", "the network alone: forward, backward, AdamW", SPEED),
    Row("network.bf16_stock_days_per_second", "the same in bfloat16", SPEED),
    Row("network.times_as_fast", "beside one that selects variables in each window", "times"),
    Row(
        "row_speed.stock_days_per_second", "a perceptron on 200 stocks, validation included, one core", SPEED
    ),
    Row(
        "encoding_speed.rows_per_second",
        "a layer on 170 features in 12 bins, on one core",
        ROWS_SPEED,
        of=PRODUCTS,
    ),
    Row("loss_speed.default_ms", "the default loss, 8 days x 4,000 stocks x 4 horizons", "ms"),
    Row("loss_speed.all_ms", "all twelve terms", "ms"),
    Row("loss_speed.all_mb", "memory of all twelve terms", "MB"),
    Row("loss_speed.peer_ms", "one soft rank that compares all pairs of stocks", "ms"),
    Row("loader.times_a_copy", "a block of 8 days x 4,000 stocks, beside a copy of it", "times", at_most=1.5),
    Row("loader.gb_per_second", "reading such a block", "GB/s", of=COPY),
    Row("loader.workers_times_a_copy", "the same by 2 workers, beside a copy", "times", at_most=1.5),
    Row("loader.memory_growth_mb", "memory that twice as many days add", "MB"),
    Row("cache.rows_per_second", "a cache of 112 ranked features", ROWS_SPEED),
    Row("cache.peak_gb", "its peak memory", "GB"),
    Row("features.rows_per_second", "prices to 175 features", ROWS_SPEED),
    Row("features.peak_gb", "its peak memory", "GB", at_most=10),
    Row("append.day_seconds", "appending a day of 1,000 stocks to panel and cache", "s"),
    Row("evaluate.rows_per_second", "evaluating predictions, start included", ROWS_SPEED, 200_000),
    Row("evaluate.peak_gb", "its peak memory", "GB", at_most=4),
    Row("sweep_overhead.trial_seconds", "a trial of a sweep beyond its training", "s", at_most=0.3),
    Row("sweep_overhead.trial_mb", "memory that a trial leaves", "MB", at_most=1),
    Row("start.help_seconds", "python -m atft --help", "s", at_most=0.15),
    Row("start.first_step_seconds", "fit until its first step, cache made before", "s", at_most=5),
    Row("start.day_seconds", "a day scored from a checkpoint", "s", at_most=4),
    Row(
        "scaling.cost_of_a_day_by_days", "a day among 1,600 days, beside one among 400", "times", at_most=1.05
    ),
    Row(
        "scaling.cost_of_a_stock_day_by_stocks",
        "a stock-day of 10,000 stocks, beside one of 500",
        "times",
        at_most=1.05,
    ),
    Row("scaling.processes_over_threads", "two processes of one thread, beside two threads", "times"),
    Row(
        "gpu_epoch.tokyo device bf16-mixed graphs/epoch_seconds",
        "an epoch of 8.9 M stock-days on this GPU",
        "s",
        at_most=15,
    ),
    Row(
        "roofline.tokyo/2/H100 80GB s", "an epoch of 8.9 M stock-days on an H100, predicted", "s", at_most=15
    ),
    Row("roofline.tokyo/2/H200 s", "and on an H200, predicted", "s", at_most=15),
    Row(COPY, "this machine: copy", "GB/s"),
    Row(FP32, "this machine: matrix product, float32", "GFLOP/s"),
    Row("machine.matrix_bf16_gflop_per_second", "this machine: matrix product, bfloat16", "GFLOP/s"),
    Row("machine.read_gb_per_second", "this machine: sequential read", "GB/s"),
)
README = (
    "train.stock_days_per_second",
    "peer_tft.times_as_fast",
    "loader.times_a_copy",
    "start.first_step_seconds",
    "start.day_seconds",
    FP32,
)
"""The rows of README's table."""
