"""The one table that ends a fit: the network between what anybody can do and what nobody can beat.

A number alone says nothing; beside it stand ridge on the last day's features, yesterday's reversal, the band
that random scores fall into, and the ceiling where the market is simulated. Each row is one line of plain
text, so that a log can be searched for ``network   5d``.
"""

from collections.abc import Mapping, Sequence
from io import StringIO
from math import isfinite
from typing import TYPE_CHECKING

from atft.evaluation.summary import SummaryRow

if TYPE_CHECKING:
    from rich.table import Table

ORDER = ("network", "ridge", "reversal", "random 95 %", "ceiling")
"""Rows of a horizon from top to bottom; scorers of other names come after the network."""
WIDTH = 150

Bands = Mapping[int, Mapping[str, tuple[float, float]]]
"""Horizon -> rank_ic, ic or sharpe -> the lowest and highest that random scores usually reach."""


def comparison_table(
    rows: Sequence[SummaryRow], bands: Bands | None = None, title: str = "", min_stocks: int = 2
) -> "Table":
    """Put scorers side by side, horizon by horizon.

    Args:
        rows: of any scorers, horizons and lags; lag 1 becomes a column beside lag 0.
        bands: where random scores fall, per horizon.
        title: a line above the table.
        min_stocks: what a day needed to count; a line below the table says how many days did not have it.
    """
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    thin = max((r.thin_days for r in rows), default=0)
    days, are = ("days", "are") if thin > 1 else ("day", "is")
    left_out = f"{thin} {days} with fewer than {min_stocks} stocks {are} left out"
    table = Table(
        title=title or None,
        caption=left_out if thin else None,
        box=SIMPLE_HEAD,
        title_justify="left",
        caption_justify="left",
        pad_edge=False,
        show_edge=False,
    )
    for heading in ("scorer", "horizon"):
        table.add_column(heading, no_wrap=True)
    for heading in ("days", "RankIC", "RankIC lag 1", "IC", "RankICIR", "Sharpe", "Sharpe a year"):
        table.add_column(heading, justify="right", no_wrap=True)
    found = {(r.scorer, r.horizon, r.lag): r for r in rows}
    horizons = sorted({r.horizon for r in rows})
    for i, horizon in enumerate(horizons):
        if i:
            table.add_section()
        for scorer in _ordered({r.scorer for r in rows}, bool(bands)):
            if scorer == "random 95 %":
                if bands and horizon in bands:
                    table.add_row(scorer, f"{horizon}d", "", *_band_cells(bands[horizon], horizon))
                continue
            row, later = found.get((scorer, horizon, 0)), found.get((scorer, horizon, 1))
            if row is not None:
                table.add_row(scorer, f"{horizon}d", str(row.days), *_cells(row, later))
    return table


def render(table: "Table") -> str:
    """Write a table as plain text, without colours, one line per row."""
    from rich.console import Console

    console = Console(
        file=StringIO(), width=WIDTH, color_system=None, force_terminal=False, legacy_windows=False
    )
    console.print(table)
    assert isinstance(console.file, StringIO)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines())


def _ordered(scorers: set[str], with_band: bool) -> list[str]:
    names = scorers | ({"random 95 %"} if with_band else set())
    rank = {name: i for i, name in enumerate(ORDER)}
    return sorted(names, key=lambda n: (rank.get(n, 0.5), n))


def _cells(row: SummaryRow, later: SummaryRow | None) -> list[str]:
    return [
        _with_error(row.rank_ic, row.rank_ic_error, 4),
        _with_error(later.rank_ic, later.rank_ic_error, 4) if later else "",
        _with_error(row.ic, row.ic_error, 4),
        _with_error(row.rank_icir, row.rank_icir_error, 2),
        _with_error(row.sharpe, row.sharpe_error, 3),
        _with_error(row.sharpe_annual, row.sharpe_annual_error, 2),
    ]


def _band_cells(band: Mapping[str, tuple[float, float]], horizon: int) -> list[str]:
    year = (252 / horizon) ** 0.5

    def cell(name: str, digits: int, factor: float = 1.0) -> str:
        low, high = band[name]
        return f"{low * factor:+.{digits}f} .. {high * factor:+.{digits}f}"

    return [cell("rank_ic", 4), "", cell("ic", 4), "", cell("sharpe", 3), cell("sharpe", 2, year)]


def _with_error(value: float, error: float, digits: int) -> str:
    if not isfinite(value):
        return "nan"
    return f"{value:+.{digits}f} ± {error:.{digits}f}"
