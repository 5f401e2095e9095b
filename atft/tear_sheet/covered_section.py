"""The section on prediction intervals: the share of targets that they covered, over all days and by period."""

from collections.abc import Mapping, Sequence
from math import isfinite

from atft.drawing.page import Drawing, Html, LegendKey, chart_grid, html_table
from atft.evaluation.intervals import Interval
from atft.evaluation.result import Evaluation
from atft.tear_sheet.entries import Entry, Part, legend_of
from atft.tear_sheet.interval_charts import Dot, dot_rows
from atft.tear_sheet.tables import horizon_title

TITLE = "Prediction intervals"
NOTE = (
    "Share of targets inside, a mean over days with its 95 % interval; the line is the share to cover. Intervals "
    "were calibrated on the validation days: what they cover of later days is not guaranteed, since markets change."
)
UNCALIBRATED = LegendKey("control", "quantiles before calibration", "dot")


def covered_part(_: Evaluation, by_horizon: Mapping[int, list[Entry]]) -> Part:
    """The section's charts and tables; nothing where no file has an interval."""
    shown = {h: [e for e in entries if e.measured.covered] for h, entries in by_horizon.items()}
    shown = {h: entries for h, entries in shown.items() if entries}
    if not shown:
        return Part(TITLE)
    drawings = [_chart(f"covered-{h}", entries, horizon_title(h)) for h, entries in shown.items()]
    tables = [_table(entries, horizon_title(h)) for h, entries in shown.items()]
    return Part(TITLE, NOTE, (chart_grid(drawings), *tables))


def _chart(name: str, entries: Sequence[Entry], title: str) -> Drawing:
    """A row a period: the widest interval of each file, of a single file beside its quantiles."""
    dots = [(entry.role, entry.measured.covered[0]) for entry in entries]
    level, keys = dots[0][1].level, legend_of(entries, "dot")
    if len(entries) == 1:
        covered = entries[0].measured.covered
        before = [share for share in covered if not share.calibrated and share.level == level]
        if before and covered[0].calibrated:
            dots.append(("control", before[0]))
            keys = (LegendKey(entries[0].role, "calibrated", "dot"), UNCALIBRATED)
    periods = sorted({row.period for _, share in dots for row in share.periods})
    rows = [("all days", [Dot(role, share.share.scaled(100)) for role, share in dots])]
    for period in periods:
        of_period = [(role, row) for role, share in dots for row in share.periods if row.period == period]
        rows.append((period, [Dot(role, row.share.scaled(100)) for role, row in of_period]))
    axis = f"share inside an interval of {100 * level:.0f} %, in %"
    return dot_rows(name, title, rows, axis, legend=keys, reference=100 * level)


def _table(entries: Sequence[Entry], title: str) -> Html:
    rows: list[list[object]] = [
        [
            e.name,
            share.name,
            f"{100 * share.level:.0f}",
            _percent(share.share),
            f"{share.width:.3g}",
            f"{share.days:,}",
        ]
        for e in entries
        for share in e.measured.covered
    ]
    head = ["file", "interval", "to cover, %", "covered, % (95 %)", "mean width", "days"]
    return html_table(head, rows, (0, 1), caption=title)


def _percent(share: Interval) -> str:
    text = f"{100 * share.value:.1f}"
    return f"{text} ({100 * share.low:.1f} to {100 * share.high:.1f})" if isfinite(share.low) else text
