"""The tables of a tear sheet: headline figures beside their controls, differences, days with names, coverage."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from math import isfinite

from atft.drawing.page import Html, clipped, element, html_table, joined
from atft.evaluation.figures import FIGURES, SCORED
from atft.evaluation.intervals import Interval
from atft.evaluation.null_controls import control_name
from atft.evaluation.result import Difference, Evaluation, ExtremeDay, FileEvaluation
from atft.files.yaml_text import flat_keys
from atft.tear_sheet.entries import UNKNOWN, Entry, figure_text, interval_text

MAX_RECEIPT_TEXT = 200
HIDDEN_RECEIPT = ("metrics", "last_epoch", "terms")
"""Figures of training and validation, which `metrics.json` has; here those of the file stand."""


def scored_table(entries: Sequence[Entry], horizon: int) -> Html:
    """The files of a horizon beside their null controls and the band of random scores."""
    head = ["score", *(FIGURES[name].title for name in SCORED), "t of RankIC", "days"]
    rows: list[list[object]] = []
    styles: list[str | None] = []
    for entry in entries:
        figures, measured = entry.measured.figures, entry.measured
        rows.append([entry.name, *_cells(figures), _t(figures["rank_ic"]), f"{measured.days:,}"])
        styles.append("strong")
    # Controls of the first file: those of other files on the same days are the same but for what is drawn.
    first, names = entries[0].measured, [entry.name for entry in entries]
    band = [
        element("span", f"{figure_text(n, first.band[n][0])} to {figure_text(n, first.band[n][1])}")
        if n in first.band
        else ""
        for n in SCORED
    ]
    rows.append(["random, 95 %", *band, "", ""])
    rows += (
        [control_name(control.name, names), *_cells(control.figures), _t(control.figures["rank_ic"]), ""]
        for control in first.controls
    )
    for name, reason in first.absent_controls.items():
        rows.append([name, element("span", f"absent: {reason}", class_="note"), *[""] * (len(head) - 2)])
    styles += ["control"] * (len(rows) - len(styles))
    return html_table(head, rows, styles=styles, caption=horizon_title(horizon))


def figures_table(file: FileEvaluation) -> Html:
    """All headline figures of a file, a column a horizon."""
    horizons = list(file.horizons)
    names = [n for n in FIGURES if any(n in file.horizons[h].figures for h in horizons)]
    rows = []
    for name in names:
        figures = [file.horizons[h].figures.get(name) for h in horizons]
        cells = ["" if figure is None else _cell(name, figure) for figure in figures]
        rows.append([FIGURES[name].title, *cells, element("span", FIGURES[name].meaning, class_="note")])
    head = ["figure", *(horizon_title(h) for h in horizons), "meaning"]
    return html_table(head, rows, (0, len(head) - 1), caption=file.name)


def differences_table(differences: Sequence[Difference]) -> Html:
    """Each further file minus the first, paired by day."""
    head = ["file", "horizon", "figure", "difference", "95 %", "t", "days"]
    rows = [
        [
            f"{d.name} minus {d.against}",
            horizon_title(d.horizon),
            FIGURES[d.figure].title,
            figure_text(d.figure, d.difference.value),
            interval_text(d.figure, d.difference),
            _t(d.difference),
            f"{d.days:,}",
        ]
        for d in differences
    ]
    return html_table(head, rows, (0, 1, 2))


def extreme_days_table(days: Sequence[ExtremeDay], caption: str) -> Html:
    """Days with the names at both ends of the ranking and what they returned."""
    rows = [
        [
            day.date,
            f"{day.rank_ic:+.3f}",
            figure_text("spread", day.spread),
            _names(day.top),
            _names(day.bottom),
        ]
        for day in days
    ]
    return html_table(
        ["day", "RankIC", FIGURES["spread"].title, "highest scores", "lowest scores"],
        rows,
        (0, 3, 4),
        caption=caption,
    )


def coverage_table(files: Sequence[FileEvaluation]) -> Html:
    """Rows of each file: measured, and left out by reason."""
    reasons = list(dict.fromkeys(reason for file in files for reason in file.coverage.dropped))
    head = ["file", "first day", "last day", "days", "codes", "rows", "measured", *reasons]
    rows = [
        [
            file.name,
            file.coverage.first,
            file.coverage.last,
            *(f"{n:,}" for n in (file.coverage.days, file.coverage.codes, file.coverage.rows)),
            f"{file.coverage.measured_rows:,}",
            *(f"{file.coverage.dropped.get(reason, 0):,}" for reason in reasons),
        ]
        for file in files
    ]
    return html_table(head, rows, (0, 1, 2), caption="Rows of all horizons; left out by reason")


def dropped_days_table(files: Sequence[FileEvaluation]) -> Html | None:
    """Days that could not be ranked, by reason; None where there is none."""
    rows = [
        [file.name, horizon_title(horizon), f"{measured.days:,}", reason, f"{days:,}"]
        for file in files
        for horizon, measured in file.horizons.items()
        for reason, days in measured.dropped_days.items()
    ]
    head = ["file", "horizon", "days ranked", "left out", "days"]
    return html_table(head, rows, (0, 1, 3), caption="Days") if rows else None


def receipt_table(file: FileEvaluation) -> Html | None:
    """What the run that wrote the file says of itself; None without a receipt."""
    if not file.receipt:
        return None
    kept = {key: value for key, value in file.receipt.items() if key not in HIDDEN_RECEIPT}
    rows = [[key, _receipt_text(value)] for key, value in flat_keys(kept).items()]
    return html_table(["key", "value"], rows, (0, 1), caption=f"receipt.json beside {file.path}")


def settings_table(evaluation: Evaluation) -> Html:
    """How the files were measured."""
    files = [["file", file.path] for file in evaluation.files]
    rows = [*files, *([name, value] for name, value in asdict(evaluation.settings).items())]
    known = [[name, value] for name, value in rows if value is not None]
    return html_table(["setting", "value"], known, (0, 1), caption="How it was measured")


def horizon_title(horizon: int) -> str:
    """A horizon in words."""
    return "1 day" if horizon == 1 else f"{horizon} days"


def _cells(figures: Mapping[str, Interval]) -> list[Html]:
    return [_cell(name, figures[name]) if name in figures else Html("") for name in SCORED]


def _cell(name: str, interval: Interval) -> Html:
    return joined((figure_text(name, interval.value), element("small", interval_text(name, interval))))


def _t(interval: Interval) -> str:
    return f"{interval.t:+.1f}" if isfinite(interval.t) else UNKNOWN


def _names(stocks: Sequence[tuple[str, float]]) -> Html:
    parts = [element("span", f"{code} {100 * target:+.1f} %", class_="name") for code, target in stocks]
    return element("div", *parts, class_="names")


def _receipt_text(value: object) -> str:
    if value in (None, [], {}):
        return "none"
    return clipped(f"{value:.6g}" if isinstance(value, float) else str(value), MAX_RECEIPT_TEXT)
