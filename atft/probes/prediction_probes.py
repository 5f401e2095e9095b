"""The probes of a predictions file: scores that stand still or know too much, and rows chosen by their label.

A file alone cannot show which rows are missing; the panel it was made from can. Where the market is simulated, the
bound of what a score can know is that of the best possible score (``oracle``).
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from atft.day_series import MAX_LOST_SHARE
from atft.errors import counted
from atft.evaluation.day_ranks import constant_days
from atft.evaluation.plausible_ic import plausible_ic
from atft.panel import PanelSchema
from atft.probes.coverage import coverage_suspects, missing_days
from atft.probes.finding import Finding, Suspect, cannot_tell, conclude_probe
from atft.probes.future import Label
from atft.probes.label_copies import LEADS, copy_suspect, sample_labels
from atft.probes.panel_grid import read_grid
from atft.probes.rank_correlations import MIN_STOCKS, daily_correlation, least_mean, scaled_ranks, shift_days
from atft.probes.scored_rows import ScoredRows, read_scored_rows

STALE_SHARE = 0.5
"""Share of a day's stocks whose score is yesterday's, above which the day is a copy."""
MIN_STALE_DAYS = 2
MIN_DISTINCT = 0.5
"""Share of a day's scores that differ, below which equal scores prove nothing."""
MIN_STALE_ROWS = 5
"""Rows whose score and target are those of the row before, below which a file is not accused."""


def prediction_findings(
    path: Path, panel: str | Path | None = None, schema: PanelSchema | None = None, split: str | None = None
) -> list[Finding]:
    """Probe a predictions file.

    Args:
        path: Parquet or CSV with date, code, score, target and, where there are several, horizon.
        panel: that the scores were made from; None: rows that are missing cannot be seen.
        split: probe rows of this split; None: of ``test`` where the file has it, else all.

    Returns:
        A finding for each probe, over all horizons, folds and seeds of the file.
    """
    parts = read_scored_rows(path, split)
    rows = sum(int(part.present.sum()) for part in parts)
    days = len(np.unique(np.concatenate([part.dates for part in parts])))
    looked = f"{rows:,} scores of {days:,} days"
    looked += "" if parts[0].split is None else f" of the split {parts[0].split!r}"
    looked += f", {len(parts)} horizons, folds or seeds" if len(parts) > 1 else ""

    def finding(probe: str, look: Callable[[ScoredRows], Suspect | None], remedy: str) -> Finding:
        return conclude_probe(probe, map(look, parts), looked, remedy)

    findings = [
        finding("constant scores", collapsed_days, "find out why the network has collapsed; predict again"),
        finding("stale scores", stale_days, "score each day with its own features; predict again"),
        finding(
            "stale rows", stale_rows, "leave out rows that repeat the day before; a halted stock has no row"
        ),
        finding("repeated rows", repeated_rows, "keep one row per date, code and horizon"),
        finding("score is a label", label_scores, "find the feature that is a label; probe --panel names it"),
        finding(
            "implausible IC", implausible_ic, "suspect a bug or a leak first; probe the panel and the config"
        ),
        finding("order of the rows", row_order, "sort rows by date and code, never by the label"),
    ]
    # A score of the month is the same on most days, which copies of single days are not.
    rarely = [part for part in parts if _stale_share(part)[1] > STALE_SHARE]
    if rarely and findings[1].verdict == "ok":
        findings[1] = cannot_tell(
            "stale scores", "most days repeat the scores of the day before: renewed rarely?"
        )
    return [*findings, _rows_finding(parts, panel, schema)]


def _rows_finding(parts: list[ScoredRows], panel: str | Path | None, schema: PanelSchema | None) -> Finding:
    probe = "rows chosen by label"
    remedy = "score every day, and every stock of the day's universe, whatever its label is"
    if panel is not None:
        horizons = sorted({part.horizon for part in parts})
        grid = read_grid(panel, schema or PanelSchema(), horizons)
        suspects = [suspect for part in parts for suspect in coverage_suspects(part, grid)]
        scattered = [left_out for part in parts if (left_out := missing_days(part, grid)).scattered]
        if scattered and not suspects:
            return cannot_tell(probe, f"{scattered[0].text}: by their result?", remedy)
        if not suspects and not any(np.isin(grid.codes, part.codes).any() for part in parts):
            read = f"{len(grid.codes)} of the panel's {len(grid.codes_in_file):,} stocks"
            return cannot_tell(probe, f"{read} were read, and none of them is in the file")
        return conclude_probe(probe, suspects, "rows are the panel's, also where labels are unknown", remedy)
    unknown = sum(int((part.present & ~np.isfinite(part.numbers["target"])).sum()) for part in parts)
    if unknown:
        return cannot_tell(
            probe, f"{unknown:,} rows have no label, so not all of these were left out; give --panel"
        )
    return cannot_tell(probe, "every row has a label: rows without one may have been left out; give --panel")


def collapsed_days(part: ScoredRows) -> Suspect | None:
    """Accuse scores that are the same for all stocks on more than 5 % of the days: their figures would be NaN."""
    score = part.numbers["score"]
    enough = part.present.sum(axis=1) >= 2
    constant = enough & constant_days(score, part.present & np.isfinite(score))
    if not enough.any() or constant.sum() <= MAX_LOST_SHARE * enough.sum():
        return None
    first = part.dates[constant.argmax()]
    text = f"all scores are equal on {constant.sum()} of {enough.sum()} days, the first is {first}"
    return Suspect(part.name, text)


def _stale_share(part: ScoredRows) -> tuple[np.ndarray, float]:
    """Which days are copies of the day before, and their share of the days that could be."""
    score = np.where(part.present, part.numbers["score"], np.nan)
    stale, judged = np.zeros(len(score), dtype=bool), 0
    for day in range(1, len(score)):
        both = np.isfinite(score[day]) & np.isfinite(score[day - 1])
        values = score[day, both]
        if both.sum() < MIN_STOCKS or len(np.unique(values)) < MIN_DISTINCT * len(values):
            continue
        judged += 1
        stale[day] = (values == score[day - 1, both]).mean() > STALE_SHARE
    return stale, float(stale.sum() / judged) if judged else 0.0


def stale_days(part: ScoredRows) -> Suspect | None:
    """Accuse days on which most scores are those of the day before, where other days have new ones."""
    stale, share = _stale_share(part)
    if stale.sum() < MIN_STALE_DAYS or share > STALE_SHARE:
        return None
    first = part.dates[stale.argmax()]
    text = f"on {stale.sum()} days most scores are those of the day before, the first is {first}"
    return Suspect(part.name, text)


def stale_rows(part: ScoredRows) -> Suspect | None:
    """Accuse rows that repeat score and target of the stock's row before, on days that are no copies as a whole."""
    score, target = part.numbers["score"], part.numbers["target"]
    stale, _ = _stale_share(part)
    same = np.zeros(part.present.shape, dtype=bool)
    same[1:] = (score[1:] == score[:-1]) & (target[1:] == target[:-1]) & (target[1:] != 0)
    same &= part.present & ~stale[:, None]
    if same.sum() < MIN_STALE_ROWS:
        return None
    day, stock = (int(i[0]) for i in np.nonzero(same))
    first = f"{part.codes[stock]} on {part.dates[day]}"
    text = f"{same.sum():,} rows repeat score and target of the day before, the first: {first}"
    return Suspect(part.name, text)


def repeated_rows(part: ScoredRows) -> Suspect | None:
    """Accuse a second row of one date, code and horizon."""
    text = f"{part.repeated:,} rows share date and code with another"
    return Suspect(part.name, text) if part.repeated else None


def label_scores(part: ScoredRows) -> Suspect | None:
    """Accuse scores that rank each day's stocks as a label does, of that day, a later or a recent one."""
    score = scaled_ranks(part.numbers["score"], part.present)
    target = scaled_ranks(part.numbers["target"], part.present)
    label = Label("target", target, part.horizon, part.horizon)
    return copy_suspect(part.name, score, sample_labels([label], target))


def implausible_ic(part: ScoredRows) -> Suspect | None:
    """Accuse scores whose RankIC, with the label of their day or of a later one, no honest score has.

    The bound is :func:`~atft.evaluation.plausible_ic.plausible_ic`; where the file has the best possible score of
    a simulated market, also its RankIC on the same days.
    """
    score = scaled_ranks(part.numbers["score"], part.present)
    target = scaled_ranks(part.numbers["target"], part.present)
    oracle = scaled_ranks(part.numbers["oracle"], part.present) if "oracle" in part.numbers else None
    limit, tests = plausible_ic(part.horizon), LEADS + 1
    for later in range(tests):
        label = shift_days(target, later)
        daily = daily_correlation(score, label)
        bound = least_mean(daily, part.horizon + later, tests)
        if bound.least <= limit:
            continue
        if oracle is not None:
            over = np.sign(bound.mean) * daily - daily_correlation(oracle, label)
            more = least_mean(over, part.horizon + later, tests)
            if not (more.mean > 0 and more.least > 0):
                continue
        when = "its label" if not later else f"the label of {counted(later, 'day')} later"
        best = "" if oracle is None else ", more than the best possible score"
        return Suspect(
            part.name,
            f"RankIC {bound.mean:+.3f} with {when} ({bound.share:.0%} of {bound.days} days), at least "
            f"{bound.least:.3f}{best}; an honest score has less than {limit:.2f}",
        )
    return None


def row_order(part: ScoredRows) -> Suspect | None:
    """Accuse a file whose rows are ordered by their label within a day."""
    order = scaled_ranks(part.numbers["row"], part.present)
    daily = daily_correlation(order, scaled_ranks(part.numbers["target"], part.present))
    bound = least_mean(daily, part.horizon, 1)
    if bound.least <= plausible_ic(part.horizon):
        return None
    return Suspect(
        part.name, f"the place of a row within its day has RankIC {bound.mean:+.3f} with the label"
    )
