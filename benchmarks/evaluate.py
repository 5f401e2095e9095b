"""Seconds and peak memory of `python -m atft evaluate` on 12 M rows: 750 days x 4,000 stocks x 4 horizons.

    python -m benchmarks.evaluate                     # makes the file, evaluates it in a process of its own
    python -m benchmarks.evaluate --days 100 --stocks 500

The file has all that an evaluation can use: a delayed target, sectors, returns, traded value, exposures, a regime.
Of 4,211 stocks, 5 % are missing on each day.
Figures of the last run are in EXPERIMENTS.md; at most 60 s and 4 GB on 2 cores are allowed.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

from atft.errors import InputError
from atft.files.parquet import table_file
from atft.process.cores import core_count
from atft.process.threads import pool_threads

HORIZONS = (1, 5, 10, 20)
DAYS_AT_ONCE = 50


def write_predictions(path: Path, days: int, stocks: int, seed: int = 0) -> int:
    """Write a simulated predictions file, and return its rows; a twentieth of the stocks is missing on each day."""
    rng = np.random.default_rng(seed)
    longest = max(HORIZONS)
    signal = rng.standard_normal((days + longest + 1, stocks)).astype(np.float32)
    returns = 0.02 * rng.standard_normal(signal.shape, dtype=np.float32)
    returns[1:] += 0.0005 * signal[:-1]
    ahead = np.vstack([np.zeros((1, stocks)), returns.cumsum(axis=0, dtype=np.float64)])
    size = rng.standard_normal(stocks).astype(np.float32)
    dates = np.busday_offset("2015-01-01", np.arange(days), "forward")
    codes = pa.array([f"S{i:05d}" for i in range(stocks)])
    sectors = pa.array([f"sector {i % 33}" for i in range(stocks)])
    rows = 0
    with table_file(path, compression="zstd") as append:
        for first in range(0, days, DAYS_AT_ONCE):
            tables = []
            for day in range(first, min(first + DAYS_AT_ONCE, days)):
                here = np.flatnonzero(rng.random(stocks) < 0.95)
                for h in HORIZONS:
                    target, delayed = (
                        (ahead[day + 1 + lag + h] - ahead[day + 1 + lag])[here].astype(np.float32)
                        for lag in (0, 1)
                    )
                    n = len(here)
                    tables.append(
                        pa.table(
                            {
                                "date": pa.array(np.full(n, dates[day])),
                                "code": codes.take(pa.array(here)),
                                "horizon": pa.array(np.full(n, h, np.int32)),
                                "score": signal[day, here] + rng.standard_normal(n, dtype=np.float32),
                                "target": pa.array(target, mask=np.full(n, day + h >= days)),
                                "target_lag1": pa.array(delayed, mask=np.full(n, day + h + 1 >= days)),
                                "split": pa.array(["test"] * n),
                                "fold": pa.array(np.zeros(n, np.int32)),
                                "sector": sectors.take(pa.array(here)),
                                "return_1d": returns[day, here],
                                "traded_value": np.exp(15 + size[here]),
                                "exposure_size": size[here],
                                "exposure_beta": rng.standard_normal(n, dtype=np.float32),
                                "exposure_volatility": rng.standard_normal(n, dtype=np.float32),
                                "regime_volatility": np.full(n, np.sin(day / 50), np.float32),
                            }
                        )
                    )
            joined = pa.concat_tables(tables)
            rows += len(joined)
            append(joined, None)
    return rows


def figures(budget_s: float) -> dict[str, float]:
    """Rows a second of an evaluation, its start included, and peak memory in GB; 12 M rows if time allows."""
    days = max(60, min(750, int(5 * budget_s)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "predictions.parquet"
        rows = write_predictions(path, days, 4211)
        seconds, _, gigabytes, status = measure(path, Path(folder), pool_threads())
    if status != 0:
        raise InputError(f"evaluate ended with {status}")
    return {"rows_per_second": rows / seconds, "peak_gb": gigabytes}


def measure(path: Path, out: Path, threads: int) -> tuple[float, float, float, int]:
    """Evaluate in a process of its own: seconds, processor seconds, peak memory in GB, exit status."""
    command = [sys.executable, "-m", "atft", "evaluate", "--predictions", str(path)]
    command += ["--out", str(out), "--threads", str(threads)]
    started = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - started
    cpu = usage.ru_utime + usage.ru_stime
    return seconds, cpu, usage.ru_maxrss * 1.024e-6, os.waitstatus_to_exitcode(status)


def main(arguments: list[str] | None = None) -> None:
    """Make the file, evaluate it, print seconds and memory."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--days", type=int, default=750)
    parser.add_argument("--stocks", type=int, default=4211)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--file", type=Path, help="where the file is made, or kept from an earlier call")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        path = options.file or Path(folder) / "predictions.parquet"
        if not path.exists():
            rows = write_predictions(path, options.days, options.stocks)
            print(f"{rows:,} rows, {path.stat().st_size / 1e6:,.0f} MB")
        seconds, cpu, gigabytes, status = measure(path, Path(folder), options.threads)
        print(
            f"evaluate: {seconds:.0f} s ({cpu:.0f} s of processor time), peak {gigabytes:.2f} GB, "
            f"{core_count()} cores, exit status {status}"
        )


if __name__ == "__main__":
    main()
