"""An evaluation as plain text: what a sceptic reads first stands first, each line can be searched for in a log.

Per file: what was measured, warnings, the score beside its controls and the band of random scores, all headline
figures by horizon with their intervals, then deciles, decay, exposures and groups. Last, how files differ.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from math import isfinite
from typing import TYPE_CHECKING

from atft.errors import counted
from atft.evaluation.figures import BPS, FIGURES, SCORED, FigureKind
from atft.evaluation.groups import NAMED_GROUPS
from atft.evaluation.intervals import Interval
from atft.evaluation.null_controls import control_name, inside_band
from atft.evaluation.paired import PAIRED_FIGURES
from atft.evaluation.plain_table import RANDOM, plain_table, signed, table_text
from atft.evaluation.result import Difference, Evaluation, FileEvaluation, HorizonEvaluation

if TYPE_CHECKING:
    from rich.table import Table

INSIDE = "RankIC inside the random band"
INTERVALS = "[95 % interval by stationary block bootstrap] Newey-West t"


def evaluation_text(evaluation: Evaluation) -> str:
    """Write an evaluation as text without colours."""
    parts = [part for file in evaluation.files for part in _file_parts(file, evaluation)]
    if evaluation.differences:
        parts.append(table_text(_differences_table(evaluation.differences)))
    return "\n\n".join(part for part in parts if part)


def coverage_lines(file: FileEvaluation) -> list[str]:
    """Say what of a file was measured, what was left out and why, and what was decided for the reader."""
    covered = file.coverage
    lines = [
        f"{file.name}: {covered.first} to {covered.last}, {counted(covered.days, 'day')}, "
        f"{counted(covered.codes, 'code')}, {counted(covered.mean_stocks, 'stock')} a day",
        f"rows: {covered.measured_rows:,} measured of {covered.rows:,}"
        + (f"; left out: {_counted(covered.dropped)}" if covered.dropped else ""),
    ]
    for horizon, measured in file.horizons.items():
        if measured.dropped_days:
            lines.append(f"days of {horizon}d left out: {_counted(measured.dropped_days)}")
    if file.causal is False:
        lines.append("causal: false (some folds were trained on days after those they score)")
    return [*lines, *file.notes]


def shown(value: float, kind: FigureKind) -> str:
    """A number in the unit of its figure: with a sign where 0 is chance, ``nan`` where unknown."""
    if not isfinite(value):
        return "nan"
    sign = "+" if kind.zero_is_chance else ""
    return f"{kind.in_unit(value):{sign},.{kind.digits}f}"


def shown_interval(interval: Interval, kind: FigureKind) -> str:
    """A value with its interval and its t; what is unknown is left out."""
    text = shown(interval.value, kind)
    if isfinite(interval.low):
        text += f" [{shown(interval.low, kind)}, {shown(interval.high, kind)}]"
    if isfinite(interval.t):
        text += f" {interval.t:.1f}"
    return text


def _file_parts(file: FileEvaluation, evaluation: Evaluation) -> Iterable[str]:
    yield "\n".join(coverage_lines(file))
    # Whatever makes the figures doubtful stands before them.
    warnings = [f"WARNING {h}d: {text}" for h, m in file.horizons.items() for text in m.warnings]
    yield "\n".join(warnings)
    yield table_text(_controls_table(file))
    absent = {name: why for m in file.horizons.values() for name, why in m.absent_controls.items()}
    yield "\n".join(f"no control {name!r}: {why}; --context joins columns" for name, why in absent.items())
    settings = evaluation.settings
    title = (
        f"figures of {file.name}; k = {settings.k}, costs {settings.cost_bps:g} bps a side, "
        f"participation {settings.participation:.2%} of the traded value"
    )
    yield table_text(_figures_table(file, title))
    yield table_text(_deciles_table(file))
    yield table_text(_by_horizon(file, "decay: RankIC with the target of a later day", "lag", _decay))
    if any(m.exposures for m in file.horizons.values()):
        yield table_text(_by_horizon(file, "exposure of the score: mean rank correlation", "", _exposed))
    if any(m.covered for m in file.horizons.values()):
        yield table_text(_by_horizon(file, "share inside the prediction intervals", "", _covered))
    kinds = list(dict.fromkeys(kind for m in file.horizons.values() for kind in m.groups))
    for kind in (k for k in kinds if k in NAMED_GROUPS):
        yield table_text(
            _by_horizon(file, f"RankIC by {kind} ± error (days x stocks a day)", "", partial(_grouped, kind))
        )
    regimes = [k for k in kinds if k not in NAMED_GROUPS]
    if regimes:
        yield f"also by {len(regimes)} regimes of the market: in the files of --out, and in python -m atft report"


def _controls_table(file: FileEvaluation) -> "Table":
    """The score, the band of random scores and the controls, horizon by horizon."""
    table = plain_table("", ["scorer", "horizon"], ["days", *(FIGURES[n].title for n in SCORED)], [""])
    for i, (horizon, measured) in enumerate(file.horizons.items()):
        if i:
            table.add_section()
        rows = [(control_name(c.name, [file.name]), c.figures) for c in measured.controls]
        for name, figures in [(file.name, measured.figures), *rows]:
            verdict = INSIDE if inside_band(figures["rank_ic"].value, measured.band["rank_ic"]) else ""
            cells = [shown_interval(figures[n], FIGURES[n]) for n in SCORED]
            days = f"{measured.days:,}" if name == file.name else ""
            table.add_row(name, f"{horizon}d", days, *cells, verdict)
            if name == file.name:
                limits = [[shown(end, FIGURES[n]) for end in measured.band[n]] for n in SCORED]
                table.add_row(RANDOM, f"{horizon}d", "", *(" .. ".join(pair) for pair in limits), "")
    return table


def _figures_table(file: FileEvaluation, title: str) -> "Table":
    table = plain_table(title, ["figure"], [f"{h}d" for h in file.horizons])
    table.caption = INTERVALS
    for name, kind in FIGURES.items():
        cells = [m.figures.get(name) for m in file.horizons.values()]
        if any(cells):
            texts = ["" if cell is None else shown_interval(cell, kind) for cell in cells]
            table.add_row(kind.title, *texts)
    return table


def _deciles_table(file: FileEvaluation) -> "Table":
    title = "decile returns in excess of the day's mean, bps, with Newey-West error; 10 is the highest scores"
    table = plain_table(title, ["horizon"], [*map(str, range(1, 11)), "monotonicity"])
    for horizon, measured in file.horizons.items():
        cells = [signed(BPS * d.mean.value, 1, BPS * d.mean.error) for d in measured.deciles]
        table.add_row(f"{horizon}d", *cells, signed(measured.monotonicity, 2))
    return table


def _by_horizon(
    file: FileEvaluation, title: str, heading: str, rows: Callable[[HorizonEvaluation], dict[str, str]]
) -> "Table":
    """A table of a column a horizon; ``rows`` gives a horizon's cells by the row's name."""
    table = plain_table(title, [heading], [f"{h}d" for h in file.horizons])
    cells = [rows(measured) for measured in file.horizons.values()]
    for name in dict.fromkeys(name for column in cells for name in column):
        table.add_row(name, *(column.get(name, "") for column in cells))
    return table


def _decay(measured: HorizonEvaluation) -> dict[str, str]:
    now = {"0": shown_interval(measured.figures["rank_ic"], FIGURES["rank_ic"])}
    return now | {str(row.lag): shown_interval(row.rank_ic, FIGURES["rank_ic"]) for row in measured.decay}


def _exposed(measured: HorizonEvaluation) -> dict[str, str]:
    return {name: shown_interval(i, FIGURES["rank_ic"]) for name, i in measured.exposures.items()}


def _covered(measured: HorizonEvaluation) -> dict[str, str]:
    """Shares inside each interval over all days, and of the widest one in each period."""
    if not measured.covered:
        return {}
    rows = {f"{share.name}, to cover {share.level:.0%}": share.share for share in measured.covered}
    widest = measured.covered[0]
    rows |= {f"{widest.name} in {row.period}": row.share for row in widest.periods}
    return {name: _percent(share) for name, share in rows.items()}


def _percent(share: Interval) -> str:
    return f"{100 * share.value:.1f} %" + (f" ± {100 * share.error:.1f}" if isfinite(share.error) else "")


def _grouped(kind: str, measured: HorizonEvaluation) -> dict[str, str]:
    rows = measured.groups.get(kind, [])
    return {
        r.group: f"{signed(r.rank_ic.value, 4, r.rank_ic.error)} ({r.days:,} x {r.stocks:,.0f})" for r in rows
    }


def _differences_table(differences: Sequence[Difference]) -> "Table":
    title = "differences, paired by day on the rows that both files have: [95 % interval], Newey-West t"
    table = plain_table(title, ["file minus the first", "horizon"], ["days", "RankIC", "spread, bps"])
    by_file = {(d.name, d.horizon): d for d in differences}
    cells = {
        (d.name, d.horizon, d.figure): shown_interval(d.difference, FIGURES[d.figure]) for d in differences
    }
    for (name, horizon), row in by_file.items():
        values = [cells.get((name, horizon, figure), "") for figure in PAIRED_FIGURES]
        table.add_row(f"{name} - {row.against}", f"{horizon}d", f"{row.days:,}", *values)
    return table


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {reason}" for reason, count in counts.items())
