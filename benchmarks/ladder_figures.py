"""Figures of a ladder: each rung's RankIC and its paired difference to the reference, with Newey-West errors.

Both are means over days, with ``h - 1`` lags at a horizon of ``h`` days; the mean over horizons is taken day by
day, with the lags of the longest one. A fold's figures are those of its days alone.
"""

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import nan

import numpy as np
from numpy.typing import NDArray

from atft.day_series import mean
from atft.errors import InputError
from atft.evaluation.newey_west import mean_error
from benchmarks.ladder_rungs import Ladder
from benchmarks.ladder_scores import LadderDays

MEAN, ALL = "mean", "all"


@dataclass(frozen=True)
class Figure:
    """One rung's RankIC at one horizon (or the mean over some) and lag, over the days of one fold or of all."""

    rung: str
    horizon: str
    """Trading days ahead, or ``mean``."""
    lag: int
    fold: str
    """Its number, or ``all``."""
    days: int
    rank_ic: float
    error: float
    difference: float
    """RankIC minus that of the reference, over the days that both have."""
    difference_error: float
    t: float
    """Difference over its error; NaN for the reference."""
    seeds: int
    """Of which the rung's scores are the mean rank; 1 for a single score."""
    single: float
    """Mean RankIC of its single seeds; NaN where there is one score."""
    between_seeds: float
    """Standard deviation between them."""


def ladder_figures(ladder: Ladder, days: LadderDays) -> list[Figure]:
    """The figures of every rung, horizon, lag and fold; first those over all folds.

    Raises InputError where a horizon of the mean is in no file.
    """
    for horizon in ladder.mean:
        if horizon not in days.horizons:
            raise InputError(f"mean: no horizon {horizon} in the predictions; they have {days.horizons}")
    folds = np.unique(days.fold).tolist()
    chosen = {ALL: np.ones(len(days.fold), dtype=bool)}
    chosen |= {str(fold): days.fold == fold for fold in folds} if len(folds) > 1 else {}
    figures = []
    for fold, of_fold in chosen.items():
        for rung in ladder.rungs:
            figures += [
                _figure(ladder, days, rung, horizon, lag, fold, of_fold)
                for horizon in (MEAN, *map(str, days.horizons))
                for lag in days.lags
            ]
    return figures


def _figure(
    ladder: Ladder, days: LadderDays, rung: str, horizon: str, lag: int, fold: str, of_fold: NDArray[np.bool_]
) -> Figure:
    def series(rank_ic: NDArray[np.float64]) -> NDArray[np.float64]:
        wanted = ladder.mean if horizon == MEAN else (int(horizon),)
        places = [days.horizons.index(value) for value in wanted]
        return np.asarray(rank_ic[lag, places].mean(axis=0)[of_fold])

    lags = (max(ladder.mean) if horizon == MEAN else int(horizon)) - 1
    mine, reference = series(days.rank_ic[rung]), series(days.rank_ic[ladder.reference])
    difference = mine - reference
    error = mean_error(difference, lags)
    singles = [mean(series(rank_ic)) for rank_ic in days.seeds.get(rung, {}).values()]
    return Figure(
        rung=rung,
        horizon=horizon,
        lag=lag,
        fold=fold,
        days=int(np.isfinite(mine).sum()),
        rank_ic=mean(mine),
        error=mean_error(mine, lags),
        difference=mean(difference),
        difference_error=error,
        t=mean(difference) / error if error > 0 else nan,
        seeds=max(1, len(singles)),
        single=float(np.mean(singles)) if singles else nan,
        between_seeds=float(np.std(singles, ddof=1)) if len(singles) > 1 else nan,
    )


def figures_text(figures: Sequence[Figure], ladder: Ladder, days: LadderDays) -> str:
    """Three tables: RankIC by horizon, differences to the reference, differences by fold."""
    of = {(f.rung, f.horizon, f.lag, f.fold): f for f in figures}
    horizons = [*map(str, days.horizons), MEAN]
    folds = list(dict.fromkeys(f.fold for f in figures if f.fold != ALL))
    width = max(16, *(len(name) + 2 for name in ladder.rungs))
    mean_of = "/".join(map(str, ladder.mean))
    head = [f"{'rung':<{width}}"]
    for lag in days.lags:
        names = [f"{h}d" if h != MEAN else f"mean {mean_of}" for h in horizons]
        names[0] = f"lag 1: {names[0]}" if lag else names[0]
        head.append("".join(f"{name:>13}" for name in names))
    lines = [
        f"RankIC on {len(days.dates):,} test days, {days.dates[0]} to {days.dates[-1]}, {days.stocks:,.0f} stocks "
        f"a day that all rungs score",
        "".join(head) + f"{'one seed':>22}",
    ]
    for rung in ladder.rungs:
        cells = [f"{of[rung, h, lag, ALL].rank_ic:+13.4f}" for lag in days.lags for h in horizons]
        whole = of[rung, MEAN, 0, ALL]
        seeds = f"{whole.single:+.4f} sd {whole.between_seeds:.4f} n {whole.seeds}" if whole.seeds > 1 else ""
        lines.append(f"{rung:<{width}}{''.join(cells)}{seeds:>26}")
    lines += ["", f"minus {ladder.reference}, paired over days: difference ± Newey-West error (t)"]
    keys = [*((h, 0) for h in horizons), *((MEAN, lag) for lag in days.lags[1:])]
    names = [f"{h}d" if h != MEAN else f"mean {mean_of}" + (", lag 1" if lag else "") for h, lag in keys]
    lines.append(f"{'rung':<{width}}" + "".join(f"{name:>27}" for name in names))
    others = [rung for rung in ladder.rungs if rung != ladder.reference]
    for rung in others:
        cells = [f"{_difference(of[rung, h, lag, ALL], with_t=True):>27}" for h, lag in keys]
        lines.append(f"{rung:<{width}}{''.join(cells)}")
    if folds:
        lines += ["", f"minus {ladder.reference} by fold, mean of {mean_of}; worst: the least t of a fold"]
        for lag in days.lags:
            starts = {fold: days.dates[days.fold == int(fold)][0] for fold in folds}
            titles = [f"{fold} from {starts[fold]}" for fold in folds]
            title = f"{'rung, lag ' + str(lag):<{width}}"
            lines.append(
                title + "".join(f"{t:>20}" for t in titles) + f"{'mean, over folds':>20}{'worst':>8}"
            )
            for rung in others:
                parts = [of[rung, MEAN, lag, fold] for fold in folds]
                cells = [f"{_difference(part):>20}" for part in parts]
                values = [part.difference for part in parts]
                over = f"{np.mean(values):+.4f} ± {np.std(values, ddof=1) / len(values) ** 0.5:.4f}"
                worst = min((part.t for part in parts if np.isfinite(part.t)), default=nan)
                lines.append(f"{rung:<{width}}{''.join(cells)}{over:>20}{worst:>+8.1f}")
    lines += [
        f"{name}: {rows:,} rows that {ladder.reference} has are not scored, and count for no rung"
        for name, rows in days.left_out.items()
        if rows
    ]
    for name, weights in days.weights.items():
        texts = [" ".join(f"{weight:+.3f}" for weight in of_fold) for of_fold in weights]
        members = ", ".join(ladder.rungs[name].stack)
        lines.append(f"{name}: weights of {members}, mean over horizons, by fold: {'; '.join(texts)}")
    return "\n".join(lines)


def _difference(figure: Figure, with_t: bool = False) -> str:
    text = f"{figure.difference:+.4f} ± {figure.difference_error:.4f}"
    return f"{text} ({figure.t:+.1f})" if with_t else text


def figures_csv(figures: Sequence[Figure]) -> str:
    """A row for each figure, all digits; empty where unknown."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(asdict(figures[0])), lineterminator="\n")
    writer.writeheader()
    for figure in figures:
        writer.writerow({k: "" if v != v else v for k, v in asdict(figure).items()})
    return text.getvalue()
