"""Files side by side as text, as rows of a CSV file and as JSON."""

import csv
import json
import math
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atft.errors import counted
from atft.evaluation.evaluation_files import json_value
from atft.evaluation.figures import BPS
from atft.evaluation.intervals import Interval
from atft.evaluation.null_controls import CONTROLS
from atft.evaluation.plain_table import RANDOM, plain_table, signed, table_text
from atft.evaluation.side_by_side import BLEND, ComparedHorizon, ComparedScorer, SideBySide
from atft.files.publish import published

if TYPE_CHECKING:
    from rich.table import Table

RESERVED = (BLEND, *CONTROLS, RANDOM)
"""Names of rows that are no file."""
FORMATS = (".csv", ".json")
COLUMNS = ("horizon", "lag", "scorer", "minus", "figure", "days", "value", "low", "high", "error", "t")


def side_by_side_lines(result: SideBySide) -> list[str]:
    """The lines that `python -m atft compare` prints: scorers, differences, and what was left out."""
    lines = table_text(_scorer_table(result)).splitlines()
    lines += ["", *table_text(_difference_table(result)).splitlines()]
    return [*lines, *warning_lines(result), *_left_out(result), *result.notes]


def warning_lines(result: SideBySide) -> list[str]:
    """What makes figures doubtful, a line each."""
    of_horizons = [f"{of.horizon}d: {warning}" for of in result.horizons for warning in of.warnings]
    return [*result.warnings, *of_horizons]


def write_side_by_side(result: SideBySide, out: Path) -> None:
    """Write all figures to a CSV or JSON file, as its suffix says; see `figure_rows` for the rows of the first."""
    with published(out) as aside, aside.open("w", encoding="utf-8", newline="") as file:
        if out.suffix == ".csv":
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(figure_rows(result))
        else:
            json.dump(_as_json(result), file, indent=1, allow_nan=False)


def figure_rows(result: SideBySide) -> Iterator[dict[str, Any]]:
    """One row for each figure: of a scorer, or of a scorer ``minus`` another; what is NaN is None.

    The band of random scores is a scorer of its own, with its ends as ``low`` and ``high``.
    """
    for compared in result.horizons:
        for scorer in compared.scorers:
            key = {"horizon": compared.horizon, "lag": scorer.lag, "scorer": scorer.scorer}
            for figure, interval in scorer.figures.items():
                yield key | {"figure": figure, "days": scorer.days} | json_value(interval)
        for lag, band in compared.bands.items():
            for figure, (low, high) in band.items():
                key = {"horizon": compared.horizon, "lag": lag, "scorer": RANDOM, "figure": figure}
                yield key | json_value({"low": low, "high": high})
        for (lag, figure), pairs in compared.differences.items():
            for pair in pairs:
                key = {"horizon": compared.horizon, "lag": lag, "scorer": pair.scorer, "minus": pair.against}
                yield key | {"figure": figure, "days": pair.days} | json_value(pair.difference)


def _as_json(result: SideBySide) -> dict[str, Any]:
    horizons = []
    for compared in result.horizons:
        plain = asdict(compared)
        plain["scorers"] = [
            {"scorer": s.scorer, "lag": s.lag, "days": s.days} | s.figures for s in compared.scorers
        ]
        plain["bands"] = [{"lag": lag} | band for lag, band in compared.bands.items()]
        plain["differences"] = [
            {"lag": lag, "figure": figure, "scorer": p.scorer, "minus": p.against, "days": p.days}
            | p.difference._asdict()
            for (lag, figure), pairs in compared.differences.items()
            for p in pairs
        ]
        plain["dropped"] = {name: {"rows": r, "days": d} for name, (r, d) in compared.dropped.items()}
        horizons.append(plain)
    whole: dict[str, Any] = json_value(
        {
            "files": result.files,
            "options": result.options,
            "horizons": horizons,
            "notes": result.notes,
            "warnings": result.warnings,
        }
    )
    return whole


def _scorer_table(result: SideBySide) -> "Table":
    first, last = (f(getattr(h, end) for h in result.horizons) for f, end in ((min, "first"), (max, "last")))
    headings = ("days", "RankIC", "95 %", "t", "lag 1", "95 %", "IC", "RankICIR", "spread, bps")
    table = plain_table(
        f"rows that all files have, {first} to {last}; 95 % intervals by stationary bootstrap",
        ("scorer", "horizon"),
        (*headings, "annualised Sharpe", "95 %"),
    )
    for i, compared in enumerate(result.horizons):
        if i:
            table.add_section()
        # Lag 1 has no row of its own: its RankIC stands beside that of lag 0.
        later = {scorer.scorer: scorer for scorer in compared.scorers if scorer.lag == 1}
        for scorer in compared.scorers:
            if scorer.lag == 0:
                cells = _scorer_cells(scorer, later.get(scorer.scorer))
                table.add_row(scorer.scorer, f"{compared.horizon}d", *cells)
        _add_band(table, compared)
    return table


def _scorer_cells(scorer: ComparedScorer, later: ComparedScorer | None) -> list[str]:
    figures = scorer.figures
    rank_ic, sharpe = figures["rank_ic"], figures["sharpe_annual"]
    lag1 = later.figures["rank_ic"] if later else None
    return [
        str(scorer.days),
        *(signed(rank_ic.value), _range(rank_ic), signed(rank_ic.t, 1)),
        *((signed(lag1.value), _range(lag1)) if lag1 else ("", "")),
        signed(figures["ic"].value),
        signed(figures["rank_icir"].value, 2),
        signed(BPS * figures["spread"].value, 1),
        *(signed(sharpe.value, 2), _range(sharpe, 2)),
    ]


def _add_band(table: "Table", compared: ComparedHorizon) -> None:
    """The row of what random scores reach: an interval under each figure's own, no values."""
    band, later = compared.bands[0], compared.bands.get(1)
    ends = [f"± {band[name][1]:.{digits}f}" for name, digits in (("rank_ic", 4), ("ic", 4), ("rank_icir", 2))]
    spread, sharpe = f"± {BPS * band['spread'][1]:.1f}", f"± {band['sharpe_annual'][1]:.2f}"
    lag1 = f"± {later['rank_ic'][1]:.4f}" if later else ""
    cells = ("", ends[0], "", "", lag1, "", ends[1], ends[2], spread, sharpe, "")
    table.add_row(RANDOM, f"{compared.horizon}d", *cells)


def _difference_table(result: SideBySide) -> "Table":
    table = plain_table(
        "paired differences, over the days that both have",
        ("scorer", "minus", "horizon"),
        ("days", "RankIC", "95 %", "t", "lag 1", "95 %", "t", "spread, bps", "95 %"),
    )
    for i, compared in enumerate(result.horizons):
        if i:
            table.add_section()
        later = {(p.scorer, p.against): p.difference for p in compared.differences.get((1, "rank_ic"), [])}
        spreads = {(p.scorer, p.against): p.difference for p in compared.differences[0, "spread"]}
        for pair in compared.differences[0, "rank_ic"]:
            key = pair.scorer, pair.against
            lag1, spread = later.get(key), spreads.get(key)
            table.add_row(
                *key,
                f"{compared.horizon}d",
                str(pair.days),
                signed(pair.difference.value),
                _range(pair.difference),
                signed(pair.difference.t, 1),
                *((signed(lag1.value), _range(lag1), signed(lag1.t, 1)) if lag1 else ("", "", "")),
                *((signed(BPS * spread.value, 1), _range(spread.scaled(BPS), 1)) if spread else ("", "")),
            )
    return table


def _left_out(result: SideBySide) -> Iterator[str]:
    names = list(result.files)
    if any(scorer.scorer == BLEND for scorer in result.horizons[0].scorers):
        yield f"{BLEND}: mean of the day's ranks of {', '.join(names)}"
    for compared in result.horizons:
        where = f"{compared.horizon}d"
        for name, (rows, days) in compared.dropped.items():
            if rows:
                whole = f", {days:,} whole days among them" if days else ""
                yield f"{where}: left out, {counted(rows, 'row')} of {name} that not all files have{whole}"
        if compared.thin_days:
            least = result.options.min_stocks
            yield f"{where}: left out, {counted(compared.thin_days, 'day')} with fewer than {least} known targets"
        yield from (f"{where}: {note}" for note in compared.notes)
    for control, why in result.horizons[0].absent.items():
        yield f"no row {control}: {why}"


def _range(interval: Interval, digits: int = 4) -> str:
    if not math.isfinite(interval.low):
        return ""
    return f"{interval.low:+.{digits}f} .. {interval.high:+.{digits}f}"
