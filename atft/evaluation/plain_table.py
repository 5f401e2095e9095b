"""Tables as plain text, without torch: one line per row, so that a log can be searched."""

from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from io import StringIO
from math import isfinite
from typing import TYPE_CHECKING

from atft.process.console import plain_console

if TYPE_CHECKING:
    from rich.table import Table

RANDOM = "random 95 %"
"""Name of the row with the band of random scores."""
WIDTH, MAX_WIDTH = 150, 1000


def plain_table(title: str, left: Sequence[str], right: Sequence[str], last: Sequence[str] = ()) -> "Table":
    """Start a table of columns that do not wrap: names to the left, numbers right-aligned, remarks last."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(
        title=title or None,
        box=SIMPLE_HEAD,
        title_justify="left",
        caption_justify="left",
        pad_edge=False,
        show_edge=False,
    )
    for heading in left:
        table.add_column(heading, no_wrap=True)
    for heading in right:
        table.add_column(heading, justify="right", no_wrap=True)
    for heading in last:
        table.add_column(heading, no_wrap=True)
    return table


def signed(value: float, digits: int = 4, error: float | None = None) -> str:
    """A signed value and, where there is one, its standard error; ``nan`` where the value is unknown."""
    if not isfinite(value):
        return "nan"
    return f"{value:+.{digits}f}" + ("" if error is None or not isfinite(error) else f" ± {error:.{digits}f}")


def table_text(table: "Table") -> str:
    """Write a table as plain text, one line per row: no colours, no empty column, "[old]" and ":x:" as they are."""
    # Columns that do not wrap are shown whole: metrics of the user's own are further ones.
    width = MAX_WIDTH if all(column.no_wrap for column in table.columns) else WIDTH
    console = plain_console(
        file=StringIO(), width=width, color_system=None, force_terminal=False, legacy_windows=False
    )
    # A table wraps its title and caption at its own width: here they are lines of their own.
    bare = copy(table)
    bare.title = bare.caption = None
    # What no row knows, as the RankIC at lag 1 of a panel without delayed targets, would be a wide gap.
    filled = [column for column in table.columns if any(column.cells) or not table.row_count]
    bare.columns = [replace(column, _index=place) for place, column in enumerate(filled)]
    console.print(bare)
    assert isinstance(console.file, StringIO)
    rows = "\n".join(line.rstrip() for line in console.file.getvalue().splitlines())
    return "\n".join(str(part) for part in (table.title, rows, table.caption) if part)
