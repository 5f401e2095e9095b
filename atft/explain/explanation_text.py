"""Explanations as text for a terminal: one line a row, the largest first."""

from math import isfinite
from typing import TYPE_CHECKING

from atft.errors import counted
from atft.evaluation.importance_file import Importance
from atft.evaluation.plain_table import plain_table, table_text
from atft.explain.stock_explanation import StockExplanation

if TYPE_CHECKING:
    from rich.table import Table

UNKNOWN = "–"
JUMPS = "the score jumps between the median stock and this one"


def stock_text(stock: StockExplanation, top: int) -> str:
    """A stock's explanation: its place in the day, then tables of ``top`` features, days and neighbours."""
    gap = 100 * abs(stock.gap / stock.difference) if stock.difference else 0.0
    lines = [
        f"{stock.code} on {stock.date}, {days_ahead(stock.horizon)}: rank "
        f"{stock.rank:,.6g} of {stock.stocks:,} (1 is the highest score)",
        f"score {stock.score:+.4f}, of the day's median stock in its place {stock.median_score:+.4f}, difference "
        f"{stock.difference:+.4f}",
        f"attributions sum to {stock.difference - stock.gap:+.4f}, unattributed {gap:.2g} %, {stock.steps} steps"
        + ("" if stock.is_complete else f": {JUMPS}"),
    ]
    parts = [table_text(_feature_table(stock, top))]
    if stock.days:
        parts.append(table_text(_day_table(stock, top)))
    if stock.neighbours:
        parts.append(table_text(_neighbour_table(stock, top)))
    return "\n\n".join(["\n".join(lines), *parts, *(["\n".join(stock.left_out)] if stock.left_out else [])])


def days_ahead(horizon: int) -> str:
    """A horizon in words."""
    return f"{counted(horizon, 'day')} ahead"


def importance_text(importance: Importance, top: int) -> str:
    """The features of a period, a column of shares and one of directions a horizon, by the first one's shares."""
    horizons = list(importance.horizons)
    columns = [name for h in horizons for name in (f"share {h}d", f"direction {h}d")]
    title = (
        f"{counted(importance.days, 'day')}, {importance.first} to {importance.last}, "
        f"{counted(importance.stock_days, 'stock-day')}; share of the mean absolute attribution, "
        f"unattributed {100 * importance.gap:.2g} %"
    )
    table = plain_table("", ["feature"], columns)
    by_name = {h: {row.name: row for row in rows} for h, rows in importance.horizons.items()}
    names = [row.name for row in importance.horizons[horizons[0]]]
    for name in names[:top]:
        rows = [by_name[h][name] for h in horizons]
        table.add_row(
            name, *(text for r in rows for text in (f"{100 * r.share:.2f} %", f"{r.direction:+.2f}"))
        )
    if names[top:]:
        others = [100 * sum(by_name[h][name].share for name in names[top:]) for h in horizons]
        table.add_row(f"{len(names) - top} others", *(text for r in others for text in (f"{r:.2f} %", "")))
    return f"{title}\n\n{table_text(table)}"


def _feature_table(stock: StockExplanation, top: int) -> "Table":
    table = plain_table("", ["feature"], ["value", "percentile", "median", "attribution"])
    for part in stock.features[:top]:
        table.add_row(
            part.name, _number(part.value), _number(part.percentile, ".0f"), _number(part.median),
            f"{part.attribution:+.4f}",
        )  # fmt: skip
    if stock.features[top:]:
        others = sum(part.attribution for part in stock.features[top:])
        table.add_row(f"{len(stock.features) - top} others", "", "", "", f"{others:+.4f}")
    table.add_row("unattributed", "", "", "", f"{stock.gap:+.4f}")
    table.add_row("difference", "", "", "", f"{stock.difference:+.4f}")
    return table


def _day_table(stock: StockExplanation, top: int) -> "Table":
    table = plain_table("", ["day of the window"], ["attribution", "attention"])
    for day in sorted(stock.days, key=lambda day: -abs(day.attribution))[:top]:
        table.add_row(str(day.date), f"{day.attribution:+.4f}", _number(day.attention, ".3f"))
    return table


def _neighbour_table(stock: StockExplanation, top: int) -> "Table":
    table = plain_table("", ["neighbour"], ["weight", "effect", "correlation"], ["sector"])
    for part in stock.neighbours[:top]:
        table.add_row(
            part.code, _number(part.weight, ".3f"), f"{part.effect:+.4f}", f"{part.correlation:+.2f}",
            "same" if part.same_sector else "",
        )  # fmt: skip
    return table


def _number(value: float | None, form: str = "+.3g") -> str:
    return UNKNOWN if value is None or not isfinite(value) else f"{value:{form}}"
