"""The probes of a panel, of which each column is read once.

A column that is constant within each day is compared with the market's next return, every other one stock by stock.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from atft.features.survivors import leavers, survivors_text, too_few_leave
from atft.panel import PanelSchema
from atft.probes.duplicates import MIN_COLUMNS, RowDigests, duplicate_suspect
from atft.probes.file_quantiles import file_quantiles_suspect
from atft.probes.fills import fill_suspect, interpolation_suspect, mean_fill_suspect
from atft.probes.finding import Finding, Suspect, cannot_tell, conclude_probe
from atft.probes.future import (
    Futures,
    future_suspect,
    futures_of,
    market_return,
    market_suspect,
    neighbour_suspect,
    trailing_return,
    unknown_suspect,
)
from atft.probes.label_copies import copy_suspect, filled_label, label_reach, sample_labels
from atft.probes.own_outcomes import Levels, is_one_number, level_suspect, levels_of, stretch_suspect
from atft.probes.panel_grid import Cells, PanelGrid, read_grid
from atft.probes.rank_correlations import MIN_DAYS, scaled_ranks
from atft.probes.universe import (
    MIN_STOCKS,
    dropped_suspect,
    is_static,
    joins_only,
    last_day_suspect,
    survivor_suspect,
)
from atft.probes.whole_period import (
    centred_suspect,
    file_scaling_suspect,
    has_unit_range,
    range_suspect,
    stock_scaling_suspect,
)
from atft.probes.windows_ahead import market_window_suspect, window_suspect
from atft.process.progress import track

COLUMN_PROBES = {
    "future": "compute the column, nulls too, from rows up to its day; leave it out until then (exclude)",
    "label in a column": "add the column to exclude, or lag it by the label's horizon and lag",
    "neighbours' future": "average the neighbours' returns up to the day only",
    "market-wide future": "compute the column from rows up to its day",
    "whole-period scaling": "scale with past days only, or per day; atft does that in the cache and the network",
    "statistics of later days": "compute the statistic from rows up to the day, or from those of the training days",
    "back-filled gaps": "carry values forward, or leave them null",
}
"""Name of a probe of columns -> what to do about a leak."""


def panel_findings(path: str | Path, schema: PanelSchema, horizons: Sequence[int] = ()) -> list[Finding]:
    """Probe a panel for columns, labels, rows and a universe that know the future.

    ``horizons`` are all that the panel has targets of, where none is named.

    Returns:
        A finding for each probe, in a fixed order.
    """
    grid = read_grid(path, schema, horizons)
    log_return = trailing_return(grid)
    futures = futures_of(grid, log_return)
    digests = RowDigests(grid.shape)
    # Columns may have infinite values, whose differences are NaN.
    with np.errstate(invalid="ignore"):
        columns = [*_column_findings(grid, futures, log_return, digests), _label_finding(grid, futures)]
    return [
        *columns,
        _universe_finding(grid, log_return),
        _survivors_finding(grid),
        _copies(grid, digests),
        _order(grid, futures),
    ]


def probed_columns(grid: PanelGrid) -> list[str]:
    """Columns that must be known on their day: features, exposures, context, today's return, market-wide ones."""
    columns = grid.columns
    today = [columns.return_1d] if columns.return_1d else []
    names = (*columns.features, *today, *columns.exposures, *columns.context, *columns.regime)
    return list(dict.fromkeys(names))


def _column_findings(
    grid: PanelGrid, futures: Futures, log_return: Cells, digests: RowDigests
) -> list[Finding]:
    names = probed_columns(grid)
    looked = f"{len(names)} columns, {len(grid.dates):,} days, {len(grid.codes):,} stocks"
    if grid.codes != grid.codes_in_file:
        looked += f" of {len(grid.codes_in_file):,}"
    if len(grid.dates) < 2 * MIN_DAYS:
        return [cannot_tell(p, f"only {len(grid.dates)} days") for p in COLUMN_PROBES]
    suspects: dict[str, list[Suspect | None]] = {probe: [] for probe in COLUMN_PROBES}
    sample = sample_labels(futures.targets, futures.next_return)
    count, features = len(names), set(grid.columns.features)
    ranged: list[str] = []
    grouped: list[Levels] = []
    fixed: list[str] = []
    simple = np.expm1(log_return)
    market = market_return(simple, grid.present)
    for name, values, whole in track(grid.whole_columns(names), "probing columns", total=count):
        ranks = scaled_ranks(values, futures.universe)
        if name in features:
            digests.add(values)
            if has_unit_range(whole):
                ranged.append(name)
        # No order on any day: the column is market-wide.
        if not ranks.any():
            by_probe = {
                "market-wide future": (
                    market_suspect(name, values, log_return, futures.universe, count)
                    or market_window_suspect(name, values, log_return, futures.universe, count)
                )
            }
        else:
            grouped += [levels] if (levels := levels_of(name, whole)) else []
            fixed += [name] if is_one_number(values) else []
            by_probe = {
                "future": (
                    future_suspect(name, ranks, futures, count)
                    or window_suspect(name, values, futures, count)
                ),
                "label in a column": copy_suspect(name, ranks, sample),
                "neighbours' future": neighbour_suspect(name, ranks, futures, count),
                "whole-period scaling": (
                    file_scaling_suspect(name, whole, grid.day_of_row, count)
                    or stock_scaling_suspect(name, values, grid.present)
                    or file_quantiles_suspect(name, whole, grid.day_of_row, count)
                    or centred_suspect(name, whole, grid.day_of_row, count)
                ),
                "statistics of later days": stretch_suspect(
                    name, values, simple, market, grid.present, count
                ),
                "back-filled gaps": (
                    fill_suspect(name, values, futures.next_return, grid.present, count)
                    or interpolation_suspect(name, values, log_return, grid.present)
                    or mean_fill_suspect(name, values, whole, grid.day_of_row)
                ),
            }
        for probe, suspect in by_probe.items():
            suspects[probe].append(suspect)
        suspects["future"].append(unknown_suspect(name, np.isfinite(values), futures, count))
    suspects["whole-period scaling"].append(range_suspect(ranged, len(features)))
    suspects["statistics of later days"] += _level_suspects(grid, grouped, count)
    texts = dict.fromkeys(COLUMN_PROBES, looked)
    if fixed:
        texts["statistics of later days"] += (
            f"; one number a stock, known on its first day? {', '.join(fixed)}"
        )
    findings = {p: conclude_probe(p, suspects[p], texts[p], remedy) for p, remedy in COLUMN_PROBES.items()}
    probe = "neighbours' future"
    if findings[probe].verdict == "ok" and not np.isfinite(log_return).any():
        reason = "no return_1d and no target of one day, from which returns could be taken"
        findings[probe] = cannot_tell(probe, f"{reason}; name the column return_1d")
    return list(findings.values())


def _level_suspects(grid: PanelGrid, grouped: Sequence[Levels], columns: int) -> list[Suspect]:
    """Columns of few values that are mean labels, each with the label that is first found in it."""
    targets = grid.columns.targets if grouped else ()
    found: dict[str, Suspect] = {}
    for label, _, target in grid.whole_columns(targets):
        for levels in grouped:
            if suspect := level_suspect(levels, label, target, columns * len(targets)):
                found.setdefault(levels.name, suspect)
    return list(found.values())


def _label_finding(grid: PanelGrid, futures: Futures) -> Finding:
    probe, labels = "label's days", futures.targets
    targets = grid.numbers([label.text for label in labels])
    suspects = [
        filled_label(name, values, grid.universe, label.days)
        for (name, values), label in zip(targets, labels, strict=True)
    ]
    if futures.returns.any():
        suspects += label_reach(labels, futures.returns, futures.universe)
    elif not any(suspects):
        return cannot_tell(probe, "no trailing one-day return to compare the targets with")
    return conclude_probe(
        probe,
        suspects,
        f"{', '.join(label.text for label in labels)} cover the days that their names and the lag say",
        "correct the target and leave unknown labels null, or name its horizon and lag in trading days: the purge "
        "counts on them",
    )


def _survivors_finding(grid: PanelGrid) -> Finding:
    gone = int(leavers(grid.present).sum())
    years = float((grid.dates[-1] - grid.dates[0]).astype(int) / 365.25)
    if gone < MIN_STOCKS or too_few_leave(grid.present, years):
        return cannot_tell("survivors", survivors_text(gone, len(grid.codes), years))
    return conclude_probe("survivors", [], f"{gone} stocks leave the file before its end", "")


def _universe_finding(grid: PanelGrid, log_return: Cells) -> Finding:
    columns, present, universe = grid.columns, grid.present, grid.universe
    probe = "universe"
    remedy = "decide membership with rows up to the day; keep the rows of stocks that leave"
    if columns.universe is None:
        return cannot_tell(probe, "the panel has no universe column")
    sizes_of = (*columns.context, *columns.exposures)
    size = next((name for name in ("traded_value", "exposure_size") if name in sizes_of), None)
    sizes = grid.number(size) if size else np.full(grid.shape, np.nan, dtype=np.float32)
    # The flag as a column among all rows, members or not.
    everyone = futures_of_rows(grid, log_return)
    flag = scaled_ranks(universe.astype(np.float64), present)
    suspects = [
        survivor_suspect(present, universe, sizes),
        future_suspect("", flag, everyone, 1),
        dropped_suspect(
            present, universe, grid.number(columns.targets[0]), columns.horizons[0] + columns.lag
        ),
    ]
    static = is_static(present, universe)
    if static:
        # Sizes and the like decide most lists, so they have half of the level for themselves.
        others = tuple(name for name in columns.features if name not in sizes_of)
        suspects += [
            last_day_suspect(present, universe, grid.numbers(names), 2 * len(names))
            for names in (sizes_of, others)
        ]
    if static and not any(suspects):
        reason = (
            f"no stock ever joins or leaves the universe in {len(grid.dates):,} days; if it is a later list"
        )
        return cannot_tell(probe, f"{reason}, it knows the survivors", remedy)
    if not any(suspects) and joins_only(present, universe):
        reason = (
            "stocks join the universe, at different ages, and none ever leaves it; if it is a later list with"
        )
        return cannot_tell(probe, f"{reason} the days of joining, it knows the survivors", remedy)
    return conclude_probe(probe, suspects, "membership changes, by nothing that comes later", remedy)


def futures_of_rows(grid: PanelGrid, log_return: Cells) -> Futures:
    """What follows each day, ranked among all rows of the day instead of the universe's."""
    return futures_of(replace(grid, columns=replace(grid.columns, universe=None)), log_return)


def _copies(grid: PanelGrid, digests: RowDigests) -> Finding:
    suspect = duplicate_suspect(grid, digests)
    if suspect is None and digests.columns < MIN_COLUMNS:
        return cannot_tell("copied rows", f"fewer than {MIN_COLUMNS} features differ between most rows")
    return conclude_probe(
        "copied rows",
        [suspect],
        f"no row stands under two dates or codes ({len(grid.cell):,} rows)",
        "keep each row once, under its date and code",
    )


def _order(grid: PanelGrid, futures: Futures) -> Finding:
    return conclude_probe(
        "order of the rows",
        [future_suspect("", scaled_ranks(grid.row, futures.universe), futures, 1)],
        "the place of a row within its day says nothing of the future",
        "sort rows by date and code before anything counts them",
    )
