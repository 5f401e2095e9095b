"""The table that ends a fit: the network, baselines, the band of random scores, and the oracle where it is known.

Each row is one line of plain text, so that a log can be searched for ``network   5d``.
"""

from collections.abc import Mapping, Sequence
from math import isfinite, sqrt
from typing import TYPE_CHECKING

from atft.day_statistics import RANKING_METRICS
from atft.errors import counted
from atft.evaluation.null_controls import Band
from atft.evaluation.paired import PairedDifference
from atft.evaluation.plain_table import RANDOM, plain_table, signed
from atft.evaluation.plausible_ic import plausible_ic
from atft.evaluation.summary import Metrics, SummaryRow

if TYPE_CHECKING:
    from rich.table import Table

ORDER = ("network", "lightgbm", "blend", "mlp", "ridge", "reversal", RANDOM, "oracle")
"""Rows of a horizon from top to bottom; scorers of other names come after the network, in their own order."""

Bands = Mapping[str, Band]
"""Metric -> the lowest and highest that random scores usually reach."""


def comparison_table(
    rows: Sequence[SummaryRow],
    bands: Mapping[int, Bands] | None = None,
    title: str = "",
    min_stocks: int = 2,
    metrics: Metrics = RANKING_METRICS,
) -> "Table":
    """Put scorers side by side, horizon by horizon, with the band of random scores; lag 1 is a column beside lag 0.

    A line below the table says how many days did not have the ``min_stocks`` that a day needed to count.
    """
    bands = bands or {}
    # The lagged RankIC stands beside the RankIC, which is the table's first metric.
    shown = [(metric.heading, name, 0) for name, metric in metrics.items() if metric.heading]
    shown.insert(1, ("RankIC lag 1", "rank_ic", 1))
    table = plain_table(title, ("scorer", "horizon"), ("days", *(heading for heading, _, _ in shown)))
    thin = max((r.thin_days for r in rows), default=0)
    if thin:
        table.caption = f"left out, {counted(thin, 'day')} with fewer than {min_stocks} stocks"
    by_key = {(r.scorer, r.horizon, r.lag): r for r in rows}
    rank = {name: i for i, name in enumerate(ORDER)}
    scorers = dict.fromkeys([*(r.scorer for r in rows), RANDOM])
    for i, horizon in enumerate(sorted({r.horizon for r in rows})):
        if i:
            table.add_section()
        for scorer in sorted(scorers, key=lambda name: rank.get(name, 0.5)):
            row, band = by_key.get((scorer, horizon, 0)), bands.get(horizon, {})
            if row is not None:
                cells = [
                    _estimate(by_key.get((scorer, horizon, lag)), name, metrics[name].digits)
                    for _, name, lag in shown
                ]
                table.add_row(scorer, f"{horizon}d", str(row.days), *cells)
            elif scorer == RANDOM and band:
                cells = ["" if lag else _range(band, name) for _, name, lag in shown]
                table.add_row(scorer, f"{horizon}d", "", *cells)
    return table


def paired_lines(differences: Mapping[int, PairedDifference]) -> list[str]:
    """One line a horizon on a paired difference of RankIC: value, Newey-West error and 95 % interval."""
    lines = []
    for horizon, (scorer, against, days, rank_ic) in differences.items():
        interval = "too few days for an interval"
        if isfinite(rank_ic.low):
            interval = f"± {rank_ic.error:.4f}, 95 % {rank_ic.low:+.4f} .. {rank_ic.high:+.4f}"
        lines.append(
            f"{scorer} - {against} {horizon}d: RankIC {rank_ic.value:+.4f} {interval}, {counted(days, 'day')}"
        )
    return lines


def suspect_lines(rows: Sequence[SummaryRow], bands: Mapping[int, Bands] | None = None) -> list[str]:
    """One line a horizon at which a scorer has a mean RankIC or IC beyond `plausible_ic`.

    It names the one that is furthest beyond. A value within two errors of 0, or of so few days that it has none, is
    no suspect: there chance is large too. Nor is one within √h times the band of random scores, which those of
    scores that never change reach. Rows are of a real market: of a simulated one the oracle is the bound.
    """
    lines, bands = [], bands or {}
    for horizon in dict.fromkeys(row.horizon for row in rows):
        beyond, limit = [], plausible_ic(horizon)
        for row in (r for r in rows if r.horizon == horizon and not r.lag):
            for heading, name in (("RankIC", "rank_ic"), ("IC", "ic")):
                value, error = row.figures[name]
                chance = sqrt(horizon) * bands.get(horizon, {}).get(name, (0.0, 0.0))[1]
                if abs(value) > max(limit, chance) and abs(value) > 2 * error:
                    beyond.append((abs(value), f"{heading} {value:+.4f} of {row.scorer}"))
        if beyond:
            lines.append(
                f"WARNING {horizon}d: {max(beyond)[1]} is beyond ±{limit:.2f}, which no honest score reaches: "
                f"suspect a bug or a leak first; python -m atft probe --config FILE looks for one"
            )
    return lines


def _estimate(row: SummaryRow | None, name: str, digits: int) -> str:
    if row is None:
        return ""
    value, error = row.figures[name]
    return signed(value, digits, error)


def _range(band: Bands, name: str) -> str:
    if name not in band:
        return ""
    low, high = band[name]
    digits = RANKING_METRICS[name].digits
    return f"{low:+.{digits}f} .. {high:+.{digits}f}"
