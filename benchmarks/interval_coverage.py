"""How often intervals of an evaluation contain the truth, and noise leaves the band of random scores: simulated.

    python benchmarks/interval_coverage.py                    4 minutes on one quiet core

Prints the two tables of docs/compare.md. A 95 % interval of the stationary bootstrap, and a Newey-West t below
1.96, should be right in 95 % of series; noise should leave the band in 5 % of files.
"""

import argparse

import numpy as np

from atft.day_series import Series
from atft.evaluation.day_measures import measure_table
from atft.evaluation.intervals import intervals, ratio_intervals
from atft.evaluation.newey_west import mean_error
from atft.evaluation.null_controls import verdicts
from atft.evaluation.random_scores import random_band

SERIES, DRAWS = 500, 300
DAYS = (85, 250, 741)
RATIO = 0.1
"""True mean over standard deviation of a day, for the intervals of ratios: a Sharpe of 1.6 a year."""
FILES, FILE_DAYS, STOCKS = 400, 250, 50
HORIZONS = (1, 5, 20)


def autoregressive(days: int, coefficient: float) -> np.ndarray:
    """``[series, days]`` with mean 0."""
    noise = np.random.default_rng(1).standard_normal((SERIES, days + 50))
    values = np.zeros_like(noise)
    for day in range(1, days + 50):
        values[:, day] = coefficient * values[:, day - 1] + noise[:, day]
    return values[:, 50:] * np.sqrt(1 - coefficient**2)


def overlapping(days: int, horizon: int, fat_tails: bool = False) -> np.ndarray:
    """``[series, days]``: sums of ``horizon`` neighbouring days, as forward returns are."""
    rng, shape = np.random.default_rng(1), (SERIES, days + horizon - 1)
    # Student's distribution with 3 degrees of freedom has variance 3.
    noise = rng.standard_t(3, shape) / np.sqrt(3) if fat_tails else rng.standard_normal(shape)
    return np.lib.stride_tricks.sliding_window_view(noise, horizon, axis=1).sum(axis=-1) / np.sqrt(horizon)


def regimes(days: int) -> np.ndarray:
    """``[series, days]``, three times as volatile in some periods, of 60 days in the mean."""
    rng = np.random.default_rng(1)
    changes = rng.random((SERIES, days)) < 1 / 60
    calm = (changes.cumsum(axis=1) + rng.integers(0, 2, (SERIES, 1))) % 2
    return rng.standard_normal((SERIES, days)) * np.where(calm, 1, 3) / np.sqrt(5)


KINDS = {
    "independent": (lambda days: autoregressive(days, 0.0), 0),
    "fat tails": (lambda days: overlapping(days, 1, fat_tails=True), 0),
    "regimes of volatility": (regimes, 0),
    "autoregressive, 0.3": (lambda days: autoregressive(days, 0.3), 0),
    "autoregressive, 0.6": (lambda days: autoregressive(days, 0.6), 0),
    "overlapping by 5 days": (lambda days: overlapping(days, 5), 4),
    "overlapping by 20 days": (lambda days: overlapping(days, 20), 19),
}


def coverage(series: np.ndarray, lags: int) -> tuple[float, float, float, float]:
    """Shares of the series: the mean is in its interval, the t is within 1.96, the ratio is in its interval.

    Last, the median Newey-West error over the standard deviation of the series' means.
    """
    spans = [intervals({"x": days}, lags, DRAWS, seed)["x"] for seed, days in enumerate(series)]
    # A trade over h days has the root of h times the ratio of a day.
    true = RATIO * np.sqrt(lags + 1)
    ratios = [ratio_intervals({"x": days + true}, lags, DRAWS, s)["x"] for s, days in enumerate(series)]
    return (
        float(np.mean([x.low < 0 < x.high for x in spans])),
        float(np.mean([abs(x.t) < 1.96 for x in spans])),
        float(np.mean([x.low < true < x.high for x in ratios])),
        float(np.median([x.error for x in spans]) / series.mean(axis=1).std()),
    )


def noise_files(horizon: int, kept: float) -> list[tuple[Series, tuple[float, float]]]:
    """RankIC of each day and the band of random scores, of files of noise.

    Args:
        kept: correlation of a score with that of the day before: 0 is drawn each day, 1 never changes.
    """
    rng, files = np.random.default_rng(2), []
    for _ in range(FILES):
        returns = 0.02 * rng.standard_normal((FILE_DAYS + horizon - 1, STOCKS))
        target = np.lib.stride_tricks.sliding_window_view(returns, horizon, axis=0).sum(axis=-1)
        score = rng.standard_normal((FILE_DAYS, STOCKS))
        for day in range(1, FILE_DAYS):
            score[day] = kept * score[day - 1] + np.sqrt(1 - kept**2) * score[day]
        score, target = score.astype(np.float32), target.astype(np.float32)
        every = np.ones(score.shape, dtype=bool)
        rank_ic = measure_table(score, target, every, names=("rank_ic",)).series["rank_ic"]
        files.append((rank_ic, random_band(target, every, horizon)["rank_ic"]))
    return files


def alarms(horizon: int, kept: float) -> tuple[float, float, float, float]:
    """Share of noise files outside the band, without any verdict, with |t| > 1.96, whose interval excludes 0."""
    found = []
    for seed, (rank_ic, band) in enumerate(noise_files(horizon, kept)):
        interval = intervals({"x": rank_ic}, horizon - 1, DRAWS, seed)["x"]
        found.append(
            (
                not band[0] <= interval.value <= band[1],
                not verdicts(interval, band, horizon),
                abs(interval.value) > 1.96 * mean_error(rank_ic, horizon - 1),
                not interval.low <= 0 <= interval.high,
            )
        )
    outside, silent, t, excluded = np.mean(found, axis=0)
    return outside, silent, t, excluded


def main(arguments: list[str] | None = None) -> None:
    """Print the shares of each kind of days and number of days, then those of noise."""
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args(arguments)
    print(f"{'days are':<24}" + "".join(f"{d:>6} days  |t|<1.96  ratio  ±/true" for d in DAYS))
    for name, (simulate, lags) in KINDS.items():
        shares = [coverage(simulate(days), lags) for days in DAYS]
        cells = (f"{a:>11.3f}{t:>10.3f}{r:>7.3f}{e:>8.2f}" for a, t, r, e in shares)
        print(f"{name:<24}" + "".join(cells), flush=True)
    print(
        f"\nnoise of {STOCKS} stocks, {FILE_DAYS} days, {FILES} files: share outside the band, without a warning,"
    )
    print("with |t| > 1.96, with an interval that excludes 0")
    for name, kept in {"drawn each day": 0.0, "kept, 0.95 a day": 0.95, "never changes": 1.0}.items():
        for horizon in HORIZONS:
            print(
                f"{name:<18}{horizon:>3}d" + "".join(f"{x:>8.3f}" for x in alarms(horizon, kept)), flush=True
            )


if __name__ == "__main__":
    main()
