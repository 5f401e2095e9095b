"""What stands above all sections: which days of which files, warnings, and the first figures."""

from collections.abc import Mapping

from atft.drawing.page import Html, element, joined
from atft.evaluation.intervals import Interval
from atft.evaluation.result import Evaluation
from atft.tear_sheet.entries import figure_text, interval_text
from atft.tear_sheet.tables import horizon_title


def sheet_heading(evaluation: Evaluation) -> Html:
    """The page's title, the files' days and stocks, warnings, a tile a horizon where there is one file, notes."""
    title = element("h1", f"Evaluation of {', '.join(file.name for file in evaluation.files)}")
    lines, warnings = [], []
    for file in evaluation.files:
        covered = file.coverage
        per_day = f"{covered.mean_stocks:,} of {covered.codes:,} stocks a day"
        text = f"{covered.first} to {covered.last}, {covered.days:,} days, {per_day}"
        name = f"{file.name}: " if len(evaluation.files) > 1 else ""
        lines.append(element("p", f"{name}{text}", class_="note"))
        warnings += [
            f"{name}{horizon_title(horizon)}: {warning}"
            for horizon, measured in file.horizons.items()
            for warning in measured.warnings
        ]
        warnings += [
            f"{name}{horizon_title(horizon)}: no day could be ranked, see Coverage"
            for horizon, measured in file.horizons.items()
            if not measured.days
        ]
        if file.causal is False:
            warnings.append(f"{name}not causal: some folds were trained on days after those they score")
    # Before any figure: a reader who sees one first believes it.
    lines += [element("p", warning, class_="warning") for warning in warnings]
    if len(evaluation.files) == 1:
        ranked = {h: m for h, m in evaluation.files[0].horizons.items() if m.days}
        tiles = [_tile(horizon, measured.figures, measured.band) for horizon, measured in ranked.items()]
        lines.append(element("div", *tiles, class_="tiles"))
    notes = [element("li", note) for note in dict.fromkeys(n for f in evaluation.files for n in f.notes)]
    return joined((title, *lines, element("ul", *notes, class_="note") if notes else ""))


def _tile(horizon: int, figures: Mapping[str, Interval], band: Mapping[str, tuple[float, float]]) -> Html:
    rank_ic = figures["rank_ic"]
    low, high = band["rank_ic"]
    lines = [
        f"95 %: {interval_text('rank_ic', rank_ic)}" if interval_text("rank_ic", rank_ic) else "",
        f"random: {figure_text('rank_ic', low)} to {figure_text('rank_ic', high)}",
        f"net a year: {figure_text('net_annual', figures['net_annual'].value)} %"
        if "net_annual" in figures
        else "",
    ]
    return element(
        "div",
        element("span", f"RankIC, {horizon_title(horizon)}", class_="note"),
        element("b", figure_text("rank_ic", rank_ic.value)),
        *(element("div", line, class_="note") for line in lines if line),
        class_="tile",
    )
