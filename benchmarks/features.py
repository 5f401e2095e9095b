"""Time and memory of prices to panel, and of the same windows in Polars, in one run.

    python benchmarks/features.py --prices FILE [--out FILE] [--polars]

Prints rows, features, seconds and peak memory. On 6.7 M rows of 3,064 stocks the target is at most 120 s and
10 GB on 2 cores. `--polars` first times a sample of the features (five window means and deviations, and one
regression, of one column) as Polars' rolling expressions over each stock and as the grids here.
"""

import argparse
import resource
import tempfile
import time
from pathlib import Path

import numpy as np


def megabytes() -> float:
    """Peak resident memory of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def compare(prices: Path) -> None:
    """Time mean and deviation over five spans and one regression of the log close, both ways."""
    import polars as pl

    from atft.features.options import FeatureOptions
    from atft.features.prices import read_prices
    from atft.features.windows import window_lines, window_moments

    spans = (5, 20, 60, 120, 250)
    grid = read_prices(prices, FeatureOptions())
    start = time.perf_counter()
    with np.errstate(all="ignore"):
        for first in range(0, len(grid.codes), 64):
            log_close = np.log(grid.close[:, first : first + 64].astype(np.float64))
            window_moments(log_close, *spans)
            window_lines(np.arange(len(log_close), dtype=np.float64)[:, None], log_close, 60)
    print(f"grids:  {time.perf_counter() - start:6.1f} s, {megabytes():7,.0f} MB peak")

    y, x = pl.col("y"), pl.col("x")
    means = [y.rolling_mean(k, min_samples=k * 3 // 4).over("code").alias(f"mean_{k}") for k in spans]
    stds = [y.rolling_std(k, min_samples=k * 3 // 4).over("code").alias(f"std_{k}") for k in spans]
    slope = pl.rolling_cov(x, y, window_size=60).over("code") / x.rolling_var(60).over("code")
    scan = pl.scan_parquet(prices).filter(pl.col("close") > 0).sort("code", "date")
    scan = scan.with_columns(
        y=pl.col("close").cast(pl.Float64).log(), x=pl.int_range(pl.len()).over("code") * 1.0
    )
    start = time.perf_counter()
    scan.select(*means, *stds, slope.alias("slope")).collect(engine="streaming")
    print(f"Polars: {time.perf_counter() - start:6.1f} s, {megabytes():7,.0f} MB peak")


def figures(budget_s: float) -> dict[str, float]:
    """Rows a second from prices to panel, and peak memory in GB, on 1,500 days of noise, 3,000 stocks at most."""
    from benchmarks.price_noise import write_prices

    with tempfile.TemporaryDirectory() as place:
        prices = Path(place) / "prices.parquet"
        rows = write_prices(prices, max(100, min(3000, int(30 * budget_s))), 1500)
        seconds = build(prices, Path(place) / "panel.parquet")
    return {"rows_per_second": rows / seconds, "peak_gb": megabytes() / 1e3 * 1.048576}


def build(prices: Path, out: Path) -> float:
    """Build the panel, print its report, rows and times, and return seconds."""
    from atft.features.build import build_panel

    start, used = time.perf_counter(), time.process_time()
    report = build_panel(prices, out)
    seconds, cpu = time.perf_counter() - start, time.process_time() - used
    print("\n".join(report.lines()))
    rows = int(report.prices.kept.sum())
    print(f"{rows:,} rows x {len(report.features)} features in {seconds:.1f} s ({cpu:.1f} s of processor)")
    return seconds


def main(arguments: list[str] | None = None) -> None:
    """Read the arguments and print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--prices", type=Path, required=True, help="Parquet or CSV of daily prices")
    parser.add_argument("--out", type=Path, help="keep the panel here; by default it is thrown away")
    parser.add_argument("--polars", action="store_true", help="also time the sample both ways")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(dir=options.out.parent if options.out else None) as folder:
        build(options.prices, options.out or Path(folder) / "panel.parquet")
    print(f"peak memory {megabytes():,.0f} MB")
    if options.polars:
        compare(options.prices)


if __name__ == "__main__":
    main()
