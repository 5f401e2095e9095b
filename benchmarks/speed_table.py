"""The figures of a run of `python -m benchmarks` as a table, for a terminal and as Markdown."""

from collections.abc import Mapping
from typing import Any

from benchmarks.speed_rows import BENCHMARKS, LIMITS, README, ROWS, Row

HEADER = ("what", "figure", "unit", "limit or goal", "share")
Results = Mapping[str, Mapping[str, Any]]
"""Of each benchmark its ``figures``, or ``not_run``: why."""
Cells = tuple[str, ...]


def number(value: float) -> str:
    """A figure with three digits, or all digits before the point: 2,182; 45.3; 7.25; 0.0831."""
    size = abs(value)
    if size >= 99.95 or value == 0:
        return f"{value:,.0f}"
    digits = 1 if size >= 9.995 else 2
    while size < 0.1 and digits < 6:
        size, digits = 10 * size, digits + 1
    return f"{value:.{digits}f}"


def figure_of(results: Results, name: str) -> float | None:
    """A figure by ``benchmark.figure``; None where it was not measured."""
    benchmark, _, figure = name.partition(".")
    value = results.get(benchmark, {}).get("figures", {}).get(figure)
    return None if value is None else float(value)


def cells(row: Row, value: float, results: Results) -> Cells:
    """The row's cells.

    The share of a rate is figure / limit, that of a time or of memory limit / figure: 100 % is the goal reached, or
    all that the limit allows.
    """
    limit, share = "", 0.0
    if row.at_least is not None:
        limit, share = f"≥ {row.at_least:,g}", value / row.at_least
    elif row.at_most is not None:
        limit, share = f"≤ {row.at_most:,g}", row.at_most / max(value, 1e-9)
    elif (bound := figure_of(results, row.of)) is not None:
        limit, share = f"{LIMITS[row.of]} {number(bound)}", value / bound
    return row.what, number(value), row.unit, limit, f"{share:.0%}" if limit and share < 10 else ""


def table_cells(results: Results, readme: bool = False) -> list[Cells]:
    """Cells of the rows that were measured; then, but for README, all figures of benchmarks that have no row."""
    described = {row.figure.partition(".")[0] for row in ROWS}
    lines = []
    for row in ROWS:
        value = figure_of(results, row.figure)
        if value is not None and (not readme or row.figure in README):
            lines.append(cells(row, value, results))
    for benchmark, result in results.items():
        for figure, value in result.get("figures", {}).items():
            if not readme and benchmark not in described:
                lines.append((f"{benchmark}: {figure.replace('_', ' ')}", number(value), "", "", ""))
    return lines


def not_run(results: Results) -> list[str]:
    """A line for each benchmark that did not run."""
    names = [name for name in BENCHMARKS if "not_run" in results.get(name, {})]
    return [f"{name}: not run: {results[name]['not_run']}" for name in names]


def aligned(results: Results) -> str:
    """The table for a terminal, and what was not run below it."""
    lines = [HEADER, *table_cells(results)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = []
    for what, figure, *rest, share in lines:
        padded = [what.ljust(widths[0]), figure.rjust(widths[1])]
        padded += [cell.ljust(width) for cell, width in zip(rest, widths[2:4], strict=True)]
        text.append("  ".join([*padded, share.rjust(widths[4])]).rstrip())
    return "\n".join([*text, *not_run(results)])


def machine_line(machine: Mapping[str, Any]) -> str:
    """The machine in one line."""
    cores, threads = (
        f"{machine[name + 's']} {name}{'s' * (machine[name + 's'] > 1)}" for name in ("core", "thread")
    )
    return (
        f"{machine['processor']}, {cores}, {threads}, "
        f"{machine['memory_gb']:.0f} GB of memory, {machine['gpu'] or 'no GPU'}, torch {machine['torch']}"
    )


def markdown(content: Mapping[str, Any], readme: bool = False) -> str:
    """A stored run as a Markdown table, with the machine below it.

    Args:
        content: what `python -m benchmarks --out FILE` wrote.
        readme: only README's rows, and nothing of what did not run.
    """
    results = content["results"]
    text = [f"| {' | '.join(HEADER)} |", "| --- | ---: | --- | --- | ---: |"]
    text += [f"| {' | '.join(line)} |" for line in table_cells(results, readme)]
    text += ["", f"`{content['command']}`, {content['date']}: {machine_line(content['machine'])}."]
    absent = [] if readme else not_run(results)
    return "\n".join([*text, *([""] if absent else []), *(f"- {line}" for line in absent)])
