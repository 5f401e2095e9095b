"""How often the intervals of an evaluation contain the true mean, on simulated days: the table of docs/compare.md.

    python benchmarks/interval_coverage.py                    40 s on one quiet core

A 95 % interval of the stationary bootstrap, and a Newey-West t below 1.96, should both be right in 95 % of series.
"""

import argparse

import numpy as np

from atft.evaluation.intervals import intervals

SERIES, DRAWS = 500, 300
DAYS = (85, 250, 741)


def autoregressive(days: int, coefficient: float) -> np.ndarray:
    """``[series, days]`` with mean 0."""
    noise = np.random.default_rng(1).standard_normal((SERIES, days + 50))
    values = np.zeros_like(noise)
    for day in range(1, days + 50):
        values[:, day] = coefficient * values[:, day - 1] + noise[:, day]
    return values[:, 50:]


def overlapping(days: int, horizon: int) -> np.ndarray:
    """``[series, days]``: sums of ``horizon`` neighbouring days, as forward returns are."""
    noise = np.random.default_rng(1).standard_normal((SERIES, days + horizon - 1))
    return np.lib.stride_tricks.sliding_window_view(noise, horizon, axis=1).sum(axis=-1)


KINDS = {
    "independent": (lambda days: autoregressive(days, 0.0), 0),
    "autoregressive, 0.3": (lambda days: autoregressive(days, 0.3), 0),
    "autoregressive, 0.6": (lambda days: autoregressive(days, 0.6), 0),
    "overlapping by 5 days": (lambda days: overlapping(days, 5), 4),
    "overlapping by 20 days": (lambda days: overlapping(days, 20), 19),
}


def coverage(series: np.ndarray, lags: int) -> tuple[float, float]:
    """Share of the series whose interval contains 0, and of those with a t within 1.96."""
    spans = [intervals({"x": days}, lags, DRAWS, seed)["x"] for seed, days in enumerate(series)]
    return float(np.mean([x.low < 0 < x.high for x in spans])), float(
        np.mean([abs(x.t) < 1.96 for x in spans])
    )


def main(arguments: list[str] | None = None) -> None:
    """Print the shares of each kind of days and number of days."""
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args(arguments)
    print(f"{'days are':<24}" + "".join(f"{days:>6} days  |t|<1.96" for days in DAYS))
    for name, (simulate, lags) in KINDS.items():
        shares = [coverage(simulate(days), lags) for days in DAYS]
        print(f"{name:<24}" + "".join(f"{interval:>11.3f}{t:>10.3f}" for interval, t in shares), flush=True)


if __name__ == "__main__":
    main()
