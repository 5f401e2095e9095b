"""An evaluation as one page that stands alone: what a sceptic asks first stands first.

Headline figures with intervals and controls, what differs between files, then where the result comes from: deciles,
the book, days, months, years, lags, turnover, parts of the market, exposures, regimes, single days, and last what
was measured and how. A section without data says which column would give it.
"""

from collections.abc import Callable, Mapping, Sequence

from atft.drawing.page import Drawing, Html, anchor, chart_grid, element, html_page, section
from atft.errors import InputError
from atft.evaluation.groups import NAMED_GROUPS
from atft.evaluation.null_controls import control_name
from atft.evaluation.result import Evaluation, GroupRow
from atft.tear_sheet.covered_section import covered_part
from atft.tear_sheet.day_charts import month_chart, rank_ic_chart, spread_chart, stocks_chart, turnover_chart
from atft.tear_sheet.entries import MAX_FILES, Entry, Part, all_horizons, entries_of, figure_text, legend_of
from atft.tear_sheet.heading import sheet_heading
from atft.tear_sheet.importance_chart import importance_chart, importance_note
from atft.tear_sheet.interval_charts import Dot, decay_chart, decile_chart, dot_rows
from atft.tear_sheet.tables import (
    coverage_table,
    differences_table,
    dropped_days_table,
    extreme_days_table,
    figures_table,
    horizon_title,
    receipt_table,
    scored_table,
    settings_table,
)

MAX_GROUPS = 20
"""Groups of stocks that are drawn at most, those with the most stocks."""
INTERVAL_NOTE = "95 % intervals by stationary block bootstrap, Newey-West t."


def tear_sheet(evaluation: Evaluation) -> str:
    """The page as HTML.

    Raises:
        InputError: more files than there are colours.
    """
    check_file_count(len(evaluation.files))
    by_horizon = {horizon: entries_of(evaluation, horizon) for horizon in all_horizons(evaluation)}
    parts = [part for make in SECTIONS if (part := make(evaluation, by_horizon)).content]
    title = f"Evaluation of {', '.join(file.name for file in evaluation.files)}"
    sections = [section(part.title, *part.content, note=part.note) for part in parts]
    return html_page(title, sheet_heading(evaluation), sections, [part.title for part in parts])


def check_file_count(files: int) -> None:
    """Check that each file can have a colour of its own."""
    if files > MAX_FILES:
        raise InputError(f"a report has at most {MAX_FILES} files, got {files}; name fewer")


Entries = Mapping[int, list[Entry]]
"""By horizon."""


def _headline(evaluation: Evaluation, by_horizon: Entries) -> Part:
    drawings = []
    for horizon, entries in by_horizon.items():
        rows = [(e.name, [Dot(e.role, e.measured.figures["rank_ic"])]) for e in entries]
        first, names = entries[0].measured, [e.name for e in entries]
        rows += [
            (control_name(c.name, names), [Dot("control", c.figures["rank_ic"])]) for c in first.controls
        ]
        drawing = dot_rows(
            f"controls-{horizon}", horizon_title(horizon), rows, "RankIC", band=first.band["rank_ic"]
        )
        drawings.append(drawing)
    tables = [scored_table(entries, horizon) for horizon, entries in by_horizon.items()]
    note = f"Each score beside null controls on the same days and rows. {INTERVAL_NOTE}"
    everything = [figures_table(file) for file in evaluation.files]
    content = (chart_grid(drawings), *tables, element("h3", "All figures"), *everything)
    return Part("Headline figures", note, content)


def _differences(evaluation: Evaluation, by_horizon: Entries) -> Part:
    if not evaluation.differences:
        return Part("Differences")
    role = {entry.name: entry.role for entries in by_horizon.values() for entry in entries}
    rows = [
        (f"{d.name}, {horizon_title(d.horizon)}", [Dot(role[d.name], d.difference)])
        for d in evaluation.differences
        if d.figure == "rank_ic"
    ]
    drawing = dot_rows("differences", "RankIC", rows, f"RankIC minus that of {evaluation.files[0].name}")
    note = f"Paired by day on the rows that both files have. {INTERVAL_NOTE}"
    return Part("Differences", note, (chart_grid([drawing]), differences_table(evaluation.differences)))


def _per_horizon(
    title: str, note: str, prefix: str, draw: Callable[[str, list[Entry], str], Drawing]
) -> Callable[[Evaluation, Entries], Part]:
    """A section of one chart a horizon."""

    def make(_: Evaluation, by_horizon: Entries) -> Part:
        drawings = [draw(f"{prefix}-{h}", entries, horizon_title(h)) for h, entries in by_horizon.items()]
        return Part(title, note, (chart_grid(drawings),))

    return make


def _spread(evaluation: Evaluation, by_horizon: Entries) -> Part:
    cost = evaluation.settings.cost_bps
    drawings = [
        spread_chart(f"spread-{h}", entries, horizon_title(h), cost) for h, entries in by_horizon.items()
    ]
    note = "Sum of daily returns of h staggered books, per unit of the long side; profits are not reinvested."
    return Part("Cumulative spread", note, (chart_grid(drawings),))


def _months(_: Evaluation, by_horizon: Entries) -> Part:
    drawings = [
        month_chart(
            f"month-{h}-{entry.role}",
            entry,
            horizon_title(h) + (f": {entry.name}" if len(entries) > 1 else ""),
        )
        for h, entries in by_horizon.items()
        for entry in entries
    ]
    return Part("RankIC by month", "Mean RankIC of the month's days, in hundredths.", (chart_grid(drawings),))


def _groups(
    title: str, note: str, kinds: Callable[[str], bool], missing: str
) -> Callable[[Evaluation, Entries], Part]:
    """A section of RankIC by parts: a chart for each kind of part and horizon."""

    def make(_: Evaluation, by_horizon: Entries) -> Part:
        drawings = []
        measured = [e.measured for entries in by_horizon.values() for e in entries]
        names = list(dict.fromkeys(kind for m in measured for kind in m.groups if kinds(kind)))
        for i, kind in enumerate(names):
            for horizon, entries in by_horizon.items():
                rows, more = _group_rows(entries, kind)
                name = f"{anchor(title)}-{i}-{horizon}"
                heading = horizon_title(horizon) if kind == "year" else f"{kind}, {horizon_title(horizon)}"
                drawings.append(
                    dot_rows(name, heading, rows, "RankIC", more, legend=legend_of(entries, "dot"))
                )
        return Part(title, note, (_charts_or(drawings, missing),))

    return make


def _charts_or(drawings: Sequence[Drawing], missing: str) -> Html:
    """Charts side by side; without one, the sentence that says what is missing."""
    return chart_grid(drawings) if drawings else element("p", missing, class_="note")


def _group_rows(entries: Sequence[Entry], kind: str) -> tuple[list[tuple[str, list[Dot]]], str]:
    """Rows of a chart, and what it leaves out."""
    stocks: dict[str, float] = {}
    row_of: dict[tuple[str, str], GroupRow] = {}
    for entry in entries:
        for row in entry.measured.groups.get(kind, []):
            stocks.setdefault(row.group, row.stocks)
            row_of[row.group, entry.name] = row
    names = list(stocks)
    if len(names) > MAX_GROUPS:
        largest = set(sorted(names, key=lambda n: -stocks[n])[:MAX_GROUPS])
        names = [n for n in names if n in largest]
    rows = [
        (n, [Dot(e.role, row_of[n, e.name].rank_ic) for e in entries if (n, e.name) in row_of]) for n in names
    ]
    left = len(stocks) - len(names)
    return rows, f"The {MAX_GROUPS} of {len(stocks)} with the most stocks." if left else ""


def _exposures(_: Evaluation, by_horizon: Entries) -> Part:
    drawings = []
    for horizon, entries in by_horizon.items():
        names = list(dict.fromkeys(n for e in entries for n in e.measured.exposures))
        if names:
            rows = [
                (n, [Dot(e.role, e.measured.exposures[n]) for e in entries if n in e.measured.exposures])
                for n in names
            ]
            neutral = [
                figure_text("neutral_rank_ic", e.measured.figures["neutral_rank_ic"].value)
                for e in entries
                if "neutral_rank_ic" in e.measured.figures
            ]
            note = f"RankIC of what is left of the score without them: {', '.join(neutral)}."
            title = horizon_title(horizon)
            keys = legend_of(entries, "dot")
            drawings.append(
                dot_rows(
                    f"exposures-{horizon}", title, rows, "rank correlation with the score", note, legend=keys
                )
            )
    missing = "The file has no column exposure_size, exposure_beta, exposure_volatility or another exposure."
    note = "Mean over days of the rank correlation of the score with known risk factors."
    return Part("Exposures", note, (_charts_or(drawings, missing),))


def _importance(evaluation: Evaluation, _: Entries) -> Part:
    explained = [(file, file.importance) for file in evaluation.files if file.importance is not None]
    if not explained:
        return Part("Feature importance")
    drawings, notes = [], []
    for number, (file, importance) in enumerate(explained):
        of_file = f": {file.name}" if len(evaluation.files) > 1 else ""
        notes.append(element("p", f"{importance_note(importance)}{of_file}", class_="note"))
        for horizon, rows in importance.horizons.items():
            title = horizon_title(horizon) + of_file
            drawings.append(importance_chart(f"importance-{number}-{horizon}", title, rows))
    return Part("Feature importance", content=(*notes, chart_grid(drawings)))


def _days(evaluation: Evaluation, by_horizon: Entries) -> Part:
    tables = []
    for horizon, entries in by_horizon.items():
        for entry in entries:
            where = horizon_title(horizon) + (f", {entry.name}" if len(entries) > 1 else "")
            tables.append(extreme_days_table(entry.measured.best_days, f"Best days, {where}"))
            tables.append(extreme_days_table(entry.measured.worst_days, f"Worst days, {where}"))
    note = "By RankIC. Each name with its return over the horizon."
    return Part("Best and worst days", note, tuple(tables))


def _coverage(evaluation: Evaluation, by_horizon: Entries) -> Part:
    files = []
    for file in evaluation.files:
        ranked = [e for entries in by_horizon.values() for e in entries if e.name == file.name]
        first = ranked[0]._replace(measured=file.horizons[min(file.horizons)])
        files.append((first, file.coverage))
    drawing = stocks_chart("stocks", "Stocks with a known target, by day", files)
    tables = (coverage_table(evaluation.files), dropped_days_table(evaluation.files) or "")
    return Part("Coverage", content=(chart_grid([drawing]), *tables))


def _receipts(evaluation: Evaluation, _: Entries) -> Part:
    receipts = [receipt_table(file) for file in evaluation.files]
    missing = "No receipt.json beside the file: it was not written by a run of atft."
    shown = [table or element("p", missing, class_="note") for table in receipts]
    return Part("Receipt", content=(settings_table(evaluation), *shown))


NO_SECTOR = "The file has neither a column sector nor exposure_size or traded_value."
SECTIONS: tuple[Callable[[Evaluation, Entries], Part], ...] = (
    _headline,
    _differences,
    _per_horizon(
        "Returns by decile",
        "Mean return above the day's mean; bars are 95 % intervals.",
        "deciles",
        decile_chart,
    ),
    _spread,
    _per_horizon("RankIC by day", "", "days", rank_ic_chart),
    _months,
    _groups("RankIC by year", INTERVAL_NOTE, lambda kind: kind == "year", ""),
    _per_horizon(
        "Decay",
        "RankIC of the score with the return from the close so many days later.",
        "decay",
        decay_chart,
    ),
    _per_horizon("Turnover", "Share of the book that is replaced each day.", "turnover", turnover_chart),
    _groups(
        "Sector and size",
        "RankIC among the stocks of each part of a day.",
        lambda kind: kind in ("sector", "size"),
        NO_SECTOR,
    ),
    _exposures,
    covered_part,
    _groups(
        "Regimes",
        "RankIC on the days of each third of the period by the regime's value.",
        lambda kind: kind not in NAMED_GROUPS,
        "The file has no column regime_*.",
    ),
    _importance,
    _days,
    _coverage,
    _receipts,
)
