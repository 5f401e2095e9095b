"""How each further file differs from the first, day by day, on the rows that both score.

A file that leaves out the stocks or days that are hard to rank has higher figures on its own rows; beside another
file only the rows that both have say which is better, as in `atft.evaluation.side_by_side`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from atft.day_series import MAX_LOST_SHARE, Series
from atft.errors import InputError
from atft.evaluation.common_rows import common_rows
from atft.evaluation.day_measures import measure_table, without_thin_days
from atft.evaluation.options import EvaluateOptions
from atft.evaluation.paired import PAIRED_FIGURES, paired_difference
from atft.evaluation.result import Difference
from atft.evaluation.score_rows import ScoreRows, dense_horizon

COMPARED = ("score", "target")


def compared_rows(scores: ScoreRows) -> ScoreRows:
    """The rows with nothing but what a comparison reads."""
    numbers = {name: scores.rows.numbers[name] for name in COMPARED}
    return replace(scores, rows=replace(scores.rows, numbers=numbers, texts={}), one_day=None)


def file_differences(files: Mapping[str, ScoreRows], options: EvaluateOptions) -> list[Difference]:
    """Measure each further file minus the first on the rows that both score; none where they have no such day.

    Args:
        files: by name; the target of a row is the first file's where it knows it.
    """
    first, *others = files
    differences = []
    for name in others:
        for horizon in sorted(set(files[name].horizons) & set(files[first].horizons)):
            series = _common_series([files[first], files[name]], horizon, options.min_stocks)
            for figure in PAIRED_FIGURES if series else ():
                b, a = (of[figure] for of in series)
                days = int((np.isfinite(a) & np.isfinite(b)).sum())
                if days:
                    interval = paired_difference(a, b, horizon - 1, **options.bootstrap)
                    differences.append(Difference(name, first, horizon, figure, days, interval))
    return differences


def _common_series(pair: Sequence[ScoreRows], horizon: int, min_stocks: int) -> list[dict[str, Series]]:
    """Each file's measures of each day of the common rows; empty without such a row."""
    tables = {str(number): dense_horizon(scores, horizon).table for number, scores in enumerate(pair)}
    try:
        common = common_rows(tables)
    except InputError:  # files of other days or stocks are shown one by one
        return []
    known = common.table.valid()
    counts = without_thin_days(known, min_stocks)
    series = []
    for score in common.scores.values():
        days = measure_table(score, common.table.columns["target"], counts, names=PAIRED_FIGURES)
        few_lost = days.lost.sum() <= MAX_LOST_SHARE * days.rankable.sum()
        series.append(
            {name: of if few_lost else np.full_like(of, np.nan) for name, of in days.series.items()}
        )
    return series
