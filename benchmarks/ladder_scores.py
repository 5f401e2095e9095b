"""The scores of all rungs of a ladder on the same rows, fold by fold, and the daily RankIC of each.

The reference's rows decide days and stocks; of them those count that every rung scores. A fold is in memory at a
time: for each rung and seed 4 bytes a stock-day and horizon. 15 rungs of 3 seeds on 250 days of 1,500 stocks are
270 MB.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from atft.errors import InputError
from atft.evaluation.day_measures import measure_scores
from atft.evaluation.day_ranks import rank_days
from atft.evaluation.rank_blend import mean_rank
from atft.files.parquet import open_parquet, readable
from benchmarks.ladder_rungs import Ladder, Part

LAGS = {0: "target", 1: "target_lag1"}
KEYS = ("date", "code", "horizon", "score")
MIN_STOCKS = 20
"""Known targets below which a day does not count."""
PENALTY = 1e-3
"""Of a stack, per row: 1 halves the weight of a member."""
Scores = NDArray[np.float32]
"""``[horizons, days, stocks]``, NaN where there is no row."""


class Axes(NamedTuple):
    """Days and stocks of the reference in one fold, and the returns to predict."""

    dates: NDArray[Any]
    """datetime64[D], ascending."""
    codes: list[str]
    horizons: list[int]
    targets: dict[int, Scores]
    """Lag -> forward returns."""


@dataclass(frozen=True)
class LadderDays:
    """The daily RankIC of every rung over all folds."""

    dates: NDArray[Any]
    """datetime64[D] ``[days]``, ascending."""
    fold: NDArray[np.int64]
    """``[days]``."""
    horizons: list[int]
    rank_ic: dict[str, NDArray[np.float64]]
    """Rung -> ``[lags, horizons, days]``; NaN on a day that cannot be ranked."""
    seeds: dict[str, dict[int, NDArray[np.float64]]]
    """Rung -> seed -> the same of the single seed, where the rung has several."""
    stocks: float
    """Mean number of stocks of a day that all rungs score."""
    left_out: dict[str, int]
    """Rung -> rows of the reference that it does not score."""
    weights: dict[str, list[list[float]]]
    """Stack -> the weights of its members, means over horizons, of each fold."""

    @property
    def lags(self) -> list[int]:
        """Lags whose returns the reference knows: 0, and 1 where it has them."""
        return [lag for lag in LAGS if any(np.isfinite(of[lag]).any() for of in self.rank_ic.values())]


def ladder_days(ladder: Ladder, parts: Mapping[str, Sequence[Part]], folds: Sequence[int] = ()) -> LadderDays:
    """Measure every rung on the days of all folds.

    Args:
        ladder: the rungs; those without an entry in ``parts`` are made of others.
        parts: trained rung or file -> its predictions files.
        folds: numbers of the folds to measure; none: all.

    Raises InputError where a file cannot be read, folds overlap, or a rung has no row that the others have.
    """
    days: list[Axes] = []
    of_fold: list[int] = []
    series: dict[str, list[NDArray[np.float64]]] = {name: [] for name in ladder.rungs}
    single: dict[str, dict[int, list[NDArray[np.float64]]]] = {}
    weights: dict[str, list[list[float]]] = {}
    left_out = dict.fromkeys(ladder.rungs, 0)
    stocks = 0
    for fold in _chosen_folds(parts[ladder.reference], folds):
        axes = read_axes(parts[ladder.reference], fold, "test")
        if days and axes.dates[0] <= days[-1].dates[-1]:
            raise InputError(
                f"fold {fold} begins on {axes.dates[0]}, before the one before it ends; use walk_forward"
            )
        if days and axes.horizons != days[0].horizons:
            raise InputError(
                f"fold {fold}: {ladder.reference} has horizons {axes.horizons}, before it {days[0].horizons}"
            )
        scores, by_seed = _fold_scores(ladder, parts, axes, fold, "test")
        for name, rung in ladder.rungs.items():
            if rung.stack:
                scores[name], of_members = _stacked(ladder, name, parts, fold, scores)
                weights.setdefault(name, []).append(of_members)
            elif rung.blend:
                scores[name] = blended([scores[member] for member in rung.blend])
        common = np.logical_and.reduce([np.isfinite(score) for score in scores.values()])
        if not common.any():
            absent = [name for name, score in scores.items() if not np.isfinite(score).any()]
            raise InputError(
                f"fold {fold}: no row is in all rungs; without any row there: {', '.join(absent) or '-'}"
            )
        known = np.isfinite(axes.targets[0])
        for name, score in scores.items():
            left_out[name] += int((known & ~np.isfinite(score)).sum())
        stocks += int(common[0].sum())
        keyed = {(name, None): score for name, score in scores.items()}
        keyed |= {(name, seed): score for name, seeds in by_seed.items() for seed, score in seeds.items()}
        for (name, seed), rank_ic in _rank_ics(keyed, axes, common).items():
            target = series[name] if seed is None else single.setdefault(name, {}).setdefault(seed, [])
            target.append(rank_ic)
        days.append(axes)
        of_fold += [fold if fold is not None else 0] * len(axes.dates)
    count = len(days)
    return LadderDays(
        dates=np.concatenate([axes.dates for axes in days]),
        fold=np.array(of_fold),
        horizons=days[0].horizons,
        rank_ic={name: np.concatenate(s, axis=-1) for name, s in series.items()},
        seeds={
            name: {seed: np.concatenate(s, axis=-1) for seed, s in seeds.items() if len(s) == count}
            for name, seeds in single.items()
        },
        stocks=stocks / len(of_fold),
        left_out=left_out,
        weights=weights,
    )


def _chosen_folds(parts: Sequence[Part], folds: Sequence[int]) -> list[int | None]:
    known: set[int] = set()
    for part in parts:
        if part.fold is not None:
            known.add(part.fold)
        elif "fold" in _names(part.path):
            known |= set(pq.read_table(part.path, columns=["fold"])["fold"].drop_null().unique().to_pylist())
    absent = sorted(set(folds) - known)
    if absent:
        raise InputError(f"--folds: the reference has no fold {absent[0]}; it has {sorted(known)}")
    return sorted(folds or known) or [None]


def read_axes(parts: Sequence[Part], fold: int | None, split: str) -> Axes:
    """Days, stocks and returns of a fold's rows in the reference; raises InputError where it has none."""
    tables = list(_tables(parts, fold, split, tuple(LAGS.values())))
    if not sum(map(len, tables)):
        raise InputError(f"{parts[0].path}: no {split} row of fold {fold}")
    rows = pa.concat_tables(tables, promote_options="default")
    if "target" not in rows.column_names:
        raise InputError(f"{parts[0].path}: no column 'target'; the reference has the returns")
    dates = np.unique(rows["date"].to_numpy())
    codes = sorted(rows["code"].unique().to_pylist())
    horizons = sorted(rows["horizon"].unique().to_pylist())
    axes = Axes(dates, codes, horizons, {})
    for lag, name in LAGS.items():
        # All seeds have the same returns.
        axes.targets[lag] = np.full((len(horizons), len(dates), len(codes)), np.nan, np.float32)
        if name in rows.column_names:
            axes.targets[lag].ravel()[_cells(rows, axes)] = rows[name].to_numpy()
    return axes


def _tables(
    parts: Sequence[Part], fold: int | None, split: str, further: Sequence[str] = ()
) -> Iterator[pa.Table]:
    """The rows of a fold and split in each file, with ``seed``: 0 where no file says."""
    for part in parts:
        if fold is not None and part.fold is not None and part.fold != fold:
            continue
        names = _names(part.path)
        for name in KEYS:
            if name not in names:
                raise InputError(f"{part.path}: no column {name!r}; a rung has {', '.join(KEYS)}")
        filters: list[Any] = [("split", "==", split)] if "split" in names else []
        if fold is not None and part.fold is None and "fold" in names:
            filters.append(("fold", "==", fold))
        columns = [name for name in (*KEYS, *further) if name in names]
        columns += ["seed"] if part.seed is None and "seed" in names else []
        if split != "test" and "split" not in names:
            continue
        with readable(part.path):
            rows = pq.read_table(part.path, columns=columns, filters=filters or None)
        if "seed" not in rows.column_names:
            rows = rows.append_column("seed", pa.array(np.full(len(rows), part.seed or 0)))
        types = {"date": pa.date32(), "code": pa.string(), "horizon": pa.int32(), "seed": pa.int64()}
        for name in rows.column_names:
            place, kind = rows.schema.get_field_index(name), types.get(name, pa.float32())
            rows = rows.set_column(place, name, pc.cast(rows[name], kind))
        yield rows


def _names(path: Path) -> list[str]:
    with open_parquet(path) as file:
        return list(file.schema_arrow.names)


def _cells(rows: pa.Table, axes: Axes) -> NDArray[np.int64]:
    """Place of each row in ``[horizons, days, stocks]``; -1 for a day, stock or horizon that is not there."""
    code = rows["code"].combine_chunks().dictionary_encode()
    place_of = {name: place for place, name in enumerate(axes.codes)}
    places = np.array([place_of.get(name, -1) for name in code.dictionary.to_pylist()], dtype=np.int64)
    stock = places[code.indices.to_numpy()]
    days, horizons = axes.dates, np.array(axes.horizons)
    index = []
    for values, axis in ((rows["horizon"].to_numpy(), horizons), (rows["date"].to_numpy(), days)):
        place = np.minimum(np.searchsorted(axis, values), len(axis) - 1)
        index.append(np.where(axis[place] == values, place, -1))
    cell = (index[0] * len(days) + index[1]) * len(axes.codes) + stock
    return np.asarray(np.where((stock < 0) | (index[0] < 0) | (index[1] < 0), -1, cell))


def rung_scores(parts: Sequence[Part], axes: Axes, fold: int | None, split: str) -> dict[int, Scores]:
    """The scores of each seed of a rung on the reference's days and stocks.

    Raises InputError where a stock has two rows of one day, horizon and seed.
    """
    scores: dict[int, Scores] = {}
    shape = len(axes.horizons), len(axes.dates), len(axes.codes)
    for rows in _tables(parts, fold, split):
        seeds = rows["seed"].to_numpy()
        for seed in np.unique(seeds).tolist():
            of_seed = rows.filter(pc.equal(rows["seed"], seed))
            cells = _cells(of_seed, axes)
            used = cells >= 0
            table = scores.setdefault(seed, np.full(shape, np.nan, np.float32))
            counts = np.bincount(cells[used], minlength=table.size)
            if counts.max(initial=0) > 1 or np.isfinite(table.ravel()[cells[used]]).any():
                raise InputError(
                    f"{parts[0].path}: seed {seed} has two scores of one stock and day in fold {fold}"
                )
            table.ravel()[cells[used]] = of_seed["score"].to_numpy()[used]
    return scores


def _fold_scores(
    ladder: Ladder, parts: Mapping[str, Sequence[Part]], axes: Axes, fold: int | None, split: str
) -> tuple[dict[str, Scores], dict[str, dict[int, Scores]]]:
    """Trained rungs and files: the mean rank of their seeds, and each seed's scores where there are several."""
    scores, by_seed = {}, {}
    for name in ladder.rungs:
        if name not in parts:
            continue
        of_seeds = rung_scores(parts[name], axes, fold, split)
        if not of_seeds:
            raise InputError(f"rung {name!r}: no {split} row of fold {fold} in {parts[name][0].path}")
        scores[name] = (
            blended(list(of_seeds.values())) if len(of_seeds) > 1 else next(iter(of_seeds.values()))
        )
        if len(of_seeds) > 1:
            by_seed[name] = of_seeds
    return scores, by_seed


def blended(scores: Sequence[Scores]) -> Scores:
    """Mean of the day's ranks, where all of the scores have a row."""
    present = np.logical_and.reduce([np.isfinite(score) for score in scores])
    rows, stocks = -1, present.shape[-1]
    flat = mean_rank([score.reshape(rows, stocks) for score in scores], present.reshape(rows, stocks))
    return flat.reshape(present.shape).astype(np.float32)


def unit_ranks(scores: Scores, valid: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The day's ranks, centred, with a standard deviation of about 1; 0 where not valid."""
    stocks = scores.shape[-1]
    ranked = rank_days(scores.reshape(-1, stocks), valid.reshape(-1, stocks))
    return np.sqrt(3) * (ranked.centered() / np.maximum(ranked.stocks, 1)).reshape(scores.shape)


def _stacked(
    ladder: Ladder,
    name: str,
    parts: Mapping[str, Sequence[Part]],
    fold: int | None,
    scores: Mapping[str, Scores],
) -> tuple[Scores, list[float]]:
    """A stack's scores of the test days, and the weights of its members, means over horizons."""
    members = ladder.rungs[name].stack
    for member in members:
        if member not in parts:
            raise InputError(
                f"rung {name!r}: a stack needs trained rungs or files, {member!r} is made of others"
            )
    axes = read_axes(parts[ladder.reference], fold, "val")
    used = Ladder({m: ladder.rungs[m] for m in members}, ladder.reference, ladder.mean)
    fitted_on, _ = _fold_scores(used, parts, axes, fold, "val")
    weights = stack_weights([fitted_on[member] for member in members], axes.targets[0])
    present = np.logical_and.reduce([np.isfinite(scores[member]) for member in members])
    ranks = np.stack([unit_ranks(scores[member], present) for member in members], axis=-1)
    stacked = np.einsum("hdsm,hm->hds", ranks, weights)
    return np.where(present, stacked, np.nan).astype(np.float32), weights.mean(axis=0).tolist()


def stack_weights(members: Sequence[Scores], target: Scores) -> NDArray[np.float64]:
    r"""Ridge of the target's daily rank on those of the members, ``[horizons, members]``.

    :math:`\beta = (X^\top X + \lambda n I)^{-1} X^\top y` with all ranks centred and of unit variance per day, over
    the rows that all members score and whose target is known; 0 without such a row.
    """
    known = np.logical_and.reduce([np.isfinite(score) for score in (*members, target)])
    x = np.stack([unit_ranks(score, known) for score in members], axis=-1)
    y = unit_ranks(target, known)
    weights = np.zeros((len(target), len(members)))
    for h in range(len(target)):
        rows, label = x[h][known[h]], y[h][known[h]]
        if len(rows):
            gram = rows.T @ rows + PENALTY * len(rows) * np.eye(len(members))
            weights[h] = np.linalg.solve(gram, rows.T @ label)
    return weights


def _rank_ics(
    scores: Mapping[tuple[str, int | None], Scores], axes: Axes, common: NDArray[np.bool_]
) -> dict[tuple[str, int | None], NDArray[np.float64]]:
    """Daily RankIC ``[lags, horizons, days]`` on common rows; days of fewer known targets than 20 are NaN."""
    rank_ics = {key: np.full((len(LAGS), len(axes.horizons), len(axes.dates)), np.nan) for key in scores}
    names = {repr(key): key for key in scores}
    for lag, targets in axes.targets.items():
        for h, target in enumerate(targets):
            valid = common[h] & np.isfinite(target)
            valid &= valid.sum(axis=-1, keepdims=True) >= MIN_STOCKS
            of_horizon = {name: np.where(valid, scores[key][h], np.nan) for name, key in names.items()}
            for name, measured in measure_scores(of_horizon, target, valid, ("rank_ic",), MIN_STOCKS).items():
                rank_ics[names[name]][lag, h] = measured.series["rank_ic"]
    return rank_ics
