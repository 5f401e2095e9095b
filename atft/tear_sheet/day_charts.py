"""Series of days: what the book earns, RankIC by day and by month, turnover, stocks a day."""

from collections.abc import Sequence

import numpy as np

from atft.day_series import Series
from atft.drawing import charts, palette
from atft.drawing.page import Drawing, LegendKey
from atft.evaluation.result import FileCoverage
from atft.tear_sheet.entries import Entry, legend_of, plotted_days, trailing_mean

ROLLING_DAYS = 60
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
BOTTOM = 28
"""Margin below an axis of dates, which needs no name."""
MAX_TINT = 0.55
"""Opacity of the strongest month, on which its number can still be read."""


def spread_chart(name: str, entries: Sequence[Entry], title: str, cost_bps: float) -> Drawing:
    """Sum of the book's returns before and after costs."""
    figure, axes = charts.new_chart(height=230, bottom=BOTTOM)
    for entry in entries:
        at, books = plotted_days(entry.measured.dates), entry.measured.books
        axes.plot(at, 100 * _summed(books.net), color=entry.colour, linewidth=1.8)
        axes.plot(at, 100 * _summed(books.gross), color=entry.colour, linewidth=1.6, linestyle=":")
    charts.reference_line(axes)
    charts.use_dates(axes)
    charts.label_axes(axes, "", "summed return, %")
    first = entries[0]
    keys = (
        *legend_of(entries),
        LegendKey(first.role, f"net of {cost_bps:g} bps a side"),
        LegendKey(first.role, "gross", "dotted"),
    )
    sources = sorted({e.measured.books.returns_from for e in entries})
    note = f"Long the top tenth, short the bottom tenth; returns from the {', '.join(sources)}."
    return Drawing(title, note, charts.inline_svg(figure, name, f"{title}: summed return of the book"), keys)


def rank_ic_chart(name: str, entries: Sequence[Entry], title: str) -> Drawing:
    """RankIC of each day as a stroke, where one file is drawn, and its mean over the last days as a line."""
    figure, axes = charts.new_chart(height=230, bottom=BOTTOM)
    for entry in entries:
        at, values = plotted_days(entry.measured.dates), entry.measured.series["rank_ic"]
        if len(entries) == 1:
            # All strokes in one path, NaN between them: a tenth of the bytes of a stroke each.
            x, y = (np.full(3 * len(at), np.nan) for _ in range(2))
            x[0::3], x[1::3], y[0::3], y[1::3] = at, at, 0, values
            x, y = (part.reshape(-1, 3)[np.isfinite(values)].ravel() for part in (x, y))
            axes.plot(x, y, color=palette.CONTROL.light, linewidth=0.6, alpha=0.8)
        axes.plot(at, trailing_mean(values, ROLLING_DAYS), color=entry.colour, linewidth=2)
    charts.reference_line(axes)
    charts.use_dates(axes)
    charts.label_axes(axes, "", "RankIC")
    mean = LegendKey(entries[0].role, f"mean of {ROLLING_DAYS} days")
    legend = legend_of(entries) or (mean, LegendKey("control", "each day"))
    note = f"Mean of {ROLLING_DAYS} days." if len(entries) > 1 else ""
    return Drawing(title, note, charts.inline_svg(figure, name, f"{title}: RankIC by day"), legend)


def month_chart(name: str, entry: Entry, title: str) -> Drawing:
    """Mean RankIC of each month as a heat map, in hundredths."""
    months = entry.measured.dates.astype("datetime64[M]").astype(int)
    values = entry.measured.series["rank_ic"]
    known = np.isfinite(values)
    total, number = (
        np.bincount(months[known] - months.min(), weights, months.max() - months.min() + 1)
        for weights in (values[known], None)
    )
    years = sorted({1970 + int(month) // 12 for month in months})
    figure, axes = charts.new_chart(height=40 + 26 * len(years), left=44, top=6, bottom=26)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = total / number
    # A month's opacity is its share of the strongest one's mean, whatever its sign.
    strongest = np.nanmax(np.abs(means)) if known.any() else 1.0
    for i, mean in enumerate(means):
        if np.isfinite(mean):
            month = months.min() + i
            x, y = month % 12, years.index(1970 + int(month) // 12)
            role = palette.GAIN if mean >= 0 else palette.LOSS
            tint = MAX_TINT * abs(mean) / max(strongest, 1e-12)
            axes.barh(y, 0.94, left=x - 0.47, height=0.9, color=role.light, alpha=tint, linewidth=0)
            axes.text(
                x, y, f"{100 * mean:+.1f}", ha="center", va="center", fontsize=11.5, color=palette.INK.light
            )
    axes.set_xticks(range(12), MONTHS)
    axes.set_yticks(range(len(years)), [str(year) for year in years])
    axes.set_xlim(-0.5, 11.5)
    axes.set_ylim(len(years) - 0.5, -0.5)
    axes.tick_params(length=0)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    label = f"{title}: mean RankIC of each month"
    keys = (LegendKey("gain", "above 0", "box"), LegendKey("loss", "below 0", "box"))
    return Drawing(title, "", charts.inline_svg(figure, name, label), keys)


def turnover_chart(name: str, entries: Sequence[Entry], title: str) -> Drawing:
    """Share of the book that is replaced each day."""
    highest = 0.0
    figure, axes = charts.new_chart(height=190, bottom=BOTTOM)
    for entry in entries:
        values = trailing_mean(100 * entry.measured.series["turnover"], ROLLING_DAYS)
        highest = max(highest, float(np.nanmax(values, initial=0)))
        axes.plot(plotted_days(entry.measured.dates), values, color=entry.colour, linewidth=1.8)
    axes.set_ylim(0, 1.15 * highest or 1)
    charts.use_dates(axes)
    charts.label_axes(axes, "", "replaced a day, %")
    kept = [f"{e.measured.figures['rank_autocorrelation'].value:.3f}" for e in entries]
    note = f"Mean of {ROLLING_DAYS} days. Correlation of the ranks with the day before's: {', '.join(kept)}."
    svg = charts.inline_svg(figure, name, f"{title}: turnover")
    return Drawing(title, note, svg, legend_of(entries))


def stocks_chart(name: str, title: str, files: Sequence[tuple[Entry, FileCoverage]]) -> Drawing:
    """Stocks with a known target on each day, of each file's shortest horizon."""
    highest = 0.0
    figure, axes = charts.new_chart(height=190, bottom=BOTTOM)
    for entry, coverage in files:
        at = plotted_days(entry.measured.dates)
        stocks = coverage.stocks_per_day.astype(np.float64)
        highest = max(highest, float(stocks.max(initial=0)))
        # The last days, whose targets are not known yet, have none.
        axes.plot(at, np.where(stocks > 0, stocks, np.nan), color=entry.colour, linewidth=1.6)
    axes.set_ylim(0, 1.15 * highest or 1)
    charts.use_dates(axes)
    charts.label_axes(axes, "", "stocks")
    entries = [entry for entry, _ in files]
    return Drawing(title, "", charts.inline_svg(figure, name, title), legend_of(entries))


def _summed(values: Series) -> Series:
    """Running sum; NaN before the first known value, a later unknown one adds nothing."""
    known = np.isfinite(values)
    total = np.cumsum(np.where(known, values, 0))
    return np.where(np.cumsum(known) > 0, total, np.nan)
