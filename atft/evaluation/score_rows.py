"""The rows of a predictions file that are measured: one split, one score a stock, day and horizon.

Rows stay long, 4 bytes a value; a horizon becomes dense when it is measured, so that memory is that of the file and
of one horizon. What is left out is counted by reason.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atft.day_series import MAX_HORIZON
from atft.errors import InputError, listed
from atft.evaluation.any_file import ALIASES, KEYS, MEMBER_KEYS, FileRows, read_rows
from atft.evaluation.predictions import HorizonScores, Mask, Scores, laid_out
from atft.evaluation.rank_blend import mean_rank
from atft.files.cells import check_codes, find_sorted

IDENTITY = ("horizon", *MEMBER_KEYS, "causal", "score")
"""Numbers that say which row it is, and are no context."""


@dataclass(frozen=True)
class ScoreRows:
    """Rows of one split that have a score."""

    rows: FileRows
    horizon: NDArray[np.int16]
    """Trading days ahead, of each row."""
    member: NDArray[np.int16]
    """Which of the scores that its date has, several with several seeds or overlapping folds."""
    dropped: dict[str, int]
    """Reason -> rows left out."""
    notes: list[str]
    """What was decided for the reader, a sentence each."""
    split: str | None
    """Which one; None: all rows, of a file without splits or without one that is ``test``."""
    causal: bool | None
    """False where a row says that its fold was trained after its day; None where the file does not say."""
    one_day: "ScoreRows | None" = None
    """The rows of 1 day, where another horizon was chosen: their targets are the daily returns of its books."""

    @property
    def horizons(self) -> list[int]:
        """Ascending."""
        return [int(horizon) for horizon in np.unique(self.horizon)]


@dataclass(frozen=True)
class DenseHorizon:
    """One horizon as dense tables."""

    table: HorizonScores
    sector: NDArray[np.int16] | None
    """``[days, stocks]`` index into ``sectors``, -1 for none."""
    sectors: list[str]
    rows: NDArray[np.int16]
    """``[days, stocks]`` rows of the file: several where seeds or folds overlap."""


def read_scores(path: str | Path, split: str | None = None, horizon: int | None = None) -> ScoreRows:
    """Read a predictions file, ours or any other, and choose the rows to measure.

    Args:
        path: see `atft.evaluation.any_file.read_rows`; with date, code, score and target.
        split: rows of this split; None: of ``test`` where the file has it, else all.
        horizon: trading days ahead: the rows to measure, or what the rows are of a file without that column, where
            None is 1.

    Raises:
        InputError: the file cannot be read, has no row of the split, or has two rows of one stock, day and horizon.
    """
    rows = read_rows(path, ("score", "target"))
    where, notes, dropped = rows.path, _alias_notes(rows), {}
    keep = np.ones(len(rows), dtype=bool)

    def leave_out(reason: str, which: Mask) -> None:
        dropped[reason] = int((keep & which).sum())
        keep[which] = False

    named, (split, of_split) = split is not None, rows.of_split(split)
    if named:
        notes.append(f"rows of the split {split!r} were measured")
    elif split is not None:
        notes.append(f"rows of the split {split!r} were measured; --split names another one")
    elif names := rows.texts.get("split", ([],))[0]:
        notes.append(f"no split is 'test': rows of {listed(names)} were measured; --split names one")
    leave_out("other split", ~of_split)
    # An infinite score orders stocks no better than a missing one.
    leave_out("no score", ~np.isfinite(rows.numbers["score"]))
    if not keep.any():
        raise InputError(f"{where}: no row has a score")
    horizons = _horizons(rows, horizon, notes)
    of_one_day = keep & (horizons == 1)
    if horizon is not None:
        known = np.unique(horizons[keep]).tolist()
        if horizon not in known:
            raise InputError(f"{where}: no rows of horizon {horizon}; it has {', '.join(map(str, known))}")
        leave_out("other horizon", horizons != horizon)
    chosen = _chosen_rows(rows, keep)
    member, causal = _members(chosen, notes), chosen.numbers.get("causal", np.empty(0))
    causal = causal[~np.isnan(causal)]
    scores = ScoreRows(
        rows=chosen,
        horizon=horizons[keep],
        member=member,
        dropped={reason: count for reason, count in dropped.items() if count},
        notes=notes,
        split=split,
        causal=bool(causal.all()) if len(causal) else None,
    )
    if horizon in (None, 1) or not of_one_day.any():
        return scores
    daily = _chosen_rows(rows, of_one_day)
    one_day = replace(scores, rows=daily, horizon=horizons[of_one_day], member=_members(daily, []))
    return replace(scores, one_day=one_day)


def dense_horizon(scores: ScoreRows, horizon: int, context: FileRows | None = None) -> DenseHorizon:
    """Lay one horizon out as ``[days, stocks]`` tables over its own days and stocks.

    Args:
        context: a file of further columns by (date, code), for the cells that the predictions lack.

    Raises InputError where a stock has two rows on one day, or two targets in those of several seeds or folds, and
    where the context has none of the rows.
    """
    rows = scores.rows
    chosen = np.flatnonzero(scores.horizon == horizon)
    day_index, stock_index = _positions(rows.day[chosen]), _positions(rows.stock[chosen])
    dates, codes = rows.dates[day_index[0]], [rows.codes[i] for i in stock_index[0]]
    shape = len(dates), len(codes)
    check_codes(rows.path, len(codes), len(dates), len(chosen))
    cell = day_index[1][rows.day[chosen]].astype(np.int64) * len(codes) + stock_index[1][rows.stock[chosen]]
    member = scores.member[chosen]
    # The rows of each member; all where there is one.
    members: list[Any] = [slice(None)]
    if member.any():
        members = [member == number for number in range(int(member.max()) + 1)]
    for some in members:
        counts = np.bincount(cell[some], minlength=shape[0] * shape[1])
        # Two members may have one cell each; one member may not have it twice.
        if counts.max() > 1:
            day, stock = divmod(int(counts.argmax()), len(codes))
            raise InputError(
                f"{rows.path}: {codes[stock]} has two rows on {dates[day]} at horizon {horizon}; keep one row"
            )
    number = np.bincount(cell, minlength=shape[0] * shape[1]).reshape(shape).astype(np.int16)
    present = number > 0
    score = rows.numbers["score"][chosen]
    each = [laid_out(score[some], cell[some], shape) for some in members]
    columns = {"score": each[0] if len(each) == 1 else mean_rank(each, present).astype(np.float32)}
    for name, values in rows.numbers.items():
        if name not in IDENTITY:
            # A value that some members lack is the others'.
            known = ~np.isnan(values[chosen])
            columns[name] = laid_out(values[chosen][known], cell[known], shape)
    if len(members) > 1:
        # They score a stock, which has one return, rounded by each perhaps.
        target = rows.numbers["target"][chosen]
        same = np.isclose(columns["target"].ravel()[cell], target, rtol=1e-3, atol=1e-6) | np.isnan(target)
        if not same.all():
            day, stock = divmod(int(cell[same.argmin()]), len(codes))
            raise InputError(
                f"{rows.path}: {codes[stock]} has different targets on {dates[day]} at horizon {horizon}; rows of "
                f"several seeds or folds have one return"
            )
    sector, sectors = _laid_out_sector(rows, chosen, cell, shape)
    if context is not None:
        further, further_sector, names = _joined(context, dates, codes)
        # Cell by cell: the context may know stocks and days that have no row here.
        for name, values in further.items():
            stated = columns.get(name, values)
            columns[name] = np.where(np.isfinite(stated), stated, values)
        if further_sector is not None:
            sectors = [*sectors, *(name for name in names if name not in sectors)]
            place = np.array([*map(sectors.index, names), -1], dtype=np.int16)
            known = place[further_sector]
            sector = known if sector is None else np.where(sector < 0, known, sector)
    return DenseHorizon(HorizonScores(horizon, dates, codes, present, columns), sector, sectors, number)


def read_context(path: str | Path) -> FileRows:
    """Read what a panel (a file, folder or glob) knows of each stock and day beside scores: sector, exposures, ...

    Raises InputError where it has none of these columns, or two rows of one stock and day.
    """
    wanted = [n for n in ALIASES if n not in (*IDENTITY, "target", "target_lag1", "split")]
    rows = read_rows(path, (), wanted, of_panel=True)
    if not rows.numbers and "sector" not in rows.texts:
        raise InputError(
            f"{rows.path}: no context column; it may have sector, return_1d, traded_value, exposure_*, regime_*"
        )
    cell = rows.day.astype(np.int64) * len(rows.codes) + rows.stock
    if len(np.unique(cell)) < len(cell):
        raise InputError(f"{rows.path}: rows repeat a {' and '.join(KEYS)}; give one row a stock and day")
    return rows


def _joined(
    context: FileRows, dates: NDArray[Any], codes: Sequence[str]
) -> tuple[dict[str, Scores], NDArray[np.int16] | None, list[str]]:
    """Columns of the context on some dates and codes, and its sectors; NaN and -1 where it has no row."""
    day_of, day_known = find_sorted(dates, context.dates)
    of_code = {code: i for i, code in enumerate(codes)}
    stock_of = np.array([of_code.get(code, -1) for code in context.codes], dtype=np.int64)
    day, stock = day_of[context.day], stock_of[context.stock]
    known = np.flatnonzero(day_known[context.day] & (stock >= 0))
    if not len(known):
        raise InputError(
            f"{context.path}: must have rows of the scores' days and codes; it begins with {context.codes[0]} on "
            f"{context.dates[0]}, they with {codes[0]} on {dates[0]}; write both alike"
        )
    cell, shape = day[known] * len(codes) + stock[known], (len(dates), len(codes))
    columns = {name: laid_out(values[known], cell, shape) for name, values in context.numbers.items()}
    return columns, *_laid_out_sector(context, known, cell, shape)


def _laid_out_sector(
    rows: FileRows, chosen: NDArray[np.intp], cell: NDArray[np.int64], shape: tuple[int, int]
) -> tuple[NDArray[np.int16] | None, list[str]]:
    if "sector" not in rows.texts:
        return None, []
    sectors, index = rows.texts["sector"]
    table = np.full(shape, -1, dtype=np.int16)
    known = index[chosen] >= 0
    table.ravel()[cell[known]] = index[chosen][known]
    return table, sectors


def _positions(index: NDArray[np.int32]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The indices that occur, ascending, and the position of each index among them."""
    occurs = np.bincount(index) > 0
    return np.flatnonzero(occurs), np.cumsum(occurs) - 1


def _chosen_rows(rows: FileRows, keep: Mask) -> FileRows:
    if keep.all():
        return rows
    return replace(
        rows,
        day=rows.day[keep],
        stock=rows.stock[keep],
        numbers={name: values[keep] for name, values in rows.numbers.items()},
        texts={name: (texts, index[keep]) for name, (texts, index) in rows.texts.items()},
    )


def _horizons(rows: FileRows, horizon: int | None, notes: list[str]) -> NDArray[np.int16]:
    if "horizon" in rows.numbers:
        return stated_horizons(rows)
    if horizon is None:
        notes.append("the file has no column 'horizon': 1 trading day was assumed; --horizon names another")
    return np.full(len(rows), horizon or 1, dtype=np.int16)


def stated_horizons(rows: FileRows) -> NDArray[np.int16]:
    """Horizon of each row of a file with that column; raises InputError where one is no number of trading days."""
    values = rows.numbers["horizon"]
    wrong = ~((values >= 1) & (values <= MAX_HORIZON) & (values == np.floor(values)))
    if wrong.any():
        row, name = int(wrong.argmax()), rows.names["horizon"]
        raise InputError(
            f"{rows.path}: column {name!r}, row {row + 1:,}: {values[row]:g} is no number of trading days"
        )
    return values.astype(np.int16)


def _alias_notes(rows: FileRows) -> list[str]:
    others = {role: name for role, name in rows.names.items() if name.lower() != role}
    named = ", ".join(f"{role} is column {name!r}" for role, name in others.items())
    return [named] if named else []


def _members(rows: FileRows, notes: list[str]) -> NDArray[np.int16]:
    """Number the scores that a date has by their (fold, seed), from 0."""
    number = rows.key_numbers(MEMBER_KEYS)
    if not number.any():
        return np.zeros(len(rows), dtype=np.int16)
    distinct = np.unique(number)
    pair = np.searchsorted(distinct, number)
    # A date of one fold has the first score, whatever the fold's number is.
    occurs = np.zeros((len(distinct), len(rows.dates)), dtype=bool)
    occurs[pair, rows.day] = True
    member: NDArray[np.int16] = (occurs.cumsum(axis=0) - 1)[pair, rows.day].astype(np.int16)
    most = int(member.max()) + 1
    if most > 1:
        notes.append(f"the score is the mean rank of up to {most} scores (fold, seed) that a day has")
    return member
